"""Where tiles lie in a file, so that those of a whole view are fetched at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.slides.tile_windows import touched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.slides.readers.jpeg_tiles import TilePlaces
    from viewer.slides.remote.ranged import Run
    from viewer.slides.source import Level

_MOST_BYTES = 32 << 20
"""Of one stored tile; longer ones are fetched when they are read."""


class _Grid(msgspec.Struct, frozen=True):
    """The stored tiles of a level."""

    width_px: int
    height_px: int
    columns: int
    offsets: NDArray[np.int64]
    byte_counts: NDArray[np.int64]


class Places:
    """The stored tiles that tiles of levels are made of."""

    def __init__(self, grids: Sequence[Sequence[_Grid]], levels: Sequence[Level]) -> None:
        self._grids = tuple(grids)
        self._levels = tuple(levels)

    def ranges(self, tiles: Sequence[tuple[int, int, int]]) -> list[Run]:
        """Return the ranges of the file that hold tiles: level, column and row of each."""
        found: dict[Run, None] = {}
        for level, column, row in tiles:
            for grid in self._grids[level]:
                for index in self._stored(grid, self._levels[level], column, row):
                    size = grid.byte_counts.item(index)
                    if 0 < size <= _MOST_BYTES:
                        found[grid.offsets.item(index), size] = None
        return list(found)

    def _stored(self, grid: _Grid, level: Level, column: int, row: int) -> list[int]:
        left, top = column * level.tile_width_px, row * level.tile_height_px
        width, height = level.tile_size_px(column, row)
        if width <= 0 or height <= 0:
            return []
        columns = touched(left, width, grid.width_px, grid.columns)
        rows = touched(top, height, grid.height_px)
        indices = [y * grid.columns + x for y in rows for x in columns]
        return [index for index in indices if 0 <= index < len(grid.offsets)]


def places_of(told: Sequence[Sequence[TilePlaces]], levels: Sequence[Level]) -> Places | None:
    """Return the places that a reader tells of, checked like all that it tells; None for none."""
    if len(told) != len(levels):
        return None
    grids = [[grid for each in level if (grid := _grid(each))] for level in told]
    return Places(grids, levels) if any(grids) else None


def _grid(told: TilePlaces) -> _Grid | None:
    if len(told.offsets) != len(told.byte_counts) or len(told.offsets) % 8:
        return None
    if min(told.width_px, told.height_px, told.columns) <= 0:
        return None
    offsets = np.frombuffer(told.offsets, np.int64)
    return _Grid(
        told.width_px, told.height_px, told.columns, offsets,
        np.frombuffer(told.byte_counts, np.int64),
    )  # fmt: skip
