"""The sessions as a list shows them: filtered, named, and with those of one slide marked."""

from __future__ import annotations

import os
import threading
from datetime import timedelta, timezone
from typing import TYPE_CHECKING

import msgspec

from viewer.recording.agent_modes import AGENT_PREFIX, agent_mode
from viewer.recording.library import Library, SessionSummary, summary_of
from viewer.slides.known_slides import KnownPlaces
from viewer.utc import moment_of
from viewer.window_first import giving_way

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.recording.session import SessionHeader

_ORIGIN_NAMES = {
    "recorded": "Reader", "imported": "Imported", "simulated": "Simulated", "agent": "Agent",
}  # fmt: skip
"""Who read, in one word, by the origin of a session."""

MOST_NAME = 200
"""Characters of a title, slide or reader that are shown."""


class ListedSession(msgspec.Struct, frozen=True, gc=False):
    """A session with what it is called on this machine.

    Attributes
    ----------
    name
        Its title, else the name of its slide: it is in no file that is exported.
    place
        Where the slide lay when it was last open; None where it never was on this machine.
    is_here
        Whether it is of the slide on screen.
    """

    summary: SessionSummary
    name: str
    place: Path | None
    is_here: bool

    @property
    def folder(self) -> Path:
        return self.summary.folder

    @property
    def who(self) -> str:
        """Return who read, as `who_read`; "" where it is not known."""
        header = self.summary.header
        return "" if header is None else who_read(header)

    @property
    def started(self) -> str:
        """Return when it began, by the reader's clock, as `started_text`."""
        header = self.summary.header
        return "" if header is None else started_text(header)


class _Known(msgspec.Struct, gc=False):
    """A session as it was read, with what differs once it was changed, and as it was listed."""

    state: tuple[int, int, int]
    summary: SessionSummary
    listed: ListedSession | None = None


class SessionListing(msgspec.Struct, frozen=True):
    """What a list of sessions shows.

    Attributes
    ----------
    sessions
        Those that match, the newest first.
    row_of
        Where in `sessions` a folder is.
    of_slide
        All of the slide on screen, whether they match or not, the newest first.
    total
        How many there are, whether they match or not.
    identity
        Of the slide on screen; "" for none.
    """

    sessions: tuple[ListedSession, ...]
    row_of: dict[Path, int]
    of_slide: tuple[ListedSession, ...]
    total: int
    identity: str = ""


NO_SESSIONS = SessionListing((), {}, (), 0)


def who_read(header: SessionHeader) -> str:
    """Return who read, such as "Reader anna" or "Agent: Language model leads"."""
    between = ": " if header.origin == "agent" else " "
    return f"{_ORIGIN_NAMES[header.origin]}{between}{reader_name(header)}"


def reader_name(header: SessionHeader) -> str:
    """Return what a reader is called where the origin of the session is said otherwise."""
    if header.origin == "agent":
        return agent_mode(header.reader.removeprefix(AGENT_PREFIX)[:MOST_NAME])
    return header.reader[:MOST_NAME]


def title_of(header: SessionHeader) -> str:
    """Return the title of a session as it is shown: one without end would hold up the window."""
    return header.title[:MOST_NAME]


def started_text(header: SessionHeader) -> str:
    """Return when a session began, by the reader's clock."""
    try:
        zone = timezone(timedelta(minutes=header.utc_offset_min))
        return f"{moment_of(header.started_utc).astimezone(zone):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError):
        return header.started_utc[:16].replace("T", " ")


class SessionCatalog:
    """Reads the sessions of a folder, each anew only after it changed. For worker threads.

    What did not change is listed by the same object as before: thousands that were made anew with
    each slide came to lie wherever a place was free, and Python gives back no megabyte in which
    one of them lies.

    Parameters
    ----------
    folder
        Of the sessions; by default of this machine's user.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._places = KnownPlaces()
        self._known: dict[str, _Known] = {}

    def listing(
        self,
        identity: str,
        text: str = "",
        hides: Callable[[SessionSummary], bool] = lambda _: False,
        name_of: Callable[[str, str], str] = lambda _, name: name,
    ) -> SessionListing:
        """Return the sessions in which all words of `text` occur.

        Parameters
        ----------
        identity
            Of the slide on screen; "" for none.
        hides
            Tells whether a session is not shown; one that is being recorded always is.
        name_of
            Gives what a slide is called, by its identity and the name of its file; as where a
            study hides names.
        """
        words = text.casefold().split()
        slides: dict[str, tuple[str, Path | None, bool]] = {}
        place_of = self._places.reader()
        found: list[ListedSession] = []
        of_slide: list[ListedSession] = []
        total = 0
        for known in giving_way(self._sessions()):
            summary = known.summary
            if not summary.is_open and hides(summary):
                continue
            total += 1
            listed = _listed(summary, identity, name_of, slides, place_of)
            if known.listed is not None and known.listed == listed:
                listed = known.listed
            known.listed = listed
            if listed.is_here:
                of_slide.append(listed)
            if not words or _holds(listed, words):
                found.append(listed)
        rows = {listed.folder: row for row, listed in enumerate(found)}
        return SessionListing(tuple(found), rows, tuple(of_slide), total, identity)

    def _sessions(self) -> list[_Known]:
        """Return the sessions, the newest first."""
        library = Library(self._folder)
        with self._lock:
            names = library.names()
            for gone in self._known.keys() - set(names):
                del self._known[gone]
            for name in giving_way(names):
                state = _state_of(f"{library.folder}/{name}")
                known = self._known.get(name)
                # One that is being recorded may end without a change of its files, by a crash.
                if known is None or known.state != state or known.summary.is_open:
                    self._known[name] = _Known(state, summary_of(library.folder / name))
            return [self._known[name] for name in names]


def _listed(
    summary: SessionSummary,
    identity: str,
    name_of: Callable[[str, str], str],
    slides: dict[str, tuple[str, Path | None, bool]],
    place_of: Callable[[str], Path | None],
) -> ListedSession:
    """Return a session with its names; `slides` keeps what is known of their slides."""
    from viewer.slides.identity import same_slide

    header = summary.header
    if header is None:
        return ListedSession(summary, f"Damaged session {summary.id}", None, is_here=False)
    slide = header.slide
    if slide.identity not in slides:
        place = place_of(slide.identity)
        name = place.name if place is not None else slide.name or ""
        is_here = bool(identity) and same_slide(slide.identity, identity)
        slides[slide.identity] = name_of(slide.identity, name), place, is_here
    name, place, is_here = slides[slide.identity]
    name = title_of(header) or name or f"Unknown slide {slide.identity.rpartition('-')[2][:6]}"
    return ListedSession(summary, name[:MOST_NAME], place, is_here)


def _holds(listed: ListedSession, words: list[str]) -> bool:
    searched = f"{listed.name} {listed.who} {listed.started} {listed.summary.id}".casefold()
    return all(word in searched for word in words)


def _state_of(folder: str) -> tuple[int, int, int]:
    """Return what differs once a session was changed."""
    from viewer.recording.session import EVENTS_FILE, HEADER_FILE

    try:
        # Thousands are asked for: by names, which is quicker than by paths.
        header, log = os.stat(f"{folder}/{HEADER_FILE}"), os.stat(f"{folder}/{EVENTS_FILE}")
    except OSError:
        return (0, 0, 0)
    return header.st_mtime_ns, log.st_mtime_ns, log.st_size
