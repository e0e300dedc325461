"""The grid of blocks that a model works through, and in which its objects are kept."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np

from viewer.geometry import ORIGIN, Box, Point, Size

CELLS = 4
"""Cells along a side of a block, of models that answer patch by patch."""


class BlockKey(NamedTuple):
    """Which block of the grid."""

    column: int
    row: int


class BlockGrid(msgspec.Struct, frozen=True):
    """Square blocks over a whole slide.

    A model is fed a block with a margin round it, and answers for the block alone, so that what
    lies on a border is seen whole from both sides.

    Attributes
    ----------
    slide
        Level-0 pixels.
    downsample
        Level-0 pixels per pixel that the model is fed.
    core_px, margin_px
        Side of a block and width of its margin, in pixels that the model is fed.
    origin
        Where the first block begins, level-0 pixels; other than 0 for tiles of other programs.
    cells
        Cells along a side of a block, of results that are kept by cell.
    """

    slide: Size
    downsample: float
    core_px: int
    margin_px: int
    origin: Point = ORIGIN
    cells: int = CELLS

    @property
    def side(self) -> float:
        """Return the side of a block, level-0 pixels."""
        return self.core_px * self.downsample

    @property
    def input_px(self) -> int:
        """Side of the square that the model is fed."""
        return self.core_px + 2 * self.margin_px

    @property
    def columns(self) -> int:
        return max(1, math.ceil((self.slide.width - self.origin.x) / self.side))

    @property
    def rows(self) -> int:
        return max(1, math.ceil((self.slide.height - self.origin.y) / self.side))

    def is_on_slide(self, x: float, y: float) -> bool:
        """Return whether a patch that begins at a level-0 place has something of the slide.

        Less than half a pixel that the model is fed is nothing but rounding.
        """
        slack = self.downsample / 2
        return x < self.slide.width - slack and y < self.slide.height - slack

    def core_box(self, key: BlockKey) -> Box:
        """Level-0 pixels; may reach beyond the slide."""
        x = self.origin.x + key.column * self.side
        y = self.origin.y + key.row * self.side
        return Box(x, y, x + self.side, y + self.side)

    def input_box(self, key: BlockKey) -> Box:
        """Return what the model is fed for a block: the block and its margin, level-0 pixels."""
        return self.core_box(key).grown(self.margin_px * self.downsample)

    def covering(self, box: Box) -> list[BlockKey]:
        """Return the blocks that a level-0 box meets, row by row."""
        columns, rows = self._ranges(box)
        return [BlockKey(column, row) for row in rows for column in columns]

    def touching(self, box: Box, most: int = 1 << 30) -> list[BlockKey]:
        """Return the blocks that a level-0 box meets, from its middle outward; at most so many."""
        columns, rows = self._ranges(box)
        x = (box.center.x - self.origin.x) / self.side - 0.5
        y = (box.center.y - self.origin.y) / self.side - 0.5
        apart = np.hypot(np.array(columns) - x, np.array(rows)[:, None] - y).ravel()
        order = np.argsort(apart, kind="stable")[:most].tolist()
        return [
            BlockKey(columns[index % len(columns)], rows[index // len(columns)]) for index in order
        ]

    def _ranges(self, box: Box) -> tuple[range, range]:
        """Columns and rows that a box meets."""
        columns = range(
            max(0, math.floor((box.x0 - self.origin.x) / self.side)),
            min(self.columns, math.ceil((box.x1 - self.origin.x) / self.side)),
        )
        rows = range(
            max(0, math.floor((box.y0 - self.origin.y) / self.side)),
            min(self.rows, math.ceil((box.y1 - self.origin.y) / self.side)),
        )
        return columns, rows
