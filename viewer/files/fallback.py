"""Where work waits while its own place cannot be written: in the data folder.

Where that is full too, it waits in a folder of this account in memory or in the temporary folder.
What is found there is taken in only where it is a file of this account that no other can write to.
Versions before 0.2 left theirs in the system's temporary folder, where anybody could put a file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

from viewer.access import make_folder
from viewer.folders import data_folder
from viewer.stand_in import probe
from viewer.stand_in.left_behind import is_own_folder, parents

_FOLDER = "temporary"
_OWN_FOLDER = f"coverslip-waiting-{os.getuid()}" if hasattr(os, "getuid") else "coverslip-waiting"


def fallback_path(name: str) -> Path:
    """Return the path of waiting work in the first folder that has room; it is made when absent.

    Raises
    ------
    OSError
        There is none.
    """
    trouble = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for folder in _folders():
        try:
            _make(folder)
            probe(folder)
        except OSError as error:
            trouble = error
        else:
            return folder / name
    raise trouble


def _make(folder: Path) -> None:
    """Make a folder, one in a shared place for this account alone. Raises OSError."""
    if folder.name != _OWN_FOLDER:
        make_folder(folder)
        return
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not is_own_folder(folder):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(folder))


def _folders() -> list[Path]:
    """Return where work may wait, the best place first."""
    folders = [parent / _OWN_FOLDER for parent in parents() if parent.is_dir()]
    with contextlib.suppress(OSError):
        folders.insert(0, data_folder() / _FOLDER)
    return folders


def waiting(name: str, *former: str) -> Path | None:
    """Return the file of waiting work where there is one that can be trusted.

    Parameters
    ----------
    former
        The path below the temporary folder where earlier versions left it.
    """
    places = [folder / name for folder in _folders()]
    places += [Path(tempfile.gettempdir(), *former)] if former else []
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
