"""Tables of views: QuPath's view tracking, and CSV or JSON lines with columns of any name."""

from __future__ import annotations

import contextlib
import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from viewer.annotations.formats.foreign_values import MOST_PX, amount_of
from viewer.plain_text import shown_line
from viewer.recording.events import Viewport
from viewer.recording.importers.foreign import ForeignSession
from viewer.recording.importers.foreign_views import ForeignView
from viewer.recording.session import SessionError
from viewer.table_lines import with_paired_quotes
from viewer.untyped import is_mapping
from viewer.utc import moment_of

if TYPE_CHECKING:
    from viewer.recording.importers.log_text import LogText

Row = Mapping[str, Any]

COLUMNS = ("time", "x", "y", "width", "height", "downsample", "magnification", "rotation",
           "cursor_x", "cursor_y")  # fmt: skip
"""What a column can be named for; time, x, y, width and height must be there."""

_NEEDED = COLUMNS[:5]
_QUPATH = {
    "time": "Timestamp",
    "x": "X",
    "y": "Y",
    "width": "Width",
    "height": "Height",
    "downsample": "Downsample factor",
    "rotation": "Rotation",
    "cursor_x": "Cursor X",
    "cursor_y": "Cursor Y",
}
_MOST_QUPATH_COLUMNS = 17
"""With cursor, tool, eyes, focal plane and time."""
_MOST_NAMED, _MOST_NAME_CHARACTERS = 20, 40
"""Columns that are named where one is missing."""
_NO_CURSOR = ("-1", "-1.0")
_NS_PER = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_LEAST_SCALE = 1 / MOST_PX
_MOST_NS = 1 << 63
TIME_UNITS = (*_NS_PER, "iso")


def looks_like_qupath(text: str) -> bool:
    """Return whether a text begins with the header of QuPath's view tracking."""
    header = text.partition("\n")[0].rstrip("\r").split("\t")
    return header[:5] == ["Timestamp", "X", "Y", "Width", "Height"]


def qupath_session(text: LogText) -> ForeignSession:
    """QuPath's view tracking: tab-separated, milliseconds from the start, rotation in radians.

    Raises
    ------
    SessionError
        A row cannot be understood.
    """
    head = text.head.strip()
    if "\n" not in head and len(head.split("\t")) > _MOST_QUPATH_COLUMNS:
        raise SessionError(
            "The lines of this file run together, as QuPath's Export button writes them: take the "
            'file in the folder "recordings" of the image, which export_view_tracking.groovy '
            "copies."
        )
    first, rows = _first_of(map(_with_true_field, _dict_rows(text, "\t")))
    session = ForeignSession("")
    _take_views(session, rows, _QUPATH, "ms", rotation_unit_deg=math.degrees(1.0))
    with contextlib.suppress(ValueError):
        width, height = (_number(first, f"Canvas {side}") for side in ("width", "height"))
        if width and height:
            session.window_px = (width, height)
    return session


def _with_true_field(row: Row) -> Row:
    """Return a row with the field itself, where QuPath has the box that holds it turned.

    A place of the cursor of -1, -1 is none.
    """
    changed = dict(row)
    if row.get("Cursor X") in _NO_CURSOR and row.get("Cursor Y") in _NO_CURSOR:
        changed["Cursor X"] = changed["Cursor Y"] = None
    try:
        x, y, width, height, across, down, downsample, turn = (
            _number(row, name)
            for name in (
                "X", "Y", "Width", "Height", "Canvas width", "Canvas height", "Downsample factor",
                "Rotation",
            )
        )  # fmt: skip
    except (ValueError, TypeError, OverflowError):
        return changed
    if None in (x, y, width, height) or not (turn and across and down and downsample):
        return changed
    assert x is not None and y is not None and width is not None and height is not None  # noqa: PT018
    true_width, true_height = across * downsample, down * downsample
    return changed | {
        "X": x + (width - true_width) / 2,
        "Y": y + (height - true_height) / 2,
        "Width": true_width,
        "Height": true_height,
    }


def table_session(text: LogText, columns: Mapping[str, str], time_unit: str) -> ForeignSession:
    """CSV (comma, semicolon or tab) or JSON lines.

    Parameters
    ----------
    columns
        Ours (`COLUMNS`) to theirs; those not named are looked for under our own names.
    time_unit
        One of `TIME_UNITS`.

    Raises
    ------
    SessionError
        A column is missing, or a row cannot be understood.
    """
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        raise SessionError(
            f'"{unknown[0]}" is no column of ours: name some of {", ".join(COLUMNS)}.'
        )
    if time_unit not in TIME_UNITS:
        raise SessionError(f'"{time_unit}" is no unit of time: use {", ".join(TIME_UNITS)}.')
    session = ForeignSession("")
    if "\0" in text.head.partition("\n")[0]:
        raise SessionError("The log is no text: give a viewer's log, or a table of views.")
    is_json = text.head.lstrip().startswith("{")
    first, rows = _first_of(_json_rows(text, session.skipped) if is_json else _csv_rows(text))
    if not first and session.skipped:
        raise SessionError(f"No row of the log can be read: {session.skipped[0]}.")
    names = {name: name for name in COLUMNS} | dict(columns)
    present = {str(name) for name in first}
    missing = [names[name] for name in _NEEDED if names[name] not in present]
    if missing:
        raise SessionError(
            f'The log has no column "{missing[0]}"; it has {_listed(present)}: rename them in the '
            "log (on the command line, --column time=T --column x=LEFT names them)."
        )
    if not is_json:  # whose later rows may have more columns
        names = {name: theirs for name, theirs in names.items() if theirs in present}
    _take_views(session, rows, names, time_unit, rotation_unit_deg=1.0)
    return session


