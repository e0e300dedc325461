"""What a pixel classifier that is taught answers for the field of view, block by block."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.colors import rgb_of
from viewer.geometry import Point
from viewer.inference.teaching.pixel_settings import CORE_PX
from viewer.overlays.heatmap import painted_colors
from viewer.overlays.to_annotations import patches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from viewer.geometry import Box
    from viewer.overlays.blocks import BlockGrid, BlockKey

MOST_BLOCKS = 16
"""That are answered for at once; farther out it is the middle of the view."""
SQUARES = CORE_PX // 2
"""Answers along a side of a block."""
_LEAST_ALPHA = 90


def field_blocks(grid: BlockGrid, seen: Box, focus: Point) -> list[BlockKey]:
    """Return the blocks that a view meets, the nearest to a place first; of many, the nearest."""
    keys = grid.covering(seen)

    def distance(key: BlockKey) -> float:
        middle = grid.core_box(key).center
        return math.hypot(middle.x - focus.x, middle.y - focus.y)

    return sorted(keys, key=distance)[:MOST_BLOCKS]


class LiveMap(msgspec.Struct, frozen=True):
    """The answers that are there.

    Attributes
    ----------
    colors
        Name to "#rrggbb" of the classes.
    blocks
        Probabilities (squares, squares, classes) of each block.
    """

    grid: BlockGrid
    colors: Mapping[str, str]
    blocks: Mapping[BlockKey, NDArray[np.float16]]

    @property
    def cell(self) -> float:
        """Return the side of what is answered for as a whole, level-0 pixels."""
        return self.grid.side / SQUARES

    def picture(self) -> tuple[NDArray[np.uint8], Point]:
        """Return colors (rows, columns, 4), and where they begin, level-0 pixels."""
        classes, sure, origin = self._joined()
        painted = painted_colors(list(self.colors.items()), is_map=True)
        table = np.zeros((len(painted) + 1, 4), np.uint8)
        for number, color in enumerate(painted):
            if color:
                table[number] = (*rgb_of(color), 255)
        rgba = table[classes]
        shade = _LEAST_ALPHA + (255 - _LEAST_ALPHA) * np.clip(sure * 2 - 1, 0, 1)
        rgba[..., 3] = np.where(rgba[..., 3] > 0, shade, 0)
        return rgba, origin

    def shares(self, seen: Box) -> dict[str, float]:
        """Return which share of the answers in a view each class has."""
        classes, _, origin = self._joined()
        rows, columns = map(int, classes.shape)
        x = origin.x + (np.arange(columns) + 0.5) * self.cell
        y = origin.y + (np.arange(rows) + 0.5) * self.cell
        inside = classes[
            ((y >= seen.y0) & (y < seen.y1))[:, None] & ((x >= seen.x0) & (x < seen.x1))
        ]
        counts = np.bincount(inside[inside < len(self.colors)], minlength=len(self.colors))
        total = max(1, int(counts.sum()))
        return dict(zip(self.colors, (counts / total).tolist(), strict=True))

    def areas(self, seen: Box, least_px2: float) -> list[tuple[str, BaseGeometry]]:
        """Return the areas of each painted class in a view that are as large or larger."""
        import shapely

        classes, _, origin = self._joined()
        field = seen.polygon
        painted = painted_colors(list(self.colors.items()), is_map=True)
        found: list[tuple[str, BaseGeometry]] = []
        for number, name in enumerate(self.colors):
            if not painted[number]:
                continue
            for area in patches(classes == number, self.cell, origin):
                inside = shapely.intersection(area, field)
                parts = shapely.get_parts(inside).tolist()
                found += [(name, part) for part in parts if part.area >= max(least_px2, 1e-9)]
        return found

    def _joined(self) -> tuple[NDArray[np.intp], NDArray[np.float32], Point]:
        """Return classes and how sure they are, (rows, columns), and where they begin.

        Where no block is known the class is one more than there are.
        """
        columns = [key.column for key in self.blocks]
        rows = [key.row for key in self.blocks]
        left, top = min(columns), min(rows)
        shape = ((max(rows) - top + 1) * SQUARES, (max(columns) - left + 1) * SQUARES)
        classes = np.full(shape, len(self.colors), np.intp)
        sure = np.zeros(shape, np.float32)
        for key, chances in self.blocks.items():
            row, column = (key.row - top) * SQUARES, (key.column - left) * SQUARES
            part = (slice(row, row + SQUARES), slice(column, column + SQUARES))
            classes[part], sure[part] = chances.argmax(2), chances.max(2)
        return classes, sure, Point(left * self.grid.side, top * self.grid.side)
