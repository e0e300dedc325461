"""Two readings of one slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.recording.attention_maps import attention_maps
from viewer.recording.coverage import LEAST_SEEN_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.geometry import Size
    from viewer.recording.trace import Trace

COMPARED_AT = 10.0
"""Views at a lower magnification do not count: there all is on screen, and all readers agree."""


class Comparison(msgspec.Struct, frozen=True):
    """How two readings agree.

    Attributes
    ----------
    iou
        Intersection over union of the attended cells; nan where a reading attended none.
    correlation
        Pearson's, of the seconds of all cells; nan where one reading is the same everywhere.
    magnification, least_s
        A cell is attended that was on screen at this magnification or a higher one, for this
        many seconds or more.
    problem
        Why the readings cannot be compared, one sentence; "" where they can.
    only_a, only_b, both
        (rows, columns) cells attended by one and not the other, and by both.
    cell_px
        Side of a cell in level-0 pixels.
    """

    iou: float
    correlation: float
    magnification: float
    least_s: float
    problem: str
    only_a: NDArray[np.bool_]
    only_b: NDArray[np.bool_]
    both: NDArray[np.bool_]
    cell_px: float


def compare(a: Trace, b: Trace, slide: Size) -> Comparison:
    """Compare where two readers' time went, at one magnification and time."""
    maps = [attention_maps(_near(trace), slide) for trace in (a, b)]
    seconds_a, seconds_b = (each.total() for each in maps)
    is_a, is_b = seconds_a >= LEAST_SEEN_S, seconds_b >= LEAST_SEEN_S
    has_both = bool(is_a.any() and is_b.any())
    union = int((is_a | is_b).sum())
    return Comparison(
        iou=int((is_a & is_b).sum()) / union if has_both else float("nan"),
        correlation=_correlation(seconds_a, seconds_b) if has_both else float("nan"),
        magnification=COMPARED_AT,
        least_s=LEAST_SEEN_S,
        problem=_problem(a, b, is_a, is_b),
        only_a=is_a & ~is_b,
        only_b=is_b & ~is_a,
        both=is_a & is_b,
        cell_px=maps[0].cell_px,
    )


def _near(trace: Trace) -> Trace:
    kept = trace.magnification >= COMPARED_AT
    return type(trace)(
        trace.start_s[kept], trace.end_s[kept], trace.boxes[kept], trace.centers[kept],
        trace.fields[kept], trace.mirrored[kept], trace.downsample[kept], trace.magnification[kept],
        trace.causes[kept], trace.away,
    )  # fmt: skip


def _problem(a: Trace, b: Trace, is_a: NDArray[np.bool_], is_b: NDArray[np.bool_]) -> str:
    """Why nothing can be compared; "" where both readings attended something."""
    if is_a.any() and is_b.any():
        return ""
    names = [
        name
        for name, trace in (("this session", a), ("the other", b))
        if len(trace) and np.isnan(trace.magnification).all()
    ]
    if names:
        return (
            f"The magnification of {' and '.join(names)} is unknown, so the readings cannot be "
            "compared: set the pixel size and record again."
        )
    if not is_a.any() and not is_b.any():
        which = "neither session has"
    else:
        which = "the other session has not" if is_a.any() else "this session has not"
    return (
        f"The readings cannot be compared: {which} a place that was on screen at "
        f"{COMPARED_AT:g}x or more for {LEAST_SEEN_S:g} s."
    )


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    x, y = (values.ravel().astype(np.float64) - float(values.mean()) for values in (a, b))
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else float("nan")
