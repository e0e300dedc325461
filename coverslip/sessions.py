"""Recorded sessions for scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from viewer.recording.behaviors import actions_of
from viewer.recording.library import Library
from viewer.recording.trace_loading import load_trace

if TYPE_CHECKING:
    from os import PathLike

    from viewer.recording.behaviors import Action
    from viewer.recording.session import SessionHeader
    from viewer.recording.trace import Trace


class Session(msgspec.Struct, frozen=True):
    """A recorded session.

    Attributes
    ----------
    header
        Who read which slide, when, and by which program.
    duration_s
        Up to the last event.
    """

    folder: Path
    header: SessionHeader
    duration_s: float

    @property
    def id(self) -> str:
        """Return the name of its folder."""
        return self.folder.name

    def trace(self) -> Trace:
        """Load what was on screen, as arrays with a row a view."""
        return load_trace(self.folder)


def load_sessions(folder: str | PathLike[str] | None = None) -> list[Session]:
    """List the sessions of a folder, the newest first; by default those of this user.

    Sessions whose header is damaged are left out; `coverslip sessions list` names them.
    """
    library = Library(None if folder is None else Path(folder))
    return [
        Session(summary.folder, summary.header, summary.duration_s)
        for summary in library.summaries()
        if summary.header is not None
    ]


def behaviors(session: Session) -> list[Action]:
    """Return what the reader did, in order of time: commands, times, boxes in level-0 pixels.

    Raises
    ------
    CoverslipError
        The log cannot be read.
    """
    return actions_of(session.trace(), slide=session.header.slide.size)
