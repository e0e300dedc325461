"""Where the lines of a review wait, also through a crash, while its own folder takes none."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from viewer.atomic_write import atomic_write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable


def rescue_path(review: Path) -> Path:
    """In the temporary folder, which is often on another disk."""
    name = hashlib.blake2b(str(review.absolute()).encode(), digest_size=12).hexdigest()
    return Path(tempfile.gettempdir()) / f"coverslip-review-{name}.jsonl"


def keep(review: Path, begin_bytes: int, lines: bytes) -> bool:
    """Keeps lines that belong behind so many bytes of the review; whether that was possible."""
    try:
        atomic_write_bytes(rescue_path(review), b"%d\n" % begin_bytes + lines, mode=0o600)
    except OSError:
        return False
    return True


def kept(review: Path, begin_bytes: int) -> bytes:
    """The lines that belong behind a review of so many bytes; none where there are none.

    What was written home before a crash came is not taken in again: it begins elsewhere.
    """
    path = rescue_path(review)
    try:
        if not _is_mine(path):
            return b""
        begin, _, lines = path.read_bytes().partition(b"\n")
        return lines if int(begin) == begin_bytes else b""
    except (OSError, ValueError):
        return b""


def forget(review: Path) -> None:
    """The lines are home."""
    try:
        if _is_mine(rescue_path(review)):
            rescue_path(review).unlink(missing_ok=True)
    except OSError:
        return  # it begins elsewhere by now, and is not taken in


def _is_mine(path: Path) -> bool:
    """Others can write to the temporary folder."""
    status = path.lstat()
    get_user: Callable[[], int] | None = getattr(os, "getuid", None)
    return get_user is None or status.st_uid == get_user()
