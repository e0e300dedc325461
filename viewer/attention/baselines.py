"""Maps that need no learning, to measure a predictor against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.attention.density import nuclei_per_cell
from viewer.typed.scipy import gaussian_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.attention.slides_read import SlideRead

BASELINES = ("centre", "tissue", "density", "random")
_CENTER_SHARE = 0.25
_SMOOTH_CELLS = 1.5


def baseline_maps(slide: SlideRead, seed: int) -> dict[str, NDArray[np.float32]]:
    """Return (rows, columns) each, of all `BASELINES`.

    center
        A Gaussian about the slide's middle, a quarter of its sides wide (the center bias of Judd et
        al. 2012).
    tissue
        The share of tissue in each cell.
    density
        Nuclei in each cell by `nuclei_per_cell`, smoothed over a field of about 200 um.
    random
        White noise.

    Raises
    ------
    TileError
        The slide cannot be read.
    """
    rows, columns = slide.known.shape
    height, width = slide.grid.slide.height / slide.cell_px, slide.grid.slide.width / slide.cell_px
    y = (np.arange(rows, dtype=np.float64)[:, None] + 0.5 - height / 2) / (_CENTER_SHARE * height)
    x = (np.arange(columns, dtype=np.float64) + 0.5 - width / 2) / (_CENTER_SHARE * width)
    counts = nuclei_per_cell(slide.source, slide.mpp_um, slide.cell_px, (rows, columns))
    density = gaussian_filter(counts, _SMOOTH_CELLS, mode="constant")
    return {
        "centre": np.exp(-(x**2 + y**2) / 2).astype(np.float32),
        "tissue": _tissue_shares(slide),
        "density": density.astype(np.float32),
        "random": np.random.default_rng(seed).random((rows, columns), np.float32),
    }


def _tissue_shares(slide: SlideRead) -> NDArray[np.float32]:
    """Return the mask at a quarter of a cell, averaged."""
    rows, columns = slide.known.shape
    cell_width, cell_height = slide.tissue.cell_px
    fine = slide.cell_px / 4
    mask = slide.tissue.cells
    y = ((np.arange(4 * rows, dtype=np.float64) + 0.5) * fine / cell_height).astype(int)
    x = ((np.arange(4 * columns, dtype=np.float64) + 0.5) * fine / cell_width).astype(int)
    taken = mask[np.minimum(y, len(mask) - 1)][:, np.minimum(x, mask.shape[1] - 1)]
    taken[y >= len(mask)] = False
    taken[:, x >= mask.shape[1]] = False
    return taken.reshape(rows, 4, columns, 4).mean((1, 3), dtype=np.float32)
