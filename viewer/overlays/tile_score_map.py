"""Scores of tiles that lie on no common lattice, each painted where it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.geometry import Box, Point
from viewer.overlays.area import holds
from viewer.overlays.blocks import BlockGrid
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import CELLS
from viewer.overlays.tile_raster import TileRaster

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.geometry import Size
    from viewer.overlays.area import Area
    from viewer.overlays.tile_raster import Tiles


class TileScoreMap(PatchFeatureMap):
    """Tiles of any place, size and shape; where several overlap, their mean counts.

    Parameters
    ----------
    scores
        float32 (n, d), NaN where a tile has no such score.
    """

    def __init__(
        self, slide: Size, mpp_um: float, tiles: Tiles, scores: NDArray[np.float32]
    ) -> None:
        self.tiles, self.scores = tiles, scores
        self._raster = raster = TileRaster(tiles, slide)
        per_pixel = max(1, round(raster.side))
        origin = Point(raster.x0, raster.y0)
        super().__init__(
            BlockGrid(slide, raster.side / per_pixel, CELLS * per_pixel, 0, origin), mpp_um
        )
        self.rows, self.columns = raster.rows, raster.columns
        self.count = len(tiles)

    @property
    def cell(self) -> float:
        """Side of a tile, level-0 pixels; the middle one where there are several."""
        return self.tiles.side

    @property
    def values(self) -> NDArray[np.float32]:
        return np.stack([self.score(index) for index in range(self.scores.shape[1])], 2)

    def score(self, index: int) -> NDArray[np.float32]:
        return self._raster.means(self.scores[:, index])

    def given_scores(self, index: int) -> NDArray[np.float32]:
        return self.scores[:, index]

    @property
    def known(self) -> NDArray[np.bool_]:
        return self._raster.owner >= 0

    @property
    def area_px(self) -> float:
        return float((self._raster.owner >= 0).sum()) * self._raster.side**2

    def tile_rows(self, area: Area) -> NDArray[np.float64]:
        tiles = self.tiles
        middle_x, middle_y = tiles.left + tiles.width / 2, tiles.top + tiles.height / 2
        inside = holds(area, middle_x, middle_y)
        scores = self.scores.astype(np.float64)
        return np.column_stack([tiles.left, tiles.top, tiles.width, scores])[inside]

    def cell_box(self, row: int, column: int) -> Box:
        """Return the last tile at a pixel of the raster, level-0 pixels."""
        owner = int(self._raster.owner[row, column])
        return self.tiles.box(owner) if owner >= 0 else super().cell_box(row, column)
