"""From a trace to actions: where the reader stayed, and what they scanned."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
from msgspec.structs import replace

from viewer.recording.trace import Action, FloatArray, Trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.geometry import Size

BANDS = (1.25, 2.5, 5.0, 10.0, 20.0, 40.0)
"""Magnifications that are distinguished; a view belongs to the nearest by ratio."""

Box = tuple[float, float, float, float]


class BehaviorParameters(msgspec.Struct, frozen=True):
    """What counts as an action.

    Attributes
    ----------
    stay_s
        Least dwell of a fixation of the view; 1.0 as in the reference recorder (Pathology-CoT).
    pan_s
        Least time of a scan at one magnification; 2.0 as in the reference recorder.
    same_place_share
        A view whose center moved by less than this share of the field's diagonal is still at the
        same place; 0.1 leaves out the drift of a hand at rest on the mouse (ours).
    slow_fields_per_s
        ... and moved no faster than this many diagonals a second; 0.25 tells a hand at rest from a
        pan (ours; the velocity threshold of Salvucci and Goldberg 2000, for views).
    same_zoom_octaves
        Views closer in zoom than this (in doublings) have the same zoom; 0.15 is less than a
        third of a notch of the wheel (ours).
    merge_iou
        Actions that follow each other are one when their boxes overlap by at least this much
        (intersection over union); 0.5 as is usual for boxes of one object (PASCAL VOC).
    merge_gap_s
        ... and no more than this lies between them; 2.0 (ours: a look aside).
    least_s
        Shorter actions are dropped after merging; 1.0, as `stay_s`.
    peek_from
        Magnification from which an inspection is a peek; 20, after the paper's vocabulary:
        inspect is a broad look, peek a look at cells.
    """

    stay_s: float = 1.0
    pan_s: float = 2.0
    same_place_share: float = 0.1
    slow_fields_per_s: float = 0.25
    same_zoom_octaves: float = 0.15
    merge_iou: float = 0.5
    merge_gap_s: float = 2.0
    least_s: float = 1.0
    peek_from: float = 20.0


class Looks(NamedTuple):
    """The trace without the time away: pieces in which one view was looked at; m of them.

    Attributes
    ----------
    view
        (m,) the view's index in the trace.
    start_s, end_s
        (m,) since the session began.
    """

    view: NDArray[np.intp]
    start_s: FloatArray
    end_s: FloatArray


def band_of(magnification: float) -> float:
    """Return the nearest of `BANDS` by ratio; nan stays nan."""
    if math.isnan(magnification) or magnification <= 0:
        return math.nan
    return min(BANDS, key=lambda band: abs(math.log2(magnification / band)))


def looks_of(trace: Trace) -> Looks:
    """Cut the time away out of a trace; a view with a pause in it gives two pieces."""
    if not len(trace):
        empty = np.empty(0)
        return Looks(np.empty(0, np.intp), empty, empty)
    end_s = float(trace.end_s[-1])
    cuts = np.concatenate([trace.start_s, trace.away.ravel(), [end_s]])
    cuts = np.sort(cuts[(cuts >= trace.start_s[0]) & (cuts <= end_s)])
    start_s, stop_s = cuts[:-1], cuts[1:]
    is_piece = stop_s > start_s
    start_s, stop_s = start_s[is_piece], stop_s[is_piece]
    span = np.searchsorted(trace.away[:, 0], start_s, side="right") - 1
    is_away = np.zeros(len(start_s), bool)
    if len(trace.away):
        is_away = (span >= 0) & (start_s < trace.away[np.clip(span, 0, None), 1])
    start_s, stop_s = start_s[~is_away], stop_s[~is_away]
    view = np.searchsorted(trace.start_s, start_s, side="right") - 1
    return Looks(view.astype(np.intp), start_s, stop_s)


def actions_of(
    trace: Trace,
    parameters: BehaviorParameters = BehaviorParameters(),
    slide: Size | None = None,
) -> list[Action]:
    """Return what the reader did, in order of time.

    A fixation is a stay of at least `stay_s` at one place; what lies between fixations at one zoom
    is a scan if it takes at least `pan_s`. Both are `inspect`, or `peek` from 20x on. The box of
    an action is the union of what was on screen.

    Parameters
    ----------
    slide
        Width and height of level 0: boxes are cut off there.
    """
    looks = looks_of(trace)
    if not len(looks.view):
        return []
    stays, zooms = _groups(trace, looks, parameters)
    pieces = _pieces(looks, stays, zooms, parameters)
    actions = [_action(trace, looks, first, last, parameters) for first, last in pieces]
    if slide is not None:
        actions = [_clipped(action, slide) for action in actions]
    merged = _merged(actions, parameters)
    return [action for action in merged if action.dwell_s >= parameters.least_s]


# ---------------------------------------------------------------------------------------------


def _groups(
    trace: Trace, looks: Looks, parameters: BehaviorParameters
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each look the number of its stay, and of its run at one zoom."""
    view = looks.view
    centers, fields = trace.centers[view], trace.fields[view]
    diagonals = np.hypot(fields[:-1, 0], fields[:-1, 1])
    moved = np.linalg.norm(np.diff(centers, axis=0), axis=1) / np.maximum(diagonals, 1e-9)
    is_fast = moved > parameters.slow_fields_per_s * (looks.end_s - looks.start_s)[:-1]
    octaves = np.abs(np.diff(np.log2(np.maximum(_zoom_out(trace)[view], 1e-12))))
    is_apart = looks.start_s[1:] > looks.end_s[:-1]
    is_other_zoom = (octaves >= parameters.same_zoom_octaves) | is_apart
    is_other_place = is_other_zoom | is_fast | (moved >= parameters.same_place_share)
    stays = np.concatenate([[0], np.cumsum(is_other_place)])
    zooms = np.concatenate([[0], np.cumsum(is_other_zoom)])
    return stays.astype(np.intp), zooms.astype(np.intp)


