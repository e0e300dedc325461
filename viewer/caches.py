"""What the program keeps only to be quicker: tiles that it made, and results of models."""

from __future__ import annotations

import os
import shutil

from viewer.folders import cache_folder
from viewer.untyped import is_sequence


def cached_bytes() -> int:
    """Return how much all caches take on the disk. Raises OSError."""
    total = 0
    for place, _, names in os.walk(cache_folder()):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:  # another window has just replaced it
                continue
    return total


def delete_caches() -> int:
    """Delete all caches, and return how many bytes that freed.

    Slides that are open go on: what they still need is made again.

    Raises
    ------
    OSError
        A cache cannot be deleted.
    """
    before = cached_bytes()
    for entry in cache_folder().iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, onerror=_raise_unless_gone)
        else:
            entry.unlink(missing_ok=True)
    return before - cached_bytes()


def _raise_unless_gone(_function: object, _path: str, found: object) -> None:
    error = found[1] if is_sequence(found) else None
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        raise error
