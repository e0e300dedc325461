"""Pixels of a slide for what is written: any rectangle of a level, hatched where unreadable."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.slides.byte_lru import ByteLru
from viewer.slides.errors import SlideLostError, TileError
from viewer.slides.hatching import hatch, hatch_values
from viewer.slides.tile_windows import paste, touched
from viewer.slides.writing.plan import Plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.source import SlideSource

_KEPT_BYTES = 96 << 20
_MOST_SENTENCES = 10


class SourcePixels:
    """Reads rectangles of a slide's stored levels, from any thread.

    Attributes
    ----------
    unreadable
        How many of the slide's tiles could not be read; they are hatched.
    """

    def __init__(self, source: SlideSource) -> None:
        self._source = source
        self._kept = ByteLru[tuple[int, int, int, Plane]](_KEPT_BYTES)
        self._failed: set[tuple[int, int, int, Plane]] = set()
        self._lock = threading.Lock()
        self.sentences: list[str] = []

    @property
    def unreadable(self) -> int:
        return len(self._failed)

    def rectangle(
        self, level: int, plane: Plane, x: int, y: int, size_px: tuple[int, int]
    ) -> NDArray[Any]:
        """Return (height, width, 3) of an RGB plane, else (height, width); within the level.

        Raises
        ------
        SlideLostError
            Nothing more can be read of the slide.
        """
        grid = self._source.levels[level]
        width, height = size_px
        rows = touched(y, height, grid.tile_height_px)
        columns = touched(x, width, grid.tile_width_px)
        if len(rows) == len(columns) == 1:
            tile = self._tile(level, columns[0], rows[0], plane)
            top, left = y - rows[0] * grid.tile_height_px, x - columns[0] * grid.tile_width_px
            return tile[top : top + height, left : left + width]
        picture: NDArray[Any] | None = None
        for row in rows:
            for column in columns:
                tile = self._tile(level, column, row, plane)
                if picture is None:
                    picture = np.empty((height, width, *tile.shape[2:]), tile.dtype)
                paste(picture, tile, column * grid.tile_width_px - x, row * grid.tile_height_px - y)
        assert picture is not None  # a rectangle touches a tile
        return picture

    def _tile(self, level: int, column: int, row: int, plane: Plane) -> NDArray[Any]:
        place = (level, column, row, plane)
        tile = self._kept.get(place)
        if tile is None:
            tile = self._read(level, column, row, plane)
            self._kept.put(place, tile)
        return tile

    def _read(self, level: int, column: int, row: int, plane: Plane) -> NDArray[Any]:
        channel, z, t = plane
        try:
            if channel is not None:
                return self._source.read_channels(level, column, row, (channel,), z, t)[0]
            if z == 0 and t == 0:
                return self._source.read_tile(level, column, row)
            values = self._source.read_channels(level, column, row, (0, 1, 2), z, t)
            return np.ascontiguousarray(np.moveaxis(values, 0, 2))
        except SlideLostError:
            raise
        except TileError as error:
            with self._lock:
                self._failed.add((level, column, row, plane))
                if len(self.sentences) < _MOST_SENTENCES:
                    self.sentences.append(str(error))
        width, height = self._source.levels[level].tile_size_px(column, row)
        if channel is None:
            tile = np.empty((height, width, 3), np.uint8)
            hatch(tile)
            return tile
        about = self._source.info.axes.channels[channel]
        values = np.empty((height, width), self._source.info.axes.dtype)
        hatch_values(values, about.value_range)
        return values
