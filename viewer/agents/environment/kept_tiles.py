"""A slide whose decoded tiles are kept for a while, and hatched where they cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.slides.byte_lru import ByteLru
from viewer.slides.errors import SlideLostError, TileError
from viewer.slides.hatching import hatch

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.source import Level, RgbImage, SlideInfo, SlideSource


class KeptTiles:
    """Serves a slide to one field of view after the other, most of which share their tiles.

    Attributes
    ----------
    unreadable
        How many tiles of the fields so far could not be read; each is hatched.
    """

    def __init__(self, source: SlideSource, most_bytes: int) -> None:
        self._source = source
        self._tiles: ByteLru[tuple[int, int, int]] = ByteLru(most_bytes)
        self.path: Path = source.path
        self.info: SlideInfo = source.info
        self.levels: tuple[Level, ...] = source.levels
        self.read_associated = source.read_associated
        self.read_channels = source.read_channels
        self.close = source.close
        self.unreadable = 0

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        """Return a tile as `SlideSource.read_tile` does, hatched where it cannot be read.

        Raises
        ------
        SlideLostError
            Nothing more can be read of the slide.
        """
        key = (level, column, row)
        kept = self._tiles.get(key)
        if kept is not None:
            return kept
        try:
            tile = self._source.read_tile(level, column, row)
        except SlideLostError:
            raise
        except TileError:
            self.unreadable += 1
            width, height = self.levels[level].tile_size_px(column, row)
            tile = np.empty((height, width, 3), np.uint8)
            hatch(tile)
            return tile
        self._tiles.put(key, tile)
        return tile
