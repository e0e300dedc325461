"""What is being written beside its place, and what killed programs left of that.

Whoever writes holds a lock on it, which the system takes back from a killed program.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

FOLDER_SUFFIX = ".unfinished"
_LEFT_S = 3600.0
"""What was changed since is left alone: it may be about to be locked, or to get its name."""


@contextmanager
def unfinished_folder(parent: Path) -> Generator[Path]:
    """Give a folder in which something is made that takes its place in `parent` once it is whole.

    It is removed at the end with all in it, and so is what killed programs left there earlier.

    Raises
    ------
    OSError
        It cannot be made.
    """
    remove_left(parent.glob(f".*{FOLDER_SUFFIX}"))
    folder = Path(tempfile.mkdtemp(FOLDER_SUFFIX, ".", parent))
    descriptor = os.open(folder, os.O_RDONLY) if os.name != "nt" else None
    try:
        if descriptor is not None:
            hold(descriptor)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def hold(descriptor: int) -> bool:
    """Lock an open file or folder; return whether no other program has it locked."""
    try:
        import fcntl
    except ImportError:  # Windows removes nothing that is open anyway
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # the drive has no locks
        return True
    return True


def remove_left(paths: Iterable[Path]) -> None:
    """Remove files and folders that nobody holds or has changed for an hour."""
    for path in paths:
        with contextlib.suppress(OSError):
            if time.time() - path.lstat().st_mtime > _LEFT_S and not is_held(path):
                remove(path)


def is_held(path: Path) -> bool:
    """Return whether a program that runs holds a file or folder. Raises OSError."""
    if path.is_symlink() or os.name == "nt":
        return False
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        return not hold(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all in it. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()
