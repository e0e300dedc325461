"""The vectors of all cells of a slide, by block."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from viewer.geometry import Box
from viewer.overlays.area import bounds_of, holds, is_nowhere, middle_of
from viewer.overlays.patch_features import CELLS, PatchFeatures
from viewer.overlays.patch_mask import PatchMask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.overlays.area import Area
    from viewer.overlays.blocks import BlockGrid, BlockKey


class PatchFeatureMap:
    """One array over the slide that grows block by block.

    Parameters
    ----------
    mpp_um
        Micrometers per level-0 pixel.
    head
        What the values of a classification are, as `ModelDescription.head`.
    """

    def __init__(self, grid: BlockGrid, mpp_um: float, head: str = "softmax") -> None:
        self.grid = grid
        self.head = head
        self.mpp_um = mpp_um
        self.rows, self.columns = grid.rows * CELLS, grid.columns * CELLS
        self._values = np.full((self.rows, self.columns, 0), np.nan, np.float16)
        self._unanswered = np.zeros((self.rows, self.columns), bool)
        self.count = 0
        self.done: set[BlockKey] = set()
        """The blocks that are known, those without tissue among them."""

    @property
    def cell(self) -> float:
        """Side of a cell, level-0 pixels."""
        return self.grid.side / CELLS

    @property
    def values(self) -> NDArray[np.float16]:
        """(rows, columns, d), NaN where nothing is known or no tissue is."""
        return self._values

    @property
    def known(self) -> NDArray[np.bool_]:
        """(rows, columns) whether a cell has a vector."""
        if not self._values.shape[2]:
            return np.zeros((self.rows, self.columns), bool)
        return ~np.isnan(self._values[..., 0])

    @property
    def unanswered(self) -> PatchMask:
        """The cells for which the model gave no answer."""
        return PatchMask(self._unanswered.copy(), self.cell)

    def add(self, key: BlockKey, vectors: PatchFeatures) -> None:
        """Takes what a model said of a block."""
        self.done.add(key)
        part = (
            slice(key.row * CELLS, (key.row + 1) * CELLS),
            slice(key.column * CELLS, (key.column + 1) * CELLS),
        )
        self._unanswered[part] = vectors.unanswered
        length = vectors.values.shape[2]
        if not length:
            return
        if self._values.shape[2] != length:
            self._values = np.full((self.rows, self.columns, length), np.nan, np.float16)
            self.count = 0
        place = self._values[part]
        before = int((~np.isnan(place[..., 0])).sum())
        place[:] = vectors.values
        self.count += int((~np.isnan(place[..., 0])).sum()) - before

    def cell_box(self, row: int, column: int) -> Box:
        """Level-0 pixels."""
        side = self.cell
        return Box(column * side, row * side, (column + 1) * side, (row + 1) * side)

    def cells_in(self, area: Area) -> NDArray[np.bool_]:
        """(rows, columns) the known cells whose middle lies in an area.

        In an area smaller than a cell, the one cell at its middle.
        """
        return self._cells_of(area) & self.known

    def unanswered_in(self, area: Area) -> PatchMask:
        """Return those of an area for which the model gave no answer."""
        return PatchMask(self._unanswered & self._cells_of(area), self.cell)

    def _cells_of(self, area: Area) -> NDArray[np.bool_]:
        inside = np.zeros((self.rows, self.columns), bool)
        box = bounds_of(area)
        if is_nowhere(area):
            return inside
        columns = self._range(box.x0, box.x1, self.columns)
        rows = self._range(box.y0, box.y1, self.rows)
        x, y = (np.arange(axis.start, axis.stop) + 0.5 for axis in (columns, rows))
        x, y = np.meshgrid(x * self.cell, y * self.cell)
        inside[rows, columns] = holds(area, x.ravel(), y.ravel()).reshape(x.shape)
        if not inside.any():
            column, row = (int(value // self.cell) for value in middle_of(area))
            if 0 <= row < self.rows and 0 <= column < self.columns:
                inside[row, column] = True
        return inside

    def _range(self, low: float, high: float, count: int) -> slice:
        """The cells that an axis of a box meets."""
        first, last = math.floor(low / self.cell), math.ceil(high / self.cell)
        return slice(min(max(0, first), count), min(max(0, last), count))
