"""Two readings of one slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from viewer.recording.attention import attention_maps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.geometry import Size
    from viewer.recording.trace import Trace

_LEAST_SHARE = 0.05
"""A cell is attended where it has at least this share of the most attended cell's seconds."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two readings agree.

    Attributes
    ----------
    iou
        Intersection over union of the attended cells; nan where nobody attended anything.
    correlation
        Pearson's, of the seconds of all cells; nan where one reading is the same everywhere.
    only_a, only_b, both
        (rows, columns) cells attended by one and not the other, and by both.
    cell_px
        Side of a cell in level-0 pixels.
    """

    iou: float
    correlation: float
    only_a: NDArray[np.bool_]
    only_b: NDArray[np.bool_]
    both: NDArray[np.bool_]
    cell_px: float


def compare(a: Trace, b: Trace, slide: Size, *, from_magnification: float = 0.0) -> Comparison:
    """Compares where two readers' time went.

    Parameters
    ----------
    from_magnification
        Views farther out do not count; 0 takes all. At low power everything is on screen, and all
        readers agree.
    """
    maps = [attention_maps(_from(trace, from_magnification), slide) for trace in (a, b)]
    seconds_a, seconds_b = (each.total() for each in maps)
    is_a, is_b = _attended(seconds_a), _attended(seconds_b)
    union = int((is_a | is_b).sum())
    return Comparison(
        iou=int((is_a & is_b).sum()) / union if union else float("nan"),
        correlation=_correlation(seconds_a, seconds_b),
        only_a=is_a & ~is_b,
        only_b=is_b & ~is_a,
        both=is_a & is_b,
        cell_px=maps[0].cell_px,
    )


def _from(trace: Trace, magnification: float) -> Trace:
    if magnification <= 0:
        return trace
    kept = trace.magnification >= magnification
    return type(trace)(
        trace.start_s[kept], trace.end_s[kept], trace.boxes[kept], trace.centers[kept],
        trace.fields[kept], trace.mirrored[kept], trace.downsample[kept], trace.magnification[kept],
        trace.causes[kept], trace.away,
    )  # fmt: skip


def _attended(seconds: NDArray[np.float32]) -> NDArray[np.bool_]:
    most = float(seconds.max(initial=0.0))
    return seconds >= _LEAST_SHARE * most if most > 0 else np.zeros(seconds.shape, bool)


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    x, y = (values.ravel().astype(np.float64) - float(values.mean()) for values in (a, b))
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else float("nan")
