"""Where work waits while its own place cannot be written: in the data folder.

What is found there is taken in only where it is a file of this account that no other can write to.
Versions before 0.2 left theirs in the system's temporary folder, where anybody could put a file.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from viewer.access import make_folder
from viewer.folders import data_folder

_FOLDER = "temporary"


def fallback_path(name: str) -> Path:
    """Return the path of waiting work, whose folder is made when absent. Raises OSError."""
    return make_folder(data_folder() / _FOLDER) / name


def waiting(name: str, *former: str) -> Path | None:
    """Return the file of waiting work where there is one that can be trusted.

    Parameters
    ----------
    former
        The path below the temporary folder where earlier versions left it.
    """
    places = [Path(tempfile.gettempdir(), *former)] if former else []
    with contextlib.suppress(OSError):  # without a folder nothing waits there
        places.insert(0, fallback_path(name))
    return next((path for path in places if is_own_file(path)), None)


def is_own_file(path: Path) -> bool:
    """Return whether a path is a file of this account that no other account can replace."""
    try:
        file, folder = path.lstat(), path.parent.lstat()
    except OSError:
        return False
    if not stat.S_ISREG(file.st_mode):
        return False
    if not hasattr(os, "getuid"):
        return True
    if file.st_uid != os.getuid() or file.st_mode & 0o022 or file.st_nlink > 1:
        return False
    # In a folder that others can write to, the sticky bit keeps them from the files of this one.
    is_guarded = not folder.st_mode & 0o022 or bool(folder.st_mode & stat.S_ISVTX)
    return is_guarded and folder.st_uid in (os.getuid(), 0)
