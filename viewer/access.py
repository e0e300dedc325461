"""Who may read the files that the program keeps.

What lies in the program's own folders is its owner's alone, whatever the umask. What lies elsewhere
because users share it, such as a project or annotations beside a slide, is open to the group of the
folder that it lies in, as far as the folder is, and to nobody else.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from typing import IO, TYPE_CHECKING

from viewer.errors import reason_of
from viewer.folders import data_folder, is_own, own_folders
from viewer.limits import NoRegularFileError

if TYPE_CHECKING:
    from pathlib import Path

OWNER_FILE, OWNER_FOLDER = 0o600, 0o700
_MENDED = ".private"
_log = logging.getLogger(__name__)


def kept_mode(folder: Path) -> int:
    """Return the permissions of a file that is kept in a folder."""
    if is_own(folder):
        return OWNER_FILE
    try:
        mode = folder.stat().st_mode
    except OSError:
        return OWNER_FILE
    return OWNER_FILE | (mode & 0o060)


def give_access(descriptor: int, folder: Path) -> None:
    """Give an open file the permissions that a file kept in `folder` has."""
    mode = kept_mode(folder)
    with contextlib.suppress(OSError, AttributeError):  # not all systems and drives have groups
        if mode != OWNER_FILE and not _is_of_group(descriptor, folder):
            mode = OWNER_FILE
        os.fchmod(descriptor, mode)


def make_folder(folder: Path) -> Path:
    """Make a folder and its missing parents, open to whom a file in it is. Raises OSError."""
    if folder.is_dir():
        return folder
    parent = make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        mode = OWNER_FOLDER
        if not is_own(folder):
            # The bit that hands the group on to what is made within is the parent's to give.
            mode |= parent.stat().st_mode & 0o070 | folder.stat().st_mode & stat.S_ISGID
        with contextlib.suppress(OSError):
            folder.chmod(mode)
    return folder


def open_kept(path: Path, flags: int) -> int:
    """Open a file that is made when absent, as one kept in its folder. Raises OSError."""
    was_there = path.exists()
    # A pipe that nobody reads would hold up a plain open.
    wait_not = getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | os.O_CREAT | wait_not, OWNER_FILE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NoRegularFileError(path)
    if not was_there or is_own(path):
        give_access(descriptor, path.parent)
    return descriptor


def make_file(path: Path) -> None:
    """See that a file is there, for libraries that make theirs with the usual permissions."""
    os.close(open_kept(path, os.O_RDWR))


def open_text(path: Path) -> IO[str]:
    """Begin a text file anew, as one kept in its folder. Raises OSError."""
    return os.fdopen(open_kept(path, os.O_WRONLY | os.O_TRUNC), "w", encoding="utf-8")


def close_tree(folder: Path) -> None:
    """Make a folder and all in it its owner's alone, as far as it can be; links are left alone."""
    _close(str(folder), OWNER_FOLDER)
    for place, folders, files in os.walk(folder):
        for names, mode in ((folders, OWNER_FOLDER), (files, OWNER_FILE)):
            for name in names:
                _close(os.path.join(place, name), mode)


def mend_access() -> None:
    """Close, once, what versions before 0.2 left readable for other accounts."""
    try:
        done = data_folder() / _MENDED
        if done.exists():
            return
        for folder in own_folders():
            if folder.is_dir():
                close_tree(folder)
        make_file(done)
    except OSError as error:
        _log.warning("The permissions of earlier files cannot be mended (%s)", reason_of(error))


def who_can_read(folder: Path) -> str:
    """Return who can read what is kept in a folder, as a sentence for the user."""
    try:
        status = folder.stat()
    except OSError as error:
        return f"Who can read this folder is unknown ({reason_of(error)})."
    if not kept_mode(folder) & stat.S_IRGRP:
        return "Only you can read what is kept here."
    group = _group_name(status.st_gid)
    what = "read and change" if kept_mode(folder) & stat.S_IWGRP else "read"
    return f'You and the group "{group}" can {what} what is kept here.'


def _is_of_group(descriptor: int, folder: Path) -> bool:
    """Give a file to its folder's group; False where that cannot be."""
    group = folder.stat().st_gid
    if os.fstat(descriptor).st_gid != group:
        try:
            os.fchown(descriptor, -1, group)
        except OSError:
            return False
    return True


def _close(path: str, mode: int) -> None:
    try:
        found = os.lstat(path).st_mode
        if not stat.S_ISLNK(found) and found & 0o077:
            os.chmod(path, mode)
    except OSError as error:
        _log.info("The permissions of a file cannot be mended (%s)", reason_of(error))


def _group_name(number: int) -> str:
    try:
        import grp

        return grp.getgrgid(number).gr_name
    except (ImportError, KeyError):
        return str(number)
