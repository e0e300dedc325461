"""The raw log of the AI Session Recorder of Pathology-CoT."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from viewer.annotations.formats.foreign_values import MOST_PX, number_of, place_of
from viewer.recording.events import Viewport
from viewer.recording.importers.foreign import ForeignSession
from viewer.recording.importers.foreign_views import ForeignView

if TYPE_CHECKING:
    from viewer.recording.importers.log_text import LogText

_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}[.,]\d{3})")
_NAME = re.compile(r"filename: ([^,]+)")
_SIZE = re.compile(r"(\d{1,9})x(\d{1,9}) \[")
_NUMBER = r"(-?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?)"
_SHOWN = re.compile(
    rf"\[x1:\s*{_NUMBER}, y1:\s*{_NUMBER}, x2:\s*{_NUMBER}, y2:\s*{_NUMBER}\]"
    rf".*currentZoom:\s*{_NUMBER}"
)
_OPEN_MARK = "*** Open slide ***"
_SHOW_MARK = "*** showImage ***"


def looks_like_reference(text: LogText) -> bool:
    """Return whether a text holds lines of this log."""
    return any(_SHOW_MARK in line or _OPEN_MARK in line for line in text.lines())


def reference_sessions(text: str) -> list[ForeignSession]:
    """Return one session a slide, its views in the order of their times.

    A slide that is opened again goes on where it was left, as the reference counts it.
    """
    sessions: dict[str, ForeignSession] = {}
    current: ForeignSession | None = None
    for stamp, line in _records(text):
        if _OPEN_MARK in line:
            name = _NAME.search(line)
            if name is not None:
                size = _SIZE.search(line)
                size_px = (int(size[1]), int(size[2])) if size else (0, 0)
                key = name[1].strip()
                current = sessions.setdefault(key, ForeignSession(key, size_px))
        elif current is not None and _SHOW_MARK in line:
            shown = _SHOWN.search(line)
            view = None if shown is None else _view(stamp, shown)
            if view is None:
                current.skipped.append(f"the view at {stamp} has no box or no zoom")
            else:
                current.views.append(view)
    found = [session for session in sessions.values() if session.views]
    for session in found:
        session.started = datetime.fromtimestamp(session.views[0].at_ns / 1e9, UTC)
    return found


def _records(text: str) -> list[tuple[str, str]]:
    """Time and text of each record; a line without a time belongs to the record before it."""
    records: list[tuple[str, str]] = []
    for line in text.splitlines():
        stamp = _STAMP.match(line)
        if stamp is not None:
            records.append((stamp[1], line))
        elif records:
            records[-1] = (records[-1][0], f"{records[-1][1]} {line}")
    return records


def _view(stamp: str, shown: re.Match[str]) -> ForeignView | None:
    """Return None where the numbers are no view."""
    try:
        x0, y0, x1, y1 = (place_of(shown[group]) for group in range(1, 5))
        zoom = number_of(shown[5])
        at = datetime.strptime(stamp.replace(",", "."), "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
    except ValueError:
        return None
    if x1 <= x0 or y1 <= y0 or not 1 / MOST_PX < zoom < MOST_PX:
        return None
    view = Viewport(
        x=x0,
        y=y0,
        width=x1 - x0,
        height=y1 - y0,
        rotation_deg=0.0,
        mirrored=False,
        downsample=1.0,
        screen_mpp_um=None,
        magnification=zoom,
        cause="import",
        at_rest=True,
    )
    whole_s = round(at.timestamp() * 1000)
    return ForeignView(whole_s * 1_000_000, view)
