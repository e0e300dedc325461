"""Writes a session whose events are all known, whole or not at all."""

from __future__ import annotations

import os
import shutil
from itertools import islice
from typing import IO, TYPE_CHECKING

from viewer.recording.event_writer import EventWriter
from viewer.recording.session import EVENTS_FILE, write_header

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from viewer.recording.event_writer import Entry
    from viewer.recording.session import SessionHeader

_BLOCK = 4096


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
    partial = library / f".{header.id}.part"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    try:
        handle = os.open(partial / EVENTS_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            writer = EventWriter(_File(file), may_keep_texts=header.consent.texts)
            rest = iter(entries)
            while block := list(islice(rest, _BLOCK)):
                writer.write(block)
            file.flush()
            os.fsync(file.fileno())
        if folder.exists():
            os.replace(partial / EVENTS_FILE, folder / EVENTS_FILE)
            write_header(folder, header)
            partial.rmdir()
        else:
            write_header(partial, header)
            partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return folder


class _File:
    """A file that is open, for the writer of events."""

    is_full = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def append(self, data: bytes) -> None:
        self._file.write(data)
