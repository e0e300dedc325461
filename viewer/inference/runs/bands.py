"""Bands of blocks: a large slide in parts, which several machines compute side by side."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import msgspec

from viewer.errors import CoverslipError
from viewer.geometry import Box
from viewer.overlays.area import blocks_of, part_within

if TYPE_CHECKING:
    from viewer.overlays.area import Area
    from viewer.overlays.blocks import BlockGrid


class TooManyBlocksError(CoverslipError):
    """A slide that is to be run in bands first.

    Attributes
    ----------
    bands
        How many.
    """

    def __init__(self, bands: int) -> None:
        super().__init__(f"The slide is large: run it in {bands:,} bands.")
        self.bands = bands


class Band(msgspec.Struct, frozen=True):
    """One of several bands of rows of blocks, from 0."""

    number: int
    count: int

    @classmethod
    def named(cls, text: str) -> Band:
        """Read "NUMBER/COUNT". Raises ValueError."""
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if found is None or int(found[1]) >= int(found[2]):
            raise ValueError(text)
        return cls(int(found[1]), int(found[2]))

    def of(self, grid: BlockGrid, asked: Area) -> Area:
        """Return the part of what is asked for that lies in this band; it may be empty."""
        rows = sorted({key.row for key in blocks_of(grid, asked)})
        first, end = (len(rows) * number // self.count for number in (self.number, self.number + 1))
        if first == end:
            return Box(0, 0, 0, 0)
        top = grid.origin.y + rows[first] * grid.side
        bottom = grid.origin.y + (rows[end - 1] + 1) * grid.side
        # A hair less than the blocks themselves, so that no rounding takes in their neighbors.
        hair = grid.downsample / 4
        return part_within(asked, Box(0, top + hair, grid.slide.width, bottom - hair))


def check_blocks(grid: BlockGrid, asked: Area, most: int) -> None:
    """Raise TooManyBlocksError where there are more blocks than one run is to compute."""
    keys = blocks_of(grid, asked)
    if len(keys) > most:
        rows = len({key.row for key in keys})
        raise TooManyBlocksError(min(rows, math.ceil(len(keys) / most)))
