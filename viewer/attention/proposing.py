"""From a map of expected attention to the fields that are worth going to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.geometry import Box, Size
from viewer.overlays.box_overlap import box_ious, corners
from viewer.slides.window_sums import window_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCREEN_PX = Size(1280, 800)
"""Logical pixels of the screen whose field a box has, where readers' own boxes are not known."""
_MOST_OVERLAP = 0.2
"""Intersection over union from which a box is the same as a better one."""
_MOST_OF_SLIDE = 0.5
"""A box that holds more of the slide is the overview, and no proposal."""


class Proposal(msgspec.Struct, frozen=True):
    """A field to go to.

    Attributes
    ----------
    box
        Level-0 pixels, within the slide.
    magnification
        To look at it with; None where the map does not tell.
    score
        0 to 1: the share of the attention expected on the slide at this magnification that falls
        on the box, times the share of this magnification in the attention at all.
    """

    box: Box
    magnification: float | None
    score: float


class ExpectedAttention(msgspec.Struct, frozen=True):
    """How a reader's time is expected to spread over a slide and the magnifications.

    Attributes
    ----------
    shares
        float32 (bands, rows, columns), adding up to 1 over all known cells and bands; NaN where
        nothing is known, such as far from tissue.
    magnifications
        Of each band; None for a map that does not tell magnifications apart.
    box_px
        (width, height) of a box of each band, level-0 pixels.
    cell_px
        Side of a cell, level-0 pixels; cell (row, column) begins at column * cell_px,
        row * cell_px.
    slide
        Level-0 pixels.
    """

    shares: NDArray[np.float32]
    magnifications: tuple[float | None, ...]
    box_px: tuple[tuple[float, float], ...]
    cell_px: float
    slide: Size

    def total(self) -> NDArray[np.float32]:
        """Return (rows, columns) of all magnifications; NaN where nothing is known."""
        return self.shares.sum(0)

    def band_shares(self) -> NDArray[np.float32]:
        """Return (bands,) how much of the time goes to each magnification."""
        return np.nansum(self.shares, axis=(1, 2)).astype(np.float32)


def field_px(magnification: float, mpp_um: float, screen: Size = SCREEN_PX) -> tuple[float, float]:
    """Width and height in level-0 pixels of what a screen shows; 10x is 1 um per screen pixel.

    Parameters
    ----------
    mpp_um
        Micrometers per level-0 pixel.
    """
    per_pixel = 10.0 / magnification / mpp_um
    return screen.width * per_pixel, screen.height * per_pixel


def proposals(heatmap: ExpectedAttention, k: int = 8) -> list[Proposal]:
    """Return the k boxes that hold the most attention, the best first.

    A box of the usual size of each band is slid over the map; the best is taken, and what lies in
    it counts no more for its band (greedy non-maximum suppression). Fewer than k are given where
    nothing is left.
    """
    left = np.nan_to_num(heatmap.shares).astype(np.float64)
    sizes = [_size_in_cells(heatmap, band) for band in range(len(left))]
    found: list[Proposal] = []
    sums = [window_sums(left[band], *size) for band, size in enumerate(sizes)]
    usable = [_is_detail(heatmap, band) for band in range(len(left))]
    while len(found) < k and any(usable):
        best = max(
            (band for band in range(len(left)) if usable[band]), key=lambda band: sums[band].max()
        )
        score = float(sums[best].max())
        if score <= 1e-9:
            break
        row, column = (int(i) for i in np.unravel_index(sums[best].argmax(), sums[best].shape))
        rows, columns = sizes[best]
        box = _box(heatmap, best, row + rows / 2, column + columns / 2)
        left[best, row : row + rows, column : column + columns] = 0
        sums[best] = window_sums(left[best], rows, columns)
        others = corners([other.box for other in found])
        if (box_ious(corners([box]), others) < _MOST_OVERLAP).all():
            found.append(Proposal(box, heatmap.magnifications[best], min(score, 1.0)))
    return found


def _size_in_cells(heatmap: ExpectedAttention, band: int) -> tuple[int, int]:
    rows, columns = heatmap.shares.shape[1:]
    width, height = heatmap.box_px[band]
    return (
        min(rows, max(1, round(height / heatmap.cell_px))),
        min(columns, max(1, round(width / heatmap.cell_px))),
    )


def _is_detail(heatmap: ExpectedAttention, band: int) -> bool:
    width, height = heatmap.box_px[band]
    slide = heatmap.slide
    held = min(width, slide.width) * min(height, slide.height)
    return held <= _MOST_OF_SLIDE * slide.width * slide.height


def _box(heatmap: ExpectedAttention, band: int, row: float, column: float) -> Box:
    """Return a box about a place in cells, moved into the slide."""
    slide = heatmap.slide
    width, height = (
        min(heatmap.box_px[band][0], slide.width),
        min(heatmap.box_px[band][1], slide.height),
    )
    x = min(max(column * heatmap.cell_px - width / 2, 0.0), slide.width - width)
    y = min(max(row * heatmap.cell_px - height / 2, 0.0), slide.height - height)
    return Box(x, y, x + width, y + height)
