"""The vectors of all cells of a slide, by block."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from viewer.geometry import Box, Point
from viewer.overlays.area import bounds_of, holds, is_nowhere, middle_of
from viewer.overlays.patch_features import PatchFeatures
from viewer.overlays.patch_mask import PatchMask
from viewer.overlays.result_map import ResultMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.overlays.area import Area
    from viewer.overlays.blocks import BlockGrid, BlockKey
    from viewer.overlays.patch_features import Features
    from viewer.overlays.result_map import BlockResult


class PatchFeatureMap(ResultMap):
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
        self.rows, self.columns = grid.rows * grid.cells, grid.columns * grid.cells
        self._values: Features = np.full((self.rows, self.columns, 0), np.nan, np.float16)
        self._unanswered = np.zeros((self.rows, self.columns), bool)
        self._unlike = np.zeros((self.rows, self.columns), bool)
        self._holes = np.zeros((self.rows, self.columns), bool)
        self.count = 0
        self._done: set[BlockKey] = set()

    @property
    def as_patches(self) -> PatchFeatureMap:
        return self

    @property
    def done(self) -> set[BlockKey]:
        """Return the blocks that are known, those without tissue among them."""
        return self._done

    @property
    def cell(self) -> float:
        """Side of a cell, level-0 pixels."""
        return self.raster_px

    @property
    def raster_px(self) -> float:
        """Return the step between two of `values`, level-0 pixels; a cell may span several."""
        return self.grid.side / self.grid.cells

    @property
    def origin(self) -> Point:
        """Return where the first cell begins, level-0 pixels."""
        return self.grid.origin

    @property
    def values(self) -> Features:
        """Return (rows, columns, d), NaN where nothing is known or no tissue is."""
        return self._values

    def score(self, index: int) -> NDArray[np.float32]:
        """Return one of the values, (rows, columns)."""
        return self.values[..., index].astype(np.float32)

    def given_scores(self, index: int) -> NDArray[np.float32]:
        """Return one of the values of all known cells, in a row."""
        return self.score(index)[self.known]

    @property
    def area_px(self) -> float:
        """Return what the known cells cover, level-0 pixels²."""
        return self.count * self.cell**2

    @property
    def known(self) -> NDArray[np.bool_]:
        """Return (rows, columns) whether a cell has a vector."""
        if not self._values.shape[2]:
            return np.zeros((self.rows, self.columns), bool)
        return ~np.isnan(self._values[..., 0])

    @property
    def unanswered(self) -> PatchMask:
        """Return the cells for which the model gave no answer."""
        return PatchMask(self._unanswered | self._holes, self.cell)

    @property
    def unlike(self) -> PatchMask:
        """Return the cells that are unlike what the model was trained on."""
        return PatchMask(self._unlike.copy(), self.cell)

    def unlike_in(self, area: Area) -> PatchMask:
        """Return those of an area that are unlike what the model was trained on."""
        return self.unlike.within(self._cells_of(area))

    def mark_unlike(self, unlike: NDArray[np.bool_]) -> None:
        """Take which cells (rows, columns) are unlike what a slide model was trained on."""
        self._unlike = unlike

    def mark_holes(self, holes: NDArray[np.bool_]) -> None:
        """Take for which cells (rows, columns) a slide model gave no answer."""
        self._holes = holes

    def take(self, key: BlockKey, result: BlockResult) -> None:
        if not isinstance(result, PatchFeatures):
            raise self._foreign(result)
        self.add(key, result)

    def add(self, key: BlockKey, vectors: PatchFeatures) -> None:
        """Take what a model said of a block."""
        self._done.add(key)
        cells, length = self.grid.cells, vectors.values.shape[2]
        part = (
            slice(key.row * cells, (key.row + 1) * cells),
            slice(key.column * cells, (key.column + 1) * cells),
        )
        is_whole = vectors.unanswered.shape == (cells, cells)
        self._unanswered[part] = vectors.unanswered if is_whole else False
        self._unlike[part] = vectors.unlike if is_whole else False
        if not length:
            return
        if self._values.shape[2] != length:
            shape = (self.rows, self.columns, length)
            self._values = np.full(shape, np.nan, vectors.values.dtype)
            self.count = 0
        place = self._values[part]
        before = int((~np.isnan(place[..., 0])).sum())
        place[:] = vectors.values
        self.count += int((~np.isnan(place[..., 0])).sum()) - before

    def told_as(self, values: Features, head: str) -> PatchFeatureMap:
        """Return the same cells with other values, (rows, columns, d), of another head."""
        told = PatchFeatureMap(self.grid, self.mpp_um, head)
        told._values, told.count, told._done = values, self.count, set(self.done)
        told._unanswered, told._unlike = self._unanswered.copy(), self._unlike.copy()
        told._holes = self._holes.copy()
        return told

    def tile_rows(self, area: Area) -> NDArray[np.float64] | None:  # noqa: ARG002
        """Return a row for each tile whose middle lies in an area: corner, side, scores.

        None where cells lie on a lattice, each with its values.
        """
        return None

    def cell_box(self, row: int, column: int) -> Box:
        """Level-0 pixels."""
        side, (x, y) = self.raster_px, self.origin
        return Box(x + column * side, y + row * side, x + (column + 1) * side, y + (row + 1) * side)

    def place_of(self, point: Point) -> tuple[int, int] | None:
        """Return row and column of the value at a level-0 point; None beside all."""
        row = math.floor((point.y - self.origin.y) / self.raster_px)
        column = math.floor((point.x - self.origin.x) / self.raster_px)
        is_inside = 0 <= row < self.rows and 0 <= column < self.columns
        return (row, column) if is_inside else None

    def cells_in(self, area: Area) -> NDArray[np.bool_]:
        """Return (rows, columns) the known cells whose middle lies in an area.

        In an area smaller than a cell, the one cell at its middle.
        """
        return self._cells_of(area) & self.known

    def unanswered_in(self, area: Area) -> PatchMask:
        """Return those of an area for which the model gave no answer."""
        return self.unanswered.within(self._cells_of(area))

    def _cells_of(self, area: Area) -> NDArray[np.bool_]:
        inside = np.zeros((self.rows, self.columns), bool)
        box = bounds_of(area)
        if is_nowhere(area):
            return inside
        origin, side = self.origin, self.raster_px
        columns = self._range(box.x0 - origin.x, box.x1 - origin.x, self.columns)
        rows = self._range(box.y0 - origin.y, box.y1 - origin.y, self.rows)
        x, y = (
            np.arange(axis.start, axis.stop, dtype=np.float64) + 0.5 for axis in (columns, rows)
        )
        x, y = np.meshgrid(origin.x + x * side, origin.y + y * side)
        inside[rows, columns] = holds(area, x.ravel(), y.ravel()).reshape(x.shape)
        if not inside.any():
            place = self.place_of(Point(*middle_of(area)))
            if place is not None:
                inside[place] = True
        return inside

    def _range(self, low: float, high: float, count: int) -> slice:
        """Return the cells that an axis of a box meets."""
        first, last = math.floor(low / self.raster_px), math.ceil(high / self.raster_px)
        return slice(min(max(0, first), count), min(max(0, last), count))
