"""A slide at low magnification as the cells that a predictor embeds and answers for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from viewer.geometry import Box
from viewer.inference.architectures.where_to_look import CELL_PX, CHANNELS
from viewer.overlays.patch_features import CELLS
from viewer.slides.region import read_region
from viewer.typed.torch import channels_last

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from viewer.inference.architectures.where_to_look import CellEncoder
    from viewer.inference.models.description import Normalization
    from viewer.overlays.blocks import BlockGrid
    from viewer.slides.source import RgbImage, SlideSource
    from viewer.slides.tissue import TissueMask

REACH_CELLS = 3
"""How far beyond a cell the head sees."""
_CHUNK_CELLS = 32
_RING = 1
"""Cells round a chunk that give the encoder's borders their context."""


def known_cells(grid: BlockGrid, tissue: TissueMask) -> NDArray[np.bool_]:
    """Return bool (rows, columns): which cells the engine answers for, in blocks with tissue."""
    whole = Box(0, 0, *grid.slide)
    known = np.zeros((grid.rows, grid.columns), bool)
    for key in grid.covering(whole):
        known[key.row, key.column] = tissue.meets(grid.core_box(key))
    known = known.repeat(CELLS, 0).repeat(CELLS, 1)
    side = grid.side / CELLS
    known[np.arange(len(known)) * side >= grid.slide.height] = False
    known[:, np.arange(known.shape[1]) * side >= grid.slide.width] = False
    return known


def embedded_cells(
    source: SlideSource,
    grid: BlockGrid,
    known: NDArray[np.bool_],
    encoder: CellEncoder,
    normalization: Normalization,
    vary: Callable[[RgbImage], RgbImage] = lambda picture: picture,
) -> NDArray[np.float16]:
    """Return the embedded cells of a slide, zero where no known cell is in reach.

    float16 (127, rows + 6, columns + 6): three cells beyond the slide on each side.

    Parameters
    ----------
    vary
        Applied to each picture before it is embedded.

    Raises
    ------
    TileError
        A part of the slide cannot be read.
    """
    reach = REACH_CELLS
    rows, columns = (side + 2 * reach for side in known.shape)
    embedded = np.zeros((CHANNELS, rows, columns), np.float16)
    quick = channels_last(encoder)
    mean = torch.tensor(normalization.mean).view(1, 3, 1, 1)
    std = torch.tensor(normalization.std).view(1, 3, 1, 1)
    for row, column in _chunks(rows, columns):
        height, width = min(_CHUNK_CELLS, rows - row), min(_CHUNK_CELLS, columns - column)
        near = known[
            max(0, row - 2 * reach) : row + height, max(0, column - 2 * reach) : column + width
        ]
        if not near.any():
            continue
        box = _cells_box(grid, row - reach, column - reach, height, width)
        wide, high = ((side + 2 * _RING) * CELL_PX for side in (width, height))
        picture = vary(read_region(source, box, wide, high))
        with torch.inference_mode():
            x = torch.as_tensor(picture.astype(np.float32)).permute(2, 0, 1)[None]
            x = ((x / 255 - mean) / std).contiguous(memory_format=torch.channels_last)
            cells: torch.Tensor = quick(x)[0, :, _RING:-_RING, _RING:-_RING]
        embedded[:, row : row + height, column : column + width] = cells.numpy()
    return embedded


def _chunks(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    for row in range(0, rows, _CHUNK_CELLS):
        for column in range(0, columns, _CHUNK_CELLS):
            yield row, column


def _cells_box(grid: BlockGrid, row: int, column: int, rows: int, columns: int) -> Box:
    """Return the level-0 box of some cells with the ring round them."""
    side = grid.side / CELLS
    x0, y0 = (column - _RING) * side, (row - _RING) * side
    return Box(x0, y0, x0 + (columns + 2 * _RING) * side, y0 + (rows + 2 * _RING) * side)