def _zoom_out(trace: Trace) -> FloatArray:
    """Return what the zoom is judged by: magnification, else the downsample."""
    return np.where(np.isnan(trace.magnification), 1.0 / trace.downsample, trace.magnification)


def _pieces(
    looks: Looks,
    stays: NDArray[np.intp],
    zooms: NDArray[np.intp],
    parameters: BehaviorParameters,
) -> list[tuple[int, int]]:
    """First and last look of each fixation and scan."""
    looked_s = looks.end_s - looks.start_s
    dwell_s = np.bincount(stays, weights=looked_s)
    is_fixed = dwell_s[stays] >= parameters.stay_s
    # A new piece begins where the zoom changes, and where a fixation begins, ends or gives way.
    begins = np.ones(len(stays), bool)
    begins[1:] = (
        (zooms[1:] != zooms[:-1])
        | (is_fixed[1:] != is_fixed[:-1])
        | (is_fixed[1:] & (stays[1:] != stays[:-1]))
    )
    (first,) = np.nonzero(begins)
    last = np.append(first[1:], len(stays)) - 1
    total_s = np.add.reduceat(looked_s, first)
    is_kept = is_fixed[first] | (total_s >= parameters.pan_s)
    return list(zip(first[is_kept].tolist(), last[is_kept].tolist(), strict=True))


def _action(
    trace: Trace, looks: Looks, first: int, last: int, parameters: BehaviorParameters
) -> Action:
    views = looks.view[first : last + 1]
    looked_s = looks.end_s[first : last + 1] - looks.start_s[first : last + 1]
    boxes = trace.boxes[views]
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    dwell_s = float(looked_s.sum())
    magnification = float(np.average(trace.magnification[views], weights=looked_s))
    downsample = float(np.average(trace.downsample[views], weights=looked_s))
    longest = views[int(np.argmax(looked_s))]
    kind = "peek" if band_of(magnification) >= parameters.peek_from else "inspect"
    return Action(
        kind=kind,
        command=f"<{_band_name(magnification, downsample)}-{kind}>",
        start_s=float(looks.start_s[first]),
        end_s=float(looks.end_s[last]),
        dwell_s=dwell_s,
        box=(float(low[0]), float(low[1]), float(high[0]), float(high[1])),
        magnification=magnification,
        dwell_point=(float(trace.centers[longest, 0]), float(trace.centers[longest, 1])),
        first=int(views[0]),
        last=int(views[-1]),
    )


def _band_name(magnification: float, downsample: float) -> str:
    """10x; where the slide tells no scale 1:4, screen pixels to slide pixels."""
    if math.isnan(magnification):
        step = 2.0 ** round(math.log2(max(downsample, 1e-12)))
        return f"1:{step:g}" if step >= 1 else f"{1 / step:g}:1"
    return f"{band_of(magnification):g}x"


def _clipped(action: Action, slide: Size) -> Action:
    x0, y0, x1, y1 = action.box
    box = (
        min(max(x0, 0.0), slide.width),
        min(max(y0, 0.0), slide.height),
        min(max(x1, 0.0), slide.width),
        min(max(y1, 0.0), slide.height),
    )
    return replace(action, box=box)


def _merged(actions: list[Action], parameters: BehaviorParameters) -> list[Action]:
    merged: list[Action] = []
    for action in actions:
        if merged and _belong_together(merged[-1], action, parameters):
            merged[-1] = _joined(merged[-1], action)
        else:
            merged.append(action)
    return merged


def _belong_together(a: Action, b: Action, parameters: BehaviorParameters) -> bool:
    return (
        a.command == b.command
        and b.start_s - a.end_s <= parameters.merge_gap_s
        and box_iou(a.box, b.box) >= parameters.merge_iou
    )


def _joined(a: Action, b: Action) -> Action:
    dwell_s = a.dwell_s + b.dwell_s
    return Action(
        kind=a.kind,
        command=a.command,
        start_s=a.start_s,
        end_s=b.end_s,
        dwell_s=dwell_s,
        box=(
            min(a.box[0], b.box[0]),
            min(a.box[1], b.box[1]),
            max(a.box[2], b.box[2]),
            max(a.box[3], b.box[3]),
        ),
        magnification=(a.magnification * a.dwell_s + b.magnification * b.dwell_s) / dwell_s,
        dwell_point=a.dwell_point if a.dwell_s >= b.dwell_s else b.dwell_point,
        first=a.first,
        last=b.last,
    )


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes; 0 where they do not meet."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    area_a = (a[2] - a[0]) * (a[3] - a[1])
    area_b = (b[2] - b[0]) * (b[3] - b[1])
    return common / (area_a + area_b - common)
