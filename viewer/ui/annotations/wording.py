"""Words that several of the commands say."""

from __future__ import annotations

LOCKED = "Locked annotations stay as they are (Ctrl+K unlocks)."


def many(count: int) -> str:
    """Return a number of annotations."""
    return "1 annotation" if count == 1 else f"{count:,} annotations"
