"""Where the lines of a review wait, also through a crash, while its own folder takes none."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from viewer.atomic_write import atomic_write_bytes
from viewer.fallback import fallback_path, waiting

if TYPE_CHECKING:
    from pathlib import Path


def rescue_path(review: Path) -> Path:
    """Return where the lines of a review wait. Raises OSError."""
    return fallback_path(_name(review))


def keep(review: Path, begin_bytes: int, lines: bytes) -> bool:
    """Keep lines that belong behind so many bytes of the review; return whether it was possible."""
    try:
        atomic_write_bytes(rescue_path(review), b"%d\n" % begin_bytes + lines, mode=0o600)
    except OSError:
        return False
    return True


def kept(review: Path, begin_bytes: int) -> bytes:
    """Return the lines that belong behind a review of so many bytes; none where there are none.

    What was written home before a crash came is not taken in again: it begins elsewhere.
    """
    path = _waiting(review)
    try:
        if path is None:
            return b""
        begin, _, lines = path.read_bytes().partition(b"\n")
        return lines if int(begin) == begin_bytes else b""
    except (OSError, ValueError):
        return b""


def forget(review: Path) -> None:
    """Delete the lines, which are home."""
    path = _waiting(review)
    try:
        if path is not None:
            path.unlink(missing_ok=True)
    except OSError:
        return  # it begins elsewhere by now, and is not taken in


def _waiting(review: Path) -> Path | None:
    name = _name(review)
    return waiting(name, f"coverslip-{name}")


def _name(review: Path) -> str:
    digest = hashlib.blake2b(str(review.absolute()).encode(), digest_size=12).hexdigest()
    return f"review-{digest}.jsonl"
