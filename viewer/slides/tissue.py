"""Where on a slide there is tissue."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from viewer.slides.region import read_level

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.geometry import Box
    from viewer.slides.source import Level, RgbImage, SlideSource

TISSUE_VERSION = 1
"""Raised when other parts of a slide count as tissue: models leave out the rest."""

_LEAST_SIDE_PX = 700
"""Of the level that is looked at, in its longer side; where the slide has as much."""
_MOST_CELLS = 256
_SMOOTH_CELLS = 2
_GLASS_OD = 0.05
"""Optical density below which nothing counts as tissue, whatever the threshold says."""


@dataclass(frozen=True, slots=True)
class TissueMask:
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
        """Whether any tissue lies in a level-0 box, or in the cell that its edge is in."""
        width, height = self.cell_px
        columns = slice(max(0, int(box.x0 / width)), int(box.x1 / width) + 1)
        rows = slice(max(0, int(box.y0 / height)), int(box.y1 / height) + 1)
        return bool(self.cells[rows, columns].any())


def tissue_mask(source: SlideSource) -> TissueMask:
    """Tissue of a slide, from its low magnification; reads tiles, so for worker threads.

    Otsu's threshold on the optical density (Otsu 1979), smoothed over a cell. Fluorescence, whose
    ground is dark, is told by its dark median, and its light then counts in place of its density.

    Raises
    ------
    TileError
        The level cannot be read.
    """
    index = _level_for(source.levels)
    level = source.levels[index]
    picture = read_level(source, index)
    density = _density(picture)
    rows, columns = _grid_shape(level)
    means = _cell_means(density, rows, columns)
    threshold = max(_otsu(means), _GLASS_OD)
    is_tissue = _smooth(means > threshold)
    base = source.levels[0]
    return TissueMask(is_tissue, (base.width_px / columns, base.height_px / rows))


def _level_for(levels: tuple[Level, ...]) -> int:
    """The coarsest level that is still large enough, never one that takes long to make."""
    enough = [
        index
        for index, level in enumerate(levels)
        if max(level.width_px, level.height_px) >= _LEAST_SIDE_PX
    ]
    return enough[-1] if enough else 0


def _density(picture: RgbImage) -> NDArray[np.float32]:
    light = picture.astype(np.float32).mean(2)
    if np.median(light) < 64:
        return light / 255.0
    glass = max(float(np.percentile(light, 99)), 1.0)
    return np.clip(np.log10(glass / np.maximum(light, 1.0)), 0.0, 2.0)


def _grid_shape(level: Level) -> tuple[int, int]:
    cell = max(level.width_px, level.height_px) / _MOST_CELLS
    return max(1, math.ceil(level.height_px / cell)), max(1, math.ceil(level.width_px / cell))


def _cell_means(values: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """(rows, columns) means over blocks that share the picture out evenly."""
    ys = _starts(values.shape[0], rows)
    xs = _starts(values.shape[1], columns)
    sums = np.add.reduceat(np.add.reduceat(values, ys, axis=0), xs, axis=1)
    heights = np.diff(np.append(ys, values.shape[0]))
    widths = np.diff(np.append(xs, values.shape[1]))
    return (sums / np.maximum(heights[:, None] * widths, 1)).astype(np.float32)


def _smooth(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fills gaps between fibres and drops lone specks: tissue is where a third round it is."""
    image = Image.fromarray(cells.astype(np.uint8) * 255)
    return np.asarray(image.filter(ImageFilter.BoxBlur(_SMOOTH_CELLS))) > 85


def _starts(length: int, parts: int) -> NDArray[np.intp]:
    return np.array([length * part // parts for part in range(parts)], np.intp)


def _otsu(values: NDArray[np.float32]) -> float:
    """The threshold that parts the values with the least variance within the parts."""
    counts, edges = np.histogram(values, bins=256)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1:][int(np.argmax(np.nan_to_num(between)))])
