"""What every importer makes of another viewer's log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.plurals import plural
from viewer.recording.importers.foreign_views import ForeignViews

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


class ForeignSession(msgspec.Struct):
    """What another viewer's log tells of one slide.

    Attributes
    ----------
    slide_name
        As the log has it; "" where it has none.
    size_px
        Of level 0; (0, 0) where the log does not tell.
    """

    slide_name: str
    size_px: tuple[int, int] = (0, 0)
    started: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
    window_px: tuple[float, float] | None = None
    views: ForeignViews = msgspec.field(default_factory=ForeignViews)
    skipped: list[str] = msgspec.field(default_factory=list[str])
    """Why each row that was left out could not be read."""
    unread: int = 0
    """Values beside the view, such as of the cursor, that could not be read."""


GAP_S = 60.0
"""A longer time between two views counts as away: no log tells whether anybody looked (ours)."""


def put_in_order(session: ForeignSession) -> tuple[list[tuple[int, int]], list[str]]:
    """Make the times of the views never fall; the order of the file holds, not that of its clock.

    Returns
    -------
    list of (int, int)
        Spans of nanoseconds that are too long to count as looked at.
    list of str
        Sentences on what was found.
    """
    times = session.views.times_ns
    order = np.empty(len(times), np.intp)
    jumps = 0
    latest_ns = None
    for begin, end in _parts(times):
        part = times[begin:end]
        order[begin:end] = begin + np.argsort(part, kind="stable")
        shift_ns = 0 if latest_ns is None else max(0, latest_ns - int(part.min()))
        jumps += shift_ns > 0
        part += shift_ns
        latest_ns = int(part.max())
    session.views.reorder(order)
    times = session.views.times_ns
    long = np.flatnonzero(np.diff(times) > GAP_S * 1e9)
    away = [(int(times[at]), int(times[at + 1])) for at in long.tolist()]
    notes: list[str] = []
    if jumps:
        times = "once" if jumps == 1 else f"{jumps} times"
        notes.append(
            f"The clock of the log was set back {times}: the order of the file holds, and no time "
            "is counted there."
        )
    if session.unread:
        values = plural(session.unread, "value")
        notes.append(
            f"{values} of the rotation, scale or cursor could not be read and are left out; the "
            "views are kept."
        )
    if away:
        spans = plural(len(away), "gap")
        notes.append(f"{spans} of more than {GAP_S:g} s between views: not counted as looked at.")
    return away, notes


def _parts(times: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Cut where the clock fell by more than `GAP_S` from the latest time of a part."""
    begin, gap_ns = 0, int(GAP_S * 1e9)
    while begin < len(times):
        latest = np.maximum.accumulate(times[begin:])
        fallen = np.flatnonzero(times[begin + 1 :] < latest[:-1] - gap_ns)
        end = begin + 1 + int(fallen[0]) if len(fallen) else len(times)
        yield begin, end
        begin = end
