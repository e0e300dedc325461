"""Lets a file or folder that is whole take the place of what was there, in one step."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from viewer.files.atomic_write import check_allowed, sync_folder, sync_open, tell_export
from viewer.folders import is_own

if TYPE_CHECKING:
    from collections.abc import Callable

_SYNC_THREADS = 8
_NAME_CHARACTERS = 32
_FORMER = ".former"
_HERE = -100
"""Paths are those of the current folder: AT_FDCWD of Linux."""
_RENAME_EXCHANGE, _RENAME_SWAP = 2, 2


def replace_by(unfinished: Path, path: Path) -> None:
    """Let a file or folder that is whole, beside the target, take the place `path`.

    For what is a folder, or takes so long that a later run goes on with it; all else goes through
    `atomic_write`. Links are followed; a folder that was there before is removed once the new one
    stands. A program that is killed meanwhile leaves the one or the other.

    Raises
    ------
    OSError
        It cannot take the place; what was there is as it was.
    """
    target = Path(os.path.realpath(path))
    is_inside = is_own(target)
    if not is_inside:
        check_allowed(target, path)
    if target.is_file() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "it is protected against writing", str(path))
    keeps_mode = target.is_file() and unfinished.is_file()
    mode = stat.S_IMODE(target.stat().st_mode) if keeps_mode else None
    _sync(unfinished, mode)
    _take_back(target)
    if target.is_dir() or (target.is_file() and unfinished.is_dir()):
        _replace_folder(unfinished, target)
    else:
        os.replace(unfinished, target)
    sync_folder(target.parent)
    if not is_inside:
        tell_export(path)


def exchange(first: Path, second: Path) -> None:
    """Let what is at two paths of one drive change places, in one step.

    Raises
    ------
    OSError
        It cannot be, such as on a drive that knows no such step.
    """
    call = _exchange()
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(first))
    number = call(os.fsencode(first), os.fsencode(second))
    if number:
        raise OSError(number, os.strerror(number), str(first))


@cache
def _exchange() -> Callable[[bytes, bytes], int] | None:
    """Return what changes the places of two paths and returns an error's number or 0."""
    import ctypes

    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            swap = library.renamex_np
            return lambda a, b: swap(a, b, _RENAME_SWAP) and ctypes.get_errno()
        rename = library.renameat2
    except (OSError, TypeError, AttributeError):  # Windows, and old libraries of C
        return None
    return lambda a, b: rename(_HERE, a, _HERE, b, _RENAME_EXCHANGE) and ctypes.get_errno()


def _replace_folder(unfinished: Path, target: Path) -> None:
    """Replace what os.replace cannot: a folder, or a file by one."""
    former = unfinished
    try:
        exchange(unfinished, target)
    except OSError:  # some drives of a network
        former = target.with_name(
            f".{target.name[:_NAME_CHARACTERS]}-{os.urandom(6).hex()}{_FORMER}"
        )
        os.replace(target, former)
        try:
            os.replace(unfinished, target)
        except BaseException:
            os.replace(former, target)
            raise
    if former.is_dir():
        shutil.rmtree(former, ignore_errors=True)
    else:
        former.unlink(missing_ok=True)


def _take_back(target: Path) -> None:
    """Bring back what a killed program had put aside where places cannot be changed in one step."""
    if os.path.lexists(target):
        return
    for former in target.parent.glob(f".{_plain(target.name[:_NAME_CHARACTERS])}-*{_FORMER}"):
        os.replace(former, target)
        return


def _plain(name: str) -> str:
    """Return a name as a pattern that it alone fits."""
    return "".join(f"[{each}]" if each in "*?[" else each for each in name)


def _sync(unfinished: Path, mode: int | None) -> None:
    """Wait until the disk has a file, or a folder with all in it. Raises OSError."""
    paths = [unfinished] if unfinished.is_file() else [unfinished, *unfinished.rglob("*")]
    with ThreadPoolExecutor(_SYNC_THREADS, "sync") as pool:  # a folder may hold very many files
        for future in [pool.submit(_sync_path, path, mode) for path in paths]:
            future.result()


def _sync_path(path: Path, mode: int | None) -> None:
    if path.is_dir():
        sync_folder(path)
        return
    if not path.is_file():
        return
    handle = os.open(path, os.O_RDWR)
    try:
        sync_open(handle, mode)
    finally:
        os.close(handle)
