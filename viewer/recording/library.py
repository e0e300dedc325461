"""All sessions on this machine."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from viewer.access import make_folder
from viewer.errors import reason_of
from viewer.folders import data_folder
from viewer.limits import open_regular
from viewer.prepared_types import DECODE_ERRORS
from viewer.recording.events import SlideClosed
from viewer.window_first import giving_way

if TYPE_CHECKING:
    from viewer.recording.session import SessionHeader


_log = logging.getLogger(__name__)
_TAIL_BYTES = 4096


def sessions_folder() -> Path:
    """Return where sessions are kept; made when absent, for its owner only."""
    folder = data_folder() / "sessions"
    make_folder(folder)
    return folder


class SessionSummary(msgspec.Struct, frozen=True, gc=False):
    """A session as a list shows it.

    Attributes
    ----------
    header
        None where session.json is damaged; `problem` then says why in one sentence.
    duration_s
        Up to the last event.
    is_open
        Whether it is being recorded now.
    ended_well
        Whether it was closed, and not cut off by a crash.
    """

    folder: Path
    header: SessionHeader | None
    duration_s: float
    bytes: int
    is_open: bool
    ended_well: bool
    problem: str = ""

    @property
    def id(self) -> str:
        return self.folder.name


class Library:
    """The sessions of a folder, by default of this machine's user."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or sessions_folder()

    def summaries(self) -> list[SessionSummary]:
        """Return all sessions, the newest first; one that is damaged is listed with its problem."""
        return [summary_of(folder) for folder in self.folders()]

    def folders(self) -> list[Path]:
        """Return the folders of all sessions, the newest first."""
        return [self.folder / name for name in self.names()]

    def names(self) -> list[str]:
        """Return the names of the folders of all sessions, the newest first."""
        return sorted(self._names(), reverse=True)

    def find(self, name: str) -> Path:
        """Return the folder of a session by its id, a beginning that only it has, or its path.

        Raises
        ------
        SessionError
            There is none, or several begin so; an empty name, as that of a variable that is not
            set, is that of none.
        """
        from viewer.recording.session import HEADER_FILE, SessionError

        if not name.strip():
            raise SessionError("The name of a session is empty: give its id.")
        path = Path(name)
        if (path / HEADER_FILE).is_file():
            return path
        matches = [each for each in self._names() if each.startswith(name)]
        if name in matches or len(matches) == 1:
            return self.folder / (name if name in matches else matches[0])
        if not matches:
            raise SessionError(f'There is no session "{name}": `coverslip sessions list` has all.')
        raise SessionError(f'{len(matches)} sessions begin with "{name}": give more of the id.')

    def rename(self, name: str, title: str) -> None:
        """Give a session a title.

        Raises
        ------
        SessionError
            There is no such session, or it cannot be written.
        """
        from viewer.recording.session import SessionError, read_header, write_header

        folder = self.find(name)
        try:
            write_header(folder, msgspec.structs.replace(read_header(folder), title=title))
        except OSError as error:
            raise SessionError(f"{folder.name} cannot be renamed: {reason_of(error)}.") from error

    def delete(self, name: str) -> None:
        """Delete a session for good.

        Raises
        ------
        SessionError
            There is no such session, it is being recorded, or it cannot be deleted.
        """
        from viewer.recording.log_file import spilled
        from viewer.recording.log_reader import is_being_recorded
        from viewer.recording.session import SessionError

        folder = self.find(name)
        if is_being_recorded(folder):
            raise SessionError(f"{folder.name} is being recorded: stop the recording first.")
        try:
            shutil.rmtree(folder)
            waiting = spilled(folder.name)
            if waiting is not None:
                waiting.unlink(missing_ok=True)
        except OSError as error:
            raise SessionError(f"{folder.name} cannot be deleted: {reason_of(error)}.") from error

    def recover(self) -> list[str]:
        """Mend all sessions that a crash left; what was done, one sentence each."""
        from viewer.recording.log_reader import repair
        from viewer.recording.session import SessionError

        notes: list[str] = []
        for folder in self.folders():
            try:
                note = repair(folder)
            except SessionError as error:
                _log.warning("%s", error)
                continue
            if note:
                notes.append(f"The session {folder.name} was mended: {note}.")
        return notes

    def _names(self) -> list[str]:
        from viewer.recording.session import HEADER_FILE

        if not self.folder.is_dir():
            return []
        # Thousands are asked for: by names, which is quicker than by paths.
        with os.scandir(self.folder) as found:
            return [
                each.name
                for each in giving_way(found)
                if not each.name.startswith(".")  # is being written
                and os.path.exists(f"{each.path}/{HEADER_FILE}")
            ]


def summary_of(folder: Path) -> SessionSummary:
    """Return what a list shows of one session; never fails."""
    from viewer.recording.log_reader import is_being_recorded
    from viewer.recording.session import EVENTS_FILE, SessionError, read_header

    problem, header = "", None
    try:
        header = read_header(folder)
    except SessionError as error:
        problem = str(error)
    duration_s, size, ended_well = 0.0, 0, False
    try:
        size = (folder / EVENTS_FILE).stat().st_size
        duration_s, ended_well = _end_of(folder / EVENTS_FILE, size)
    except OSError as error:
        problem = problem or f"The log of {folder.name} cannot be read: {reason_of(error)}."
    return SessionSummary(
        folder, header, duration_s, size, is_being_recorded(folder), ended_well, problem
    )


def _end_of(path: Path, size: int) -> tuple[float, bool]:
    """Seconds to the last whole line, and whether it closes the session."""
    from viewer.recording.log_line import decode_line

    with open_regular(path) as file:
        file.seek(max(0, size - _TAIL_BYTES))
        lines = file.read().split(b"\n")
    for line in reversed(lines[:-1]):
        try:
            last = decode_line(line)
        except DECODE_ERRORS:
            continue
        return last.elapsed_ns / 1e9, isinstance(last.event, SlideClosed)
    return 0.0, False
