"""Stand-ins of runs that were killed: found again, taken up, or brought back to their home.

A stand-in says in a file what it stands for, and its run holds a lock on it, which a killed run
gives up.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import logging
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from viewer.access import make_folder
from viewer.limits import JSON_BYTES, read_regular
from viewer.plurals import plural
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from filelock import FileLock

PREFIX = "coverslip-home-"
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_ORIGIN, _LOCK = "origin.json", "in-use.lock"
_RECOVERED = "recovered"
_BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside a database that is open, or was when its program was killed."""
_UNSYNCABLE = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
"""What drives say that have no way to wait for their disk."""
_log = logging.getLogger(__name__)

Stamp = tuple[int, int]
"""Size in bytes and time of the last change in ns: what tells whether a file was changed."""


class Origin(msgspec.Struct, frozen=True):
    """What a stand-in stands for.

    Attributes
    ----------
    folders
        The home's folders, by kind.
    copied
        Stamps of the files that were copied, by their path in the stand-in.
    """

    folders: dict[str, str]
    copied: dict[str, Stamp]


class LeftBehind(msgspec.Struct, frozen=True):
    """A stand-in that no run uses, and the lock on it, which is held now."""

    folder: Path
    origin: Origin
    lock: FileLock


def parents() -> tuple[Path, ...]:
    """Return where stand-ins are made, the better place first."""
    return _MEMORY, Path(tempfile.gettempdir())


def held(folder: Path) -> FileLock | None:
    """Return the lock on a stand-in for this run; None where another run has it. Raises OSError."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK, timeout=0, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def say_origin(folder: Path, folders: Mapping[str, Path]) -> None:
    """Write down what a stand-in that has just been filled stands for. Raises OSError."""
    copied = {str(path.relative_to(folder)): _stamp(path) for path in _files(folder)}
    origin = Origin({kind: str(each) for kind, each in folders.items()}, copied)
    (folder / _ORIGIN).write_bytes(msgspec.json.encode(origin))


def left_behind(folders: Mapping[str, Path]) -> Iterator[LeftBehind]:
    """Yield the stand-ins of killed runs for a home; only those that are this account's alone."""
    wanted = {kind: str(each) for kind, each in folders.items()}
    for folder in (each for parent in parents() for each in parent.glob(f"{PREFIX}*")):
        try:
            if not is_own_folder(folder):
                continue
            origin = msgspec.json.decode(
                read_regular(folder / _ORIGIN, JSON_BYTES), type=prepared(Origin)
            )
            if origin.folders == wanted and (lock := held(folder)) is not None:
                yield LeftBehind(folder, origin, lock)
        except (OSError, *DECODE_ERRORS) as error:
            _log.info("%s is left alone (%s)", folder, error)


def bring_back(left: LeftBehind) -> str:
    """Bring what was done in a stand-in to its home, which can be written again.

    What changed at home meanwhile is not replaced: the stand-in's file lies in a folder beside.

    Returns
    -------
    One sentence about it; "" where nothing had been done.

    Raises
    ------
    OSError
        Not all could be brought back: the stand-in stays.
    """
    beside = Path(left.origin.folders["data"], _RECOVERED, utc_stamp().replace(":", ""))
    brought = aside = 0
    not_whole: OSError | None = None
    for path in _files(left.folder):
        relative = path.relative_to(left.folder)
        kind = relative.parts[0]
        if kind not in left.origin.folders or path.name.endswith((*_BESIDE, ".lock")):
            continue
        try:
            _take_in_journal(path)
        except OSError as error:
            not_whole = error  # the others come home nevertheless
            continue
        was = left.origin.copied.get(str(relative))
        if was == _stamp(path):
            continue
        target = Path(left.origin.folders[kind], *relative.parts[1:])
        if target.exists() and filecmp.cmp(path, target, shallow=False):
            continue
        if target.exists() and (was != _stamp(target) or _has_journal(target)):
            target = beside / relative
            aside += 1
        brought += 1
        _copy(path, target)
    if not_whole is not None:
        raise not_whole
    shutil.rmtree(left.folder, ignore_errors=True)
    if not brought:
        return ""
    files = plural(brought, "file")
    sentence = f"What was done while the home could not be written is in it now: {files}"
    if aside:
        sentence += f", {aside:,} of them in {beside}, because the home's own changed meanwhile"
    return f"{sentence}."


def sync(path: Path) -> None:
    """Wait until the disk has a file or the names in a folder, as far as its drive can.

    Raises OSError where it does not take a file.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSYNCABLE and not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder and of those in it; links are not followed."""
    found: list[Path] = []
    for parent, _, names in os.walk(folder):
        found += [path for name in names if not (path := Path(parent, name)).is_symlink()]
    return sorted(found)


def is_own_folder(folder: Path) -> bool:
    """Return whether a path is a folder that is this account's alone. Raises OSError."""
    status = folder.lstat()
    is_private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    return is_private and (not hasattr(os, "getuid") or status.st_uid == os.getuid())


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _has_journal(path: Path) -> bool:
    return any(path.with_name(path.name + end).exists() for end in _BESIDE)


def _take_in_journal(path: Path) -> None:
    """Make one file of a database and what a killed program left beside it.

    Raises OSError where it cannot: without its journal the file lacks what was done last.
    """
    if path.suffix == ".sqlite" and _has_journal(path):
        import sqlite3

        try:
            with contextlib.closing(sqlite3.connect(path)) as base:
                (is_busy, *_) = base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if is_busy:
                    raise sqlite3.OperationalError("another program has it open")
        except sqlite3.Error as error:
            raise OSError(errno.EIO, str(error), str(path)) from error


def _copy(path: Path, target: Path) -> None:
    """Copy a file so that its place holds the former or the new one. Raises OSError."""
    make_folder(target.parent)
    part = target.with_name(f".{target.name}-{os.urandom(6).hex()}.part")
    try:
        shutil.copyfile(path, part)
        part.chmod(0o600)
        sync(part)
        part.replace(target)
        sync(target.parent)
    finally:
        part.unlink(missing_ok=True)
