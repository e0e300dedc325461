"""From the lines of a log to the arrays of a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.geometry import Point, Size, View
from viewer.recording.events import FocusChanged, IdleChanged, PauseChanged, PlaneChanged, Viewport
from viewer.recording.log_reader import iter_blocks
from viewer.recording.session import SessionHeader, read_header
from viewer.recording.trace import FloatArray, PlaneSeen, Trace
from viewer.slides.channels import ImagePlane

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from viewer.recording.log_line import LogLine


def load_trace(folder: Path, until_s: float = 0.0) -> Trace:
    """Return the trace of a session.

    Parameters
    ----------
    until_s
        Seconds since the session began up to which the last view lasts at least: now, for a
        session that is being recorded, whose log tells nothing while nothing changes.

    Raises
    ------
    SessionError
        The log cannot be read.
    """
    return trace_of(iter_blocks(folder), read_header(folder), until_s)


def trace_of(blocks: Iterable[list[LogLine]], header: SessionHeader, until_s: float = 0.0) -> Trace:
    """Return the views of a log and the spans in which its reader did not look.

    Parameters
    ----------
    until_s
        As in `load_trace`.
    """
    columns = _Columns(until_s, header)
    for lines in blocks:
        columns.add(lines)
    return columns.trace()


class _Columns:
    """Collects block by block, so that a long log is never in memory as objects at once."""

    def __init__(self, until_s: float, header: SessionHeader) -> None:
        self._until_s = until_s
        self._of_others = {"replay"} if header.origin == "agent" else {"replay", "agent"}
        self._parts: list[FloatArray] = []
        self._causes: list[str] = []
        self._away = _AwaySpans()
        self._planes: list[PlaneSeen] = []
        self._end_s = 0.0

    def add(self, lines: list[LogLine]) -> None:
        rows: list[tuple[float, ...]] = []
        for line in lines:
            event = line.event
            if type(event) is Viewport:
                rows.append(
                    (
                        line.elapsed_ns / 1e9,
                        event.x,
                        event.y,
                        event.x + event.width,
                        event.y + event.height,
                        event.downsample,
                        np.nan if event.magnification is None else event.magnification,
                        event.rotation_deg,
                        float(event.mirrored),
                    )
                )
                self._causes.append(event.cause)
                is_others = event.cause in self._of_others
                self._away.set_others(line.elapsed_ns / 1e9, is_others=is_others)
            elif isinstance(event, PlaneChanged):
                plane = ImagePlane(event.z, event.t, event.is_projection)
                seen = PlaneSeen(line.elapsed_ns / 1e9, plane, tuple(event.channels))
                self._planes.append(seen)
            elif isinstance(event, (FocusChanged, IdleChanged, PauseChanged)):
                self._away.add(line.elapsed_ns / 1e9, event)
        if lines:
            self._end_s = lines[-1].elapsed_ns / 1e9
        if rows:
            self._parts.append(np.array(rows, np.float64))

    def trace(self) -> Trace:
        self._end_s = max(self._end_s, self._until_s)
        rows = np.concatenate(self._parts) if self._parts else np.empty((0, 9))
        causes = np.array(self._causes, dtype=np.str_)
        start_s = rows[:, 0]
        end_s = np.append(start_s[1:], max(self._end_s, start_s[-1])) if len(rows) else start_s
        corners = rows[:, 1:5]
        return Trace(
            start_s=start_s,
            end_s=end_s,
            boxes=_turned_boxes(corners, rows[:, 7]),
            centers=(corners[:, :2] + corners[:, 2:]) / 2,
            fields=np.column_stack([corners[:, 2:] - corners[:, :2], rows[:, 7]]),
            mirrored=rows[:, 8] > 0,
            downsample=rows[:, 5],
            magnification=rows[:, 6],
            causes=causes,
            away=self._away.spans(self._end_s),
            planes=tuple(self._planes),
        )


class _AwaySpans:
    """Puts idle, unfocused and paused together: away is where any of them is.

    A replay that ran meanwhile, or an agent that read, is another's reading, and away too.
    """

    def __init__(self) -> None:
        self._changes: list[tuple[float, int]] = []
        self._open: dict[type, float] = {}

    def add(self, at_s: float, event: FocusChanged | IdleChanged | PauseChanged) -> None:
        begins = not event.gained if isinstance(event, FocusChanged) else event.begins
        kind = type(event)
        if begins and kind not in self._open:
            since_s = event.since_s if isinstance(event, IdleChanged) else 0.0
            self._open[kind] = max(at_s - since_s, 0.0)
        elif not begins and kind in self._open:
            self._close(self._open.pop(kind), at_s)

    def set_others(self, at_s: float, *, is_others: bool) -> None:
        if is_others:
            self._open.setdefault(Viewport, at_s)
        elif Viewport in self._open:
            self._close(self._open.pop(Viewport), at_s)

    def spans(self, end_s: float) -> FloatArray:
        for begin_s in self._open.values():
            self._close(begin_s, end_s)
        self._open.clear()
        merged: list[list[float]] = []
        depth = 0
        for at_s, step in sorted(self._changes, key=lambda change: (change[0], -change[1])):
            if depth == 0 and step > 0 and not (merged and merged[-1][1] == at_s):
                merged.append([at_s, at_s])
            depth += step
            if depth == 0:
                merged[-1][1] = at_s
        return np.array(merged, np.float64).reshape(-1, 2)

    def _close(self, begin_s: float, end_s: float) -> None:
        if end_s > begin_s:
            self._changes += [(begin_s, 1), (end_s, -1)]


def _turned_boxes(
    corners: FloatArray,
    rotation_deg: FloatArray,
) -> FloatArray:
    """The smallest upright boxes that hold the fields after their turn about their centers."""
    boxes = corners.copy()
    (turned,) = np.nonzero(rotation_deg % 180)
    for index in turned:
        x0, y0, x1, y1 = corners[index]
        center = Point((x0 + x1) / 2, (y0 + y1) / 2)
        box = View(center, 1.0, Size(x1 - x0, y1 - y0), float(rotation_deg[index])).box
        boxes[index] = box.bounds
    return boxes
