"""Where on a slide there is tissue, and where there is surely none.

Two questions with two answers. `tissue_mask` is precise: areas, coverage and quality rest on it.
`candidate_mask` is generous: it leaves out only what is surely glass, padding or ink, so that a
model which skips the rest misses nothing.

Both start from what the slide's own glass looks like (its bright, flat, neutral colors), never from
a threshold over all pixels, which a black edge or a stroke of ink would move.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.slides.glass import Overview, empty_cells, overview_classes
from viewer.slides.region import coarsest_level, read_level
from viewer.slides.window_sums import window_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.geometry import Box
    from viewer.slides.source import Level, SlideSource

TISSUE_VERSION = 3
"""Raised when other parts of a slide count as tissue: models leave out the rest."""
_MIN_SIDE_PX = 700
"""Of the level that is looked at, in its longer side; where the slide has as much."""
_MAX_CELLS = 256
_MIN_CELL_PX = 6
"""Pixels of that level: fewer say too little of what a cell holds."""
_SMOOTH_CELLS = 2
_MARGIN_UM = 120.0
"""Glass this near to something else is looked at too: a fat cell, seen from inside, is white."""
_USUAL_MPP_UM = 0.5
_SPECK_SHARE, _MIN_AROUND = 0.15, 4
"""A cell that differs from glass by little counts only among others like it: noise does not."""
_TISSUE_SHARE = 0.3
"""Of the pixels of a cell that is tissue; of fat, a third is membranes once it is smoothed."""


class TissueMask(msgspec.Struct, frozen=True):
    """Tissue in a grid of cells.

    Attributes
    ----------
    cells
        (rows, columns) bool.
    cell_px
        Width and height of a cell in level-0 pixels.
    """

    cells: NDArray[np.bool_]
    cell_px: tuple[float, float]

    def meets(self, box: Box) -> bool:
        """Return whether any tissue lies in a level-0 box, or in the cell that its edge is in."""
        width, height = self.cell_px
        columns = slice(max(0, int(box.x0 / width)), int(box.x1 / width) + 1)
        rows = slice(max(0, int(box.y0 / height)), int(box.y1 / height) + 1)
        return bool(self.cells[rows, columns].any())


def tissue_mask(source: SlideSource) -> TissueMask:
    """Find the tissue of a slide from its low magnification; reads tiles, so for worker threads.

    Raises
    ------
    TileError
        The level cannot be read.
    """
    return _tissue(source, *_overview(source))


def candidate_mask(source: SlideSource) -> TissueMask:
    """Find all that may be tissue: only what is surely glass, padding or ink is left out.

    Raises
    ------
    TileError
        The level cannot be read.
    """
    return _candidates(source, *_overview(source))


def both_masks(source: SlideSource) -> tuple[TissueMask, TissueMask]:
    """Find the tissue and all that may be tissue, in one look at the slide.

    Raises
    ------
    TileError
        The level cannot be read.
    """
    looked = _overview(source)
    return _tissue(source, *looked), _candidates(source, *looked)


def _tissue(source: SlideSource, overview: Overview, rows: int, columns: int) -> TissueMask:
    shares = _cell_means(overview.is_tissue.astype(np.float32), rows, columns)
    return _mask(source, _smooth(shares > _TISSUE_SHARE))


def _candidates(source: SlideSource, overview: Overview, rows: int, columns: int) -> TissueMask:
    is_candidate = ~empty_cells(overview, lambda plane: _cell_means(plane, rows, columns))
    has_tissue = _cell_means(overview.is_tissue.astype(np.float32), rows, columns) > _SPECK_SHARE
    is_candidate &= has_tissue | (_around(is_candidate) >= _MIN_AROUND)
    base = source.levels[0]
    mpp_um = source.info.optics.mean_mpp_um or _USUAL_MPP_UM
    cell_um = max(base.width_px / columns, base.height_px / rows) * mpp_um
    margin = max(1, math.ceil(_MARGIN_UM / cell_um))
    return _mask(source, _grown(is_candidate, margin))


def _overview(source: SlideSource) -> tuple[Overview, int, int]:
    """Return the classes of the pixels of a coarse level, and the rows and columns of the grid."""
    index = coarsest_level(source.levels, _MIN_SIDE_PX)
    level = source.levels[index]
    rows, columns = _grid_shape(level)
    return overview_classes(read_level(source, index)), rows, columns


def _mask(source: SlideSource, cells: NDArray[np.bool_]) -> TissueMask:
    base = source.levels[0]
    rows, columns = cells.shape
    return TissueMask(cells, (base.width_px / columns, base.height_px / rows))


def _grid_shape(level: Level) -> tuple[int, int]:
    cell = max(max(level.width_px, level.height_px) / _MAX_CELLS, _MIN_CELL_PX)
    return max(1, math.ceil(level.height_px / cell)), max(1, math.ceil(level.width_px / cell))


def _cell_means(values: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """Return (rows, columns) means over blocks that share the picture out evenly."""
    ys = _starts(values.shape[0], rows)
    xs = _starts(values.shape[1], columns)
    sums = np.add.reduceat(np.add.reduceat(values, ys, axis=0), xs, axis=1)
    heights = np.diff(np.append(ys, values.shape[0]))
    widths = np.diff(np.append(xs, values.shape[1]))
    return (sums / np.maximum(heights[:, None] * widths, 1)).astype(np.float32)


def _smooth(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill gaps between fibers and drop lone specks: tissue is where a third around it is."""
    from PIL import Image, ImageFilter  # the window is drawn without it

    image = Image.fromarray(cells.astype(np.uint8) * 255)
    return np.asarray(image.filter(ImageFilter.BoxBlur(_SMOOTH_CELLS))) > 85


def _grown(cells: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Return the cells and all within `radius` cells of one."""
    return _around(cells, radius) > 0


def _around(cells: NDArray[np.bool_], radius: int = 1) -> NDArray[np.int64]:
    """Return how many cells within `radius` of each are set, itself among them."""
    side = 2 * radius + 1
    return window_sums(np.pad(cells.astype(np.int64), radius), side, side)


def _starts(length: int, parts: int) -> NDArray[np.intp]:
    return np.array([length * part // parts for part in range(parts)], np.intp)
