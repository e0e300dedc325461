"""Writes a session whose events are all known, whole or not at all."""

from __future__ import annotations

import os
from itertools import islice
from typing import IO, TYPE_CHECKING

from viewer.access import make_folder
from viewer.files.atomic_write import sync_folder, sync_open
from viewer.files.unfinished import unfinished_folder
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
    with unfinished_folder(make_folder(library)) as unfinished:
        whole = unfinished / header.id
        whole.mkdir(mode=0o700)
        handle = os.open(whole / EVENTS_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            writer = EventWriter(_File(file), may_keep_texts=header.consent.texts)
            rest = iter(entries)
            while block := list(islice(rest, _BLOCK)):
                writer.write(block)
            file.flush()
            sync_open(file.fileno())
        write_header(whole, header)
        if not _took(whole, folder):
            os.replace(whole / EVENTS_FILE, folder / EVENTS_FILE)
            write_header(folder, header)
    sync_folder(library)
    return folder


def _took(whole: Path, folder: Path) -> bool:
    """Give a whole session its name; return whether there was none of that name."""
    if folder.exists():
        return False
    try:
        whole.rename(folder)
    except OSError:
        if folder.exists():  # another process was there first
            return False
        raise
    return True


class _File:
    """A file that is open, for the writer of events."""

    is_full = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def append(self, lines: bytes) -> None:
        self._file.write(lines)