def _listed(names: set[str]) -> str:
    shown = [shown_line(name)[:_MOST_NAME_CHARACTERS] for name in sorted(names)]
    return ", ".join(shown[:_MOST_NAMED]) + (", ..." if len(shown) > _MOST_NAMED else "")


def _first_of(rows: Iterator[Row]) -> tuple[Row, Iterator[Row]]:
    """Return the first row, an empty one where there is none, and all rows."""
    first = next(rows, None)
    return ({}, iter(())) if first is None else (first, chain([first], rows))


def _csv_rows(text: LogText) -> Iterator[Row]:
    header = text.head.partition("\n")[0]
    # Semicolons and tabs divide cells where there are any: commas may then be in numbers.
    delimiter = next((mark for mark in ";\t" if mark in header), ",")
    return _dict_rows(text, delimiter)


def _dict_rows(text: LogText, delimiter: str) -> Iterator[Row]:
    lines = with_paired_quotes(text.lines(), delimiter)
    try:
        yield from csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True)
    except csv.Error as error:
        raise SessionError(f"The log is no table that can be read ({error}).") from error


def _json_rows(text: LogText, skipped: list[str]) -> Iterator[Row]:
    for number, line in enumerate(text.lines(), 1):
        if not line.strip():
            continue
        try:
            row: object = json.loads(line)  # which reads the bare NaN of Python's own writer
        except (ValueError, RecursionError):
            row = None
        if is_mapping(row):
            yield row
        else:
            skipped.append(f"line {number} is no JSON object")


def _take_views(
    session: ForeignSession,
    rows: Iterable[Row],
    names: Mapping[str, str],
    time_unit: str,
    rotation_unit_deg: float,
) -> None:
    """Take the views of all rows that can be read; those that cannot are noted."""
    for number, row in enumerate(rows, 2):
        try:
            session.views.append(_view_of(row, names, time_unit, rotation_unit_deg, session))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            reason = str(error) if type(error) is ValueError else "it breaks off"
            session.skipped.append(f"row {number}: {reason}")


def _view_of(
    row: Row,
    names: Mapping[str, str],
    time_unit: str,
    rotation_unit_deg: float,
    session: ForeignSession,
) -> ForeignView:
    def value(name: str) -> float | None:
        return _number(row, names[name]) if name in names else None

    def beside(name: str) -> float | None:
        """Return what a view can do without; what cannot be read, or cannot be, is counted."""
        try:
            found = value(name)
        except (ValueError, TypeError, OverflowError):
            session.unread += 1
            return None
        if found is not None and abs(found) >= MOST_PX:
            session.unread += 1
            return None
        return found

    x, y, width, height = (value(name) for name in _NEEDED[1:])
    if x is None or y is None or width is None or height is None:
        raise ValueError("x, y, width or height is empty")
    if not (width > 0 and height > 0 and max(abs(x), abs(y), width, height) < MOST_PX):
        raise ValueError("its view has no area on a slide")
    downsample, magnification = beside("downsample"), beside("magnification")
    if magnification is not None and magnification <= _LEAST_SCALE:
        magnification = None
    view = Viewport(
        x=x,
        y=y,
        width=width,
        height=height,
        rotation_deg=(beside("rotation") or 0.0) * rotation_unit_deg % 360.0,
        mirrored=False,
        downsample=downsample if downsample is not None and downsample > _LEAST_SCALE else 1.0,
        screen_mpp_um=None,
        magnification=magnification,
        cause="import",
        at_rest=True,
    )
    cursor_x, cursor_y = beside("cursor_x"), beside("cursor_y")
    pointer = None if cursor_x is None or cursor_y is None else (cursor_x, cursor_y)
    return ForeignView(_time_ns(row[names["time"]], time_unit), view, pointer)


def _number(row: Row, name: str) -> float | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    number = amount_of(value)
    if not math.isfinite(number):
        return None
    return number


def _time_ns(value: Any, unit: str) -> int:
    if unit == "iso":
        return round(moment_of(str(value)).timestamp() * 1_000_000) * 1000
    time_ns = amount_of(value) * _NS_PER[unit]
    if not abs(time_ns) < _MOST_NS:  # which is so of what is no number, too
        raise ValueError(f'"{value}" is no time')
    return round(time_ns)
