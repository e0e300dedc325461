"""Pixels of a slide for what is written: any rectangle of a level, hatched where unreadable."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.slides.byte_lru import ByteLru
from viewer.slides.errors import SlideLostError, TileError
from viewer.slides.hatching import hatch, hatch_values
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
        first_row, last_row = y // grid.tile_height_px, (y + height - 1) // grid.tile_height_px
        first, last = x // grid.tile_width_px, (x + width - 1) // grid.tile_width_px
        if (first_row, first) == (last_row, last):
            tile = self._tile(level, first, first_row, plane)
            top, left = y - first_row * grid.tile_height_px, x - first * grid.tile_width_px
            return tile[top : top + height, left : left + width]
        picture: NDArray[Any] | None = None
        for row in range(first_row, last_row + 1):
            for column in range(first, last + 1):
                tile = self._tile(level, column, row, plane)
                if picture is None:
                    picture = np.empty((height, width, *tile.shape[2:]), tile.dtype)
                _paste(
                    picture, tile, column * grid.tile_width_px - x, row * grid.tile_height_px - y
                )
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


def _paste(picture: NDArray[Any], tile: NDArray[Any], x: int, y: int) -> None:
    """Put a tile onto a picture with its corner at x, y; what lies outside is cut."""
    x0, y0 = max(x, 0), max(y, 0)
    x1 = min(x + tile.shape[1], picture.shape[1])
    y1 = min(y + tile.shape[0], picture.shape[0])
    picture[y0:y1, x0:x1] = tile[y0 - y : y1 - y, x0 - x : x1 - x]


def halved_values(image: NDArray[Any]) -> NDArray[Any]:
    """Return an image at half the size, means of 2 x 2; the last of an odd side count twice."""
    height, width = image.shape[:2]
    padding = [(0, height % 2), (0, width % 2)] + [(0, 0)] * (image.ndim - 2)
    even = np.pad(image, padding, "edge") if height % 2 or width % 2 else image
    kind = np.float64 if even.dtype.itemsize > 2 or even.dtype.kind == "f" else np.int64
    total = sum(
        (even[dy::2, dx::2].astype(kind) for dy in (0, 1) for dx in (0, 1)),
        np.zeros(((height + 1) // 2, (width + 1) // 2, *image.shape[2:]), kind),
    )
    if image.dtype.kind == "f":
        return (total / 4).astype(image.dtype)
    if kind is np.float64:
        return np.rint(total / 4).astype(image.dtype)
    return ((total + 2) // 4).astype(image.dtype)
