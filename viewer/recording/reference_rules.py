"""The behaviors of the AI Session Recorder of Pathology-CoT, by its published rules.

Source: arXiv 2510.04587 and the rules of its released recorder. Kept to the number, with its
choices: no pauses are cut out, a box is guessed from centers, only 5x and 10x are distinguished.
Where exactness hangs on it (a run of pans that adds up to just 2 s), the arithmetic is the
recorder's: gaps in whole microseconds, added up as floating-point seconds in order.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from viewer.recording.session import SessionError
from viewer.recording.trace import Action

if TYPE_CHECKING:
    from viewer.recording.trace import Trace

STAY_S = 1.0
"""A gap longer than this is a stay."""
PAN_S = 2.0
"""A run of pans whose gaps add up to more than this is one action."""
STAY_HALF_SIDE_PX = 500
"""Half the side of a stay's box, for each unit of zoom."""
PAN_MARGIN_PX = 512
"""Round the centers of a pan's views."""
SMALLEST_10X = 7.5
"""Mean zoom from which an action counts as 10x."""


def reference_actions(trace: Trace) -> list[Action]:
    """Return the actions of a trace, left to right over the gaps between its views.

    A gap of more than `STAY_S` is a stay of one view; else, where the next view has the same
    zoom, the run of such views is a pan if its gaps add up to more than `PAN_S`; else the view is
    passed over. After an action the scan goes on behind it.

    Raises
    ------
    SessionError
        The session tells no magnification, which the rules need.
    """
    if np.isnan(trace.magnification).any():
        raise SessionError(
            "This session tells no magnification, which the reference's rules need: use the mode "
            '"ours", or record it on a slide whose pixel size is set.'
        )
    gaps_s = _gaps_s(trace)
    zooms = trace.magnification
    is_pan = [bool(same) for same in zooms[1:] == zooms[:-1]]
    actions: list[Action] = []
    index = 0
    while index < len(gaps_s):
        if gaps_s[index] > STAY_S:
            actions.append(_stay(trace, gaps_s, index))
            index += 1
            continue
        last, run_s = index - 1, 0.0
        while last + 1 < len(gaps_s) and is_pan[last + 1]:
            last += 1
            run_s += gaps_s[last]
        if run_s > PAN_S:
            actions.append(_pan(trace, gaps_s, index, last))
            index = last
        index += 1
    return actions


def _gaps_s(trace: Trace) -> list[float]:
    """Seconds from each view to the next, cut to microseconds as the recorder cuts them."""
    micros = np.round(np.diff(trace.start_s) * 1e6)
    return [int((value / 1e6) * 1_000_000) / 1_000_000 for value in micros.tolist()]


def _stay(trace: Trace, gaps_s: list[float], index: int) -> Action:
    x, y = _center(trace, index)
    half_px = STAY_HALF_SIDE_PX * float(trace.magnification[index])
    box = (x - half_px, y - half_px, x + half_px, y + half_px)
    return _action("stayinspect", trace, gaps_s, index, index, box)


def _pan(trace: Trace, gaps_s: list[float], first: int, last: int) -> Action:
    xs, ys = zip(*(_center(trace, index) for index in range(first, last + 1)), strict=True)
    box = (
        min(xs) - PAN_MARGIN_PX,
        min(ys) - PAN_MARGIN_PX,
        max(xs) + PAN_MARGIN_PX,
        max(ys) + PAN_MARGIN_PX,
    )
    return _action("paninspect", trace, gaps_s, first, last, box)


def _action(
    kind: str,
    trace: Trace,
    gaps_s: list[float],
    first: int,
    last: int,
    box: tuple[float, float, float, float],
) -> Action:
    zoom = float(np.mean(trace.magnification[first : last + 1]))
    longest = max(range(first, last + 1), key=lambda index: gaps_s[index])
    start_s, end_s = float(trace.start_s[first]), float(trace.start_s[last + 1])
    return Action(
        kind=kind,
        command=f"<{'10x' if zoom >= SMALLEST_10X else '5x'}-{kind}>",
        start_s=start_s,
        end_s=end_s,
        dwell_s=end_s - start_s,
        box=box,
        magnification=zoom,
        dwell_point=_center(trace, longest),
        first=first,
        last=last,
    )


def _center(trace: Trace, index: int) -> tuple[int, int]:
    """Integer halves of the corner sums."""
    x0, y0, x1, y1 = trace.boxes[index].tolist()
    return math.floor((x0 + x1) / 2), math.floor((y0 + y1) / 2)
