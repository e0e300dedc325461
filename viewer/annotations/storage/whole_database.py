"""Lets a database that is whole take the place of another, which is kept beside it, or finds it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from viewer.access import make_file, make_folder
from viewer.files.atomic_write import sync_folder, sync_open

if TYPE_CHECKING:
    from collections.abc import Generator

_NAME_CHARACTERS = 32
_JOURNALS = ("-wal", "-shm")


@contextmanager
def unfinished_database(path: Path) -> Generator[Path]:
    """Give a place beside a database to make another one in; nothing stays there at the end.

    Raises
    ------
    OSError
        Nothing can be written there.
    """
    make_folder(path.parent)
    place = path.with_name(f".{path.name[:_NAME_CHARACTERS]}-{os.urandom(6).hex()}.part")
    make_file(place)
    try:
        yield place
    finally:
        with contextlib.suppress(OSError):
            remove_database(place)


def copy_database(database: sqlite3.Connection, place: Path) -> None:
    """Write all that an open database holds, with what its journal holds, to a new file.

    Raises
    ------
    sqlite3.Error
        It cannot be written.
    """
    with contextlib.closing(sqlite3.connect(place)) as copy:
        database.backup(copy)


def take_place(unfinished: Path, path: Path, why: str) -> Path | None:
    """Let a database take the place of another in one step; return where that one is kept.

    Parameters
    ----------
    unfinished
        Of the same folder; no program has it open.
    why
        What is wrong with the other one: a word for its new name.

    Raises
    ------
    OSError, sqlite3.Error
        It cannot be: what was there is there.
    """
    with contextlib.closing(sqlite3.connect(unfinished)) as database:
        database.execute("PRAGMA journal_mode = DELETE")  # all of it is in one file then
    descriptor = os.open(unfinished, os.O_RDWR)
    try:
        sync_open(descriptor)
    finally:
        os.close(descriptor)
    beside = _kept_beside(path, why)
    for end in _JOURNALS:  # SQLite would write them into the new one
        path.with_name(path.name + end).unlink(missing_ok=True)
    os.replace(unfinished, path)
    sync_folder(path.parent)
    return beside


def remove_database(path: Path) -> None:
    """Remove a database and its journals. Raises OSError."""
    for end in ("", *_JOURNALS, "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def file_id(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from others under its name; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def place_with_folder(path: Path, file: tuple[int, int] | None) -> Path | None:
    """Return where an open file is whose folder was moved or renamed with it.

    None where its folder is still there, and where the system does not tell. A file alone that is
    gone was taken away by another program, which is not followed.

    Parameters
    ----------
    file
        What `file_id` gave for it.
    """
    if file is None or path.parent.exists():
        return None
    try:
        with os.scandir("/proc/self/fd") as opened:
            names = [entry.path for entry in opened]
    except OSError:
        return None  # a system without
    for name in names:
        with contextlib.suppress(OSError):
            place = Path(os.readlink(name))
            if place.name == path.name and file_id(place) == file:
                return place
    return None


def _kept_beside(path: Path, why: str) -> Path | None:
    """Give a file a second name, so that its own may be taken; None where there is no file."""
    stem = f"{path.stem}.{why}-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (path.with_name(f"{stem}{number or ''}{path.suffix}") for number in count())
    beside = next(name for name in names if not os.path.lexists(name))
    try:
        os.link(path, beside)
    except FileNotFoundError:
        return None
    except OSError:  # a drive without second names, or a folder
        os.replace(path, beside)
    return beside
