"""What was opened last, slides or projects, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MOST_RECENT = 12


def with_recent(recent: Sequence[str], path: Path) -> list[str]:
    """Return the list after `path` was opened: at the front, once, and no longer than allowed."""
    name = str(path.absolute())
    return [name, *(other for other in recent if other != name)][:MOST_RECENT]
