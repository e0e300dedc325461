"""Raw events of another viewer as JSON lines: what our plug-in for OpenSeadragon writes.

A line is an object that says what is recorded (`EventLogHeader`), or an array
`[number, elapsed_ns, wall_ms, event]`; docs/record-anywhere.md describes both. A later header of
the same session takes the place of the earlier one; an event that came before is left out.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from viewer.annotations.formats.foreign_values import MOST_PX
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.recording.events import AnyEvent, EventsLost, ToolCalled, ToolRefused
from viewer.recording.session import Consent, Screen, SessionError
from viewer.untyped import is_mapping, is_sequence
from viewer.utc import moment_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

FORMAT_VERSION = 1
MOST_ELAPSED_NS = 7 * 24 * 3600 * 1_000_000_000
_MOST_LINES = 50_000_000
_MOST_TEXT = 10_000
_MOST_NAME = 255
_LEAST = 1e-5
"""Of scales and of the sides of a field; less is no microscope's."""
_SESSION = re.compile(r"[A-Za-z0-9_-]{8,64}")
_OURS_ALONE = (EventsLost, ToolCalled, ToolRefused)
"""What only Coverslip itself can tell of a session."""


class EventLogError(SessionError):
    """A line that is not of the format; `str()` is one sentence."""


class PageSlide(msgspec.Struct, frozen=True, kw_only=True):
    """What the other viewer says of its slide; `width_px` and `height_px` are of level 0."""

    width_px: int
    height_px: int
    name: str = ""
    mpp_um: tuple[float, float] | None = None
    objective_power: float | None = None


class EventLogHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a log, and of each part of it that is sent.

    Attributes
    ----------
    coverslip
        `FORMAT_VERSION`.
    session
        A name that no other session has; letters, digits, - and _.
    elapsed_ns
        Since the session began, to when it is known that the reader's page was open.
    closed
        Whether the session ended well: no event follows.
    viewer
        Such as "OpenSeadragon 5.0.1".
    """

    coverslip: int
    session: str
    started_utc: str
    slide: PageSlide
    consent: Consent
    utc_offset_min: int = 0
    elapsed_ns: int = 0
    reader: str = ""
    viewer: str = ""
    screen: Screen | None = None
    closed: bool = False

    @property
    def started(self) -> datetime:
        """Return when the session began; `checked_header` sees that it can be read."""
        return moment_of(self.started_utc)


class RawEvent(msgspec.Struct, frozen=True, array_like=True):
    """One event as the other viewer had it; number, elapsed_ns and wall_ms as in a session."""

    number: int
    elapsed_ns: int
    wall_ms: int
    event: AnyEvent


class EventLog(msgspec.Struct):
    """All that was read of one session."""

    header: EventLogHeader
    events: list[RawEvent] = msgspec.field(default_factory=list[RawEvent])
    skipped: list[str] = msgspec.field(default_factory=list[str])
    """Why each line that was left out could not be read."""

    @property
    def next_number(self) -> int:
        """Return the number of the event that is missing next."""
        return self.events[-1].number + 1 if self.events else 0


_header_decoder = msgspec.json.Decoder(prepared(EventLogHeader))
_event_decoder = msgspec.json.Decoder(prepared(RawEvent))
_TAGS = ", ".join(
    str(kind.__struct_config__.tag) for kind in get_args(AnyEvent) if kind not in _OURS_ALONE
)


def looks_like_event_log(text: str) -> bool:
    """Return whether a text begins with the header of such a log."""
    first = text.lstrip().partition("\n")[0]
    if not first.startswith("{"):
        return False
    try:
        about = msgspec.json.decode(first)
    except DECODE_ERRORS:
        return False
    return isinstance(about, dict) and "coverslip" in about


def read_event_logs(lines: Iterable[str]) -> list[EventLog]:
    """Return the sessions of a log; lines that cannot be read are left out and named.

    Raises
    ------
    EventLogError
        A header cannot be read, so that nobody knows what the lines below are of.
    """
    logs: dict[str, EventLog] = {}
    current: EventLog | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if line.lstrip().startswith("{"):
            try:
                header = checked_header(line)
            except EventLogError as error:
                if current is None:
                    raise EventLogError(f"Line {number}: {error}") from error
                current.skipped.append(f"line {number}: {error}")
                continue
            current = logs.setdefault(header.session, EventLog(header))
            current.header = header
        elif current is None:
            raise EventLogError(f"Line {number} stands before any header.")
        else:
            try:
                event = checked_event(line)
            except EventLogError as error:
                current.skipped.append(f"line {number}: {error}")
                continue
            if event.number >= current.next_number:
                current.events.append(event)
    return list(logs.values())


def checked_header(line: str | bytes) -> EventLogHeader:
    """Return the header that a line holds. Raises EventLogError."""
    try:
        header = _header_decoder.decode(line)
    except DECODE_ERRORS as error:
        raise EventLogError(f"The header cannot be read ({_reason(error)}).") from error
    if header.coverslip != FORMAT_VERSION:
        raise EventLogError(
            f"The log is of version {header.coverslip}; this Coverslip reads {FORMAT_VERSION}: "
            "take the plug-in that came with it."
        )
    if not _SESSION.fullmatch(header.session):
        raise EventLogError("The session's name is invalid: use 8 to 64 letters, digits, - and _.")
    try:
        year = header.started.year
    except ValueError as error:
        raise EventLogError('"started_utc" is no time: use ISO 8601.') from error
    if not 2000 <= year < 2200:
        raise EventLogError('"started_utc" is no time of a reading.')
    for name, text, most in (
        ("reader", header.reader, 64), ("viewer", header.viewer, 64),
        ("slide.name", header.slide.name, _MOST_NAME),
        ("consent.given_utc", header.consent.given_utc, 64),
    ):  # fmt: skip
        if len(text) > most or not (text.isprintable() or not text):
            raise EventLogError(f'"{name}" is no name: at most {most} printable characters.')
    slide = header.slide
    if not (0 < slide.width_px < MOST_PX and 0 < slide.height_px < MOST_PX):
        raise EventLogError("The slide has no size: give its width and height in pixels.")
    if slide.mpp_um is not None and not all(_LEAST < side < 1 / _LEAST for side in slide.mpp_um):
        raise EventLogError('"mpp_um" is no pixel size: leave it out where it is unknown.')
    if slide.objective_power is not None and not _LEAST < slide.objective_power < 1 / _LEAST:
        raise EventLogError('"objective_power" is no magnification: leave it out.')
    if not _is_bounded(msgspec.to_builtins(header.screen)):
        raise EventLogError('"screen" is no screen: leave it out.')
    if not 0 <= header.elapsed_ns <= MOST_ELAPSED_NS or abs(header.utc_offset_min) > 24 * 60:
        raise EventLogError("The times of the session are out of range.")
    return header


def checked_event(line: str | bytes) -> RawEvent:
    """Return the event that a line holds. Raises EventLogError."""
    try:
        raw = _event_decoder.decode(line)
    except DECODE_ERRORS as error:
        raise EventLogError(f"it is no event ({_reason(error)})") from error
    if isinstance(raw.event, _OURS_ALONE):
        raise EventLogError(f"only these events can be sent: {_TAGS}")
    if not 0 <= raw.number < _MOST_LINES:
        raise EventLogError("its number is out of range")
    if not 0 <= raw.elapsed_ns <= MOST_ELAPSED_NS or abs(raw.wall_ms) > 10 * MOST_ELAPSED_NS:
        raise EventLogError("its time is out of range")
    if not _is_bounded(msgspec.to_builtins(raw.event)):
        raise EventLogError("it holds a number or text that is out of range")
    if raw.event.__struct_config__.tag == "view" and not _is_view(raw.event):
        raise EventLogError("its view has no area on a slide")
    return raw


def _is_view(event: Any) -> bool:
    return min(event.width, event.height, event.downsample) > _LEAST


def _is_bounded(value: object) -> bool:
    """Return whether numbers are places on a slide at most, and texts no books."""
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, int | float):
        return math.isfinite(value) and abs(value) < MOST_PX
    if isinstance(value, str):
        return len(value) <= _MOST_TEXT
    if is_sequence(value):
        return all(map(_is_bounded, value))
    return is_mapping(value) and all(map(_is_bounded, value.values()))


def _reason(error: Exception) -> str:
    """Return what a decoder says, without what the line held."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
