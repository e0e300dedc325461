"""Writes a session whose events are all known, whole or not at all."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from itertools import islice
from secrets import token_hex
from typing import IO, TYPE_CHECKING

from viewer.recording.event_writer import EventWriter
from viewer.recording.session import EVENTS_FILE, write_header

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from viewer.recording.event_writer import Entry
    from viewer.recording.session import SessionHeader

_BLOCK = 4096
_LEFT_S = 86_400.0
"""An unfinished session that was begun so long ago was left by a process that was killed."""


def write_session(entries: Iterable[Entry], header: SessionHeader, library: Path) -> Path:
    """Write a session under another name first, so that a crash leaves all of it or nothing.

    Where the session is there already its log and its header are replaced, each whole; what was
    reviewed of it stays.

    Raises
    ------
    OSError
        The library cannot be written.
    """
    folder = library / header.id
    partial = _unfinished(library, header.id)
    try:
        handle = os.open(partial / EVENTS_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            writer = EventWriter(_File(file), may_keep_texts=header.consent.texts)
            rest = iter(entries)
            while block := list(islice(rest, _BLOCK)):
                writer.write(block)
            file.flush()
            os.fsync(file.fileno())
        write_header(partial, header)
        if not _took(partial, folder):
            os.replace(partial / EVENTS_FILE, folder / EVENTS_FILE)
            write_header(folder, header)
            shutil.rmtree(partial, ignore_errors=True)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return folder


def _took(partial: Path, folder: Path) -> bool:
    """Give a whole session its name; return whether there was none of that name."""
    if folder.exists():
        return False
    try:
        partial.rename(folder)
    except OSError:
        if folder.exists():  # another process was there first
            return False
        raise
    return True


def _unfinished(library: Path, session: str) -> Path:
    """Make the folder in which a session is written, which no other process has."""
    usual = library / f".{session}.part"
    with suppress(OSError):
        if time.time() - usual.stat().st_mtime > _LEFT_S:
            shutil.rmtree(usual)
    try:
        usual.mkdir(parents=True, mode=0o700)
    except FileExistsError:
        other = library / f".{session}-{token_hex(6)}.part"
        other.mkdir(mode=0o700)
        return other
    return usual


class _File:
    """A file that is open, for the writer of events."""

    is_full = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def append(self, lines: bytes) -> None:
        self._file.write(lines)
