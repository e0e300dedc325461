"""Recorded sessions as actions of the environment: what a reader did, to learn from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from viewer.geometry import Box, Point, Size
from viewer.recording.field_of_view import FieldOfView

if TYPE_CHECKING:
    from viewer.recording.trace import Trace

KINDS = ("move", "zoom", "stop", "answer")
"""Of actions, by their numbers."""
MOVE, ZOOM, STOP, ANSWER = range(4)

_SAME_OCTAVES = 1e-9


class Demonstration(msgspec.Struct, frozen=True):
    """A session, step by step.

    Attributes
    ----------
    start
        The first field, x0, y0, x1, y1 in level-0 pixels: `reset(options={"field": start})`.
    actions
        One for each further view, then a stop.
    fields
        (n, 4) what the environment shows after each: the field with the middle of the recorded one
        that just holds it. Where both have the same shape, they are the same.
    dwell_s
        (n,) how long the reader looked at the field before the action.
    turned
        How many of the views were turned or mirrored; they are shown upright.
    """

    start: tuple[float, float, float, float]
    actions: list[dict[str, Any]]
    fields: np.ndarray[Any, np.dtype[np.float64]]
    dwell_s: np.ndarray[Any, np.dtype[np.float64]]
    turned: int


def demonstration(
    trace: Trace, slide: Size, size_px: Size, least_dwell_s: float = 0.0
) -> Demonstration:
    """Return what the environment has to be asked for to show what a reader saw.

    Parameters
    ----------
    slide
        Level-0 pixels.
    size_px
        Of the observation.
    least_dwell_s
        Views that were looked at for less are passed over, such as those on the way; the first
        is not.

    Raises
    ------
    ValueError
        The session holds no view.
    """
    if not len(trace):
        raise ValueError("The session holds no view, so there is nothing to learn from.")
    dwell_s = trace.looked_s()
    kept = dwell_s >= least_dwell_s
    kept[0] = True
    boxes = [
        Box.around(Point(x, y), width, height)
        for (x, y), (width, height, _) in zip(
            trace.centers[kept].tolist(), trace.fields[kept].tolist(), strict=True
        )
    ]
    now = FieldOfView.holding(boxes[0], slide, size_px)
    start = now.box.bounds
    actions: list[dict[str, Any]] = []
    shown: list[tuple[float, float, float, float]] = []
    for box in boxes[1:]:
        action = _action(now, FieldOfView.holding(box, slide, size_px))
        now = _done(now, action)
        actions.append(action)
        shown.append(now.box.bounds)
    actions.append(_made(STOP))
    shown.append(now.box.bounds)
    is_turned = (trace.fields[:, 2] % 360 != 0) | trace.mirrored
    turned = int(np.count_nonzero(is_turned[kept]))
    return Demonstration(start, actions, np.array(shown), dwell_s[kept], turned)


def _action(now: FieldOfView, then: FieldOfView) -> dict[str, Any]:
    width, height = now.size_px.width * now.downsample, now.size_px.height * now.downsample
    across = (then.center.x - now.center.x) / width
    down = (then.center.y - now.center.y) / height
    octaves = math.log2(now.downsample / then.downsample)
    if abs(octaves) < _SAME_OCTAVES:
        return _made(MOVE, (across, down))
    share = 1 - then.downsample / now.downsample
    return _made(ZOOM, (across / share, down / share), octaves)


def _made(kind: int, move: tuple[float, float] = (0.0, 0.0), zoom: float = 0.0) -> dict[str, Any]:
    return {"kind": kind, "move": np.array(move), "zoom": np.array([zoom]), "answer": 0}


def _done(now: FieldOfView, action: dict[str, Any]) -> FieldOfView:
    x, y = action["move"].tolist()
    if action["kind"] == MOVE:
        return now.moved((x, y))
    return now.zoomed(float(action["zoom"][0]), (x, y))
