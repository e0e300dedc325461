"""From events to lines: numbers, chain, rounding, and what must stay out."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Protocol

import msgspec

from viewer.annotations.counting.tally import LOOK_ALIKE, MITOSIS
from viewer.recording.events import (
    AnyEvent,
    Bookmarked,
    CellMarked,
    Counted,
    DiagnosisEntered,
    EventsLost,
    NoteTaken,
    PixelsTaught,
    Pointer,
    QuestionAnswered,
    QuestionAsked,
    Viewport,
    WordsAsked,
)
from viewer.recording.log_line import CHAIN_START, encode_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Entry = tuple[int, int, AnyEvent]
"""Elapsed nanoseconds, wall milliseconds, event."""

_log = logging.getLogger(__name__)
_SIGNIFICANT_DIGITS = 4
_OWN_CLASSES = (MITOSIS.name, LOOK_ALIKE.name)
"""Names of classes that no reader typed."""


class EventFile(Protocol):
    """What lines are handed to."""

    @property
    def is_full(self) -> bool:
        """Return whether there is no room left: what is appended now is lost."""
        ...

    def append(self, lines: bytes) -> None:
        """Take whole lines, the last with its line feed."""
        ...


class EventWriter:
    """Numbers and chains events and hands their lines to the file.

    Parameters
    ----------
    may_keep_texts
        Whether what the reader typed may be written.
    on_lines
        Is given the lines that go to the file, and how many they are.
    """

    def __init__(
        self,
        file: EventFile,
        *,
        may_keep_texts: bool,
        on_lines: Callable[[bytes, int], object] = lambda _data, _lines: None,
    ) -> None:
        self._file = file
        self._on_lines = on_lines
        self._may_keep_texts = may_keep_texts
        self._number = 0
        self._chain = CHAIN_START
        self._lost = 0

    def write(self, entries: Iterable[Entry]) -> None:
        """Write events in their order."""
        lines: list[bytes] = []
        for elapsed_ns, wall_ms, event in entries:
            if self._file.is_full:
                self._lost += 1
                continue
            if self._lost:
                lines.append(self._line(elapsed_ns, wall_ms, EventsLost(self._lost)))
                self._lost = 0
            try:
                lines.append(self._line(elapsed_ns, wall_ms, self._written(event)))
            except (TypeError, ValueError, OverflowError):
                # A mistake of ours in one event must not end the session.
                _log.exception("an event cannot be written")
                self._lost += 1
        if lines:
            data = b"".join(lines)
            self._file.append(data)
            self._on_lines(data, len(lines))

    def _line(self, elapsed_ns: int, wall_ms: int, event: AnyEvent) -> bytes:
        line, self._chain = encode_line(self._number, elapsed_ns, wall_ms, event, self._chain)
        self._number += 1
        return line

    def _written(self, event: AnyEvent) -> AnyEvent:
        if type(event) is Pointer:  # by far the most, with views
            return Pointer(_short(event.x, 1), _short(event.y, 1))
        match event:
            case Viewport() if not event.at_rest:
                return rounded(event)
            case NoteTaken(is_allowed=True):
                return event
            case NoteTaken() | DiagnosisEntered() | QuestionAsked() | QuestionAnswered():
                return event if self._may_keep_texts else _without(event, "text")
            case Counted() if event.label in _OWN_CLASSES:
                return event
            case Bookmarked() | Counted() | CellMarked():
                return event if self._may_keep_texts else _without(event, "label")
            case PixelsTaught():
                return event if self._may_keep_texts else _without(event, "labels")
            case WordsAsked():
                return event if self._may_keep_texts else _without(event, "phrases")
            case _:
                return event


def rounded(view: Viewport) -> Viewport:
    """Return a view in motion as it is written: 0.1 pixels, scales to four digits."""
    return msgspec.structs.replace(
        view,
        x=_short(view.x, 1),
        y=_short(view.y, 1),
        width=_short(view.width, 1),
        height=_short(view.height, 1),
        rotation_deg=_short(view.rotation_deg, 2),
        downsample=_to_digits(view.downsample),
        screen_mpp_um=None if view.screen_mpp_um is None else _to_digits(view.screen_mpp_um),
        magnification=None if view.magnification is None else _to_digits(view.magnification),
    )


def _to_digits(value: float) -> float:
    if value <= 0 or not math.isfinite(value):
        return value
    return _short(value, _SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(value)))


def _short(value: float, digits: int) -> float:
    """Rounded; a whole number as int, which JSON writes without `.0`: most of a log is views."""
    value = round(value, digits)
    return int(value) if value % 1 == 0 else value  # never so for infinity


def _without(event: AnyEvent, field: str) -> AnyEvent:
    return msgspec.structs.replace(event, **{field: None})
