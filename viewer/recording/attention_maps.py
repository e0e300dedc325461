"""Where a reader's time went: seconds on screen for each place, by magnification."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.recording.behaviors import BANDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.geometry import Size
    from viewer.recording.trace import FloatArray, Trace

MOST_CELLS = 512
"""Along the longer side of a slide, where the caller does not say."""


class AttentionMaps(msgspec.Struct, frozen=True):
    """Seconds that each cell of a slide was on screen.

    Attributes
    ----------
    seconds
        (len(BANDS) + 1, rows, columns) float32; the last map is of the views whose magnification
        is not known. A cell that was on screen in part counts in part.
    cell_px
        Side of a cell in level-0 pixels; cell (row, column) begins at column * cell_px,
        row * cell_px.
    """

    seconds: NDArray[np.float32]
    cell_px: float

    def band(self, magnification: float) -> NDArray[np.float32]:
        """Return the map of one of `BANDS`."""
        return self.seconds[BANDS.index(magnification)]

    def total(self) -> NDArray[np.float32]:
        """Return the map of all magnifications together."""
        return self.seconds.sum(0)


def attention_maps(trace: Trace, slide: Size, cell_px: float | None = None) -> AttentionMaps:
    """Return the attention of a session, exact in one pass over its views.

    A turned view counts with the upright box that holds it.

    Parameters
    ----------
    slide
        Width and height of level 0.
    cell_px
        By default the longer side has `MOST_CELLS`.
    """
    cell = cell_px or max(slide.width, slide.height) / MOST_CELLS
    rows, columns = (max(1, int(np.ceil(side / cell))) for side in (slide.height, slide.width))
    looked_s = trace.looked_s()
    limits = np.array([slide.width, slide.height] * 2)
    boxes = np.clip(trace.boxes, 0.0, limits) / cell
    bands = band_indices(trace.magnification)
    is_seen = (looked_s > 0) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    x = _steps(boxes[is_seen, 0], boxes[is_seen, 2])
    y = _steps(boxes[is_seen, 1], boxes[is_seen, 3])
    band, weight = bands[is_seen], looked_s[is_seen]
    # Two cells more than the map: steps at its far edge lie beyond it.
    shape = (len(BANDS) + 1, rows + 2, columns + 2)
    steps = [(each_y, each_x) for each_y in y for each_x in x]
    places = [(band * shape[1] + row) * shape[2] + column for (row, _), (column, _) in steps]
    weights = [weight * row_step * column_step for (_, row_step), (_, column_step) in steps]
    flat = np.bincount(
        np.concatenate(places), weights=np.concatenate(weights), minlength=int(np.prod(shape))
    )
    seconds = flat.reshape(shape)
    for each in np.unique(band):  # most sessions have few
        seconds[each] = seconds[each].cumsum(0).cumsum(1)
    seconds = seconds[:, :rows, :columns]
    return AttentionMaps(np.maximum(seconds, 0.0).astype(np.float32), cell)


def band_indices(magnification: FloatArray) -> NDArray[np.intp]:
    """Return the index in `BANDS` nearest to each magnification by ratio; len(BANDS) for nan."""
    distance = np.abs(np.log2(magnification[:, None] / np.array(BANDS)))
    indices = np.argmin(np.nan_to_num(distance, nan=np.inf), axis=1)
    return np.where(np.isnan(magnification), len(BANDS), indices)


def _steps(low: FloatArray, high: FloatArray) -> list[tuple[NDArray[np.intp], FloatArray]]:
    """Return where, along one axis, the covered share of the cells steps up and down, and how much.

    A span from 1.25 to 3.5 covers cells 1, 2 and 3 by 0.75, 1 and 0.5: the shares step by
    0.75, 0.25, -0.5 and -0.5 at the cells 1, 2, 3 and 4.
    """
    steps: list[tuple[NDArray[np.intp], FloatArray]] = []
    for edge, sign in ((low, 1.0), (high, -1.0)):
        cell = np.floor(edge).astype(np.intp)
        share = edge - cell
        steps += [(cell, sign * (1.0 - share)), (cell + 1, sign * share)]
    return steps
