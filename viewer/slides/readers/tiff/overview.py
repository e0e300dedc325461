"""An overview of an image in wide strips, made in one pass from top to bottom.

Levels made tile by tile would decode each strip anew for every tile in its row.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from viewer.slides.errors import TileError
from viewer.slides.hatching import hatch
from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.slides.readers.tiff.level import LevelChunks
    from viewer.slides.source import RgbImage

_WIDE_PX = 2049
"""Strips from this width on; narrower ones are read again as cheaply as kept."""

_LARGE_PX = 1 << 26
_MOST_BYTES = 128 << 20
_FACTORS = (8, 16, 32, 64)
_CHUNK_PX = 512


def needs_overview(levels: Sequence[LevelChunks]) -> bool:
    """Return whether the finest level is large, in wide strips, and without a level near it."""
    finest = levels[0]
    is_large = finest.width_px * finest.height_px > _LARGE_PX
    has_next = len(levels) > 1 and finest.width_px / levels[1].width_px <= _FACTORS[0]
    return is_large and finest.chunk_width_px >= _WIDE_PX and not has_next


class StripOverview:
    """A reduced level that is made when the first part of it is read; fulfils `RgbChunks`.

    Attributes
    ----------
    factor
        Level-0 pixels per pixel.
    """

    def __init__(self, finest: LevelChunks) -> None:
        self._finest = finest
        self.factor = next(
            (f for f in _FACTORS if _bytes_at(finest, f) <= _MOST_BYTES), _FACTORS[-1]
        )
        self.width_px = -(-finest.width_px // self.factor)
        self.height_px = -(-finest.height_px // self.factor)
        self.chunk_width_px = self.chunk_height_px = _CHUNK_PX
        self.chunk_bytes = 3 * _CHUNK_PX * _CHUNK_PX
        self.orientation = finest.orientation
        self._image: RgbImage | None = None
        self._lock = threading.Lock()

    def read_rgb(self, column: int, row: int) -> RgbImage:
        """Return a square of the overview, uint8 (height, width, 3)."""
        with self._lock:
            if self._image is None:
                self._image = self._made()
            image = self._image
        top, left = row * _CHUNK_PX, column * _CHUNK_PX
        return image[top : top + _CHUNK_PX, left : left + _CHUNK_PX].copy()

    def _made(self) -> RgbImage:
        """Go through the strips once; what cannot be read is hatched."""
        finest, factor = self._finest, self.factor
        image = np.empty((self.height_px, self.width_px, 3), np.uint8)
        # Rows of strips that do not fill a row of the overview yet.
        rest = np.empty((0, finest.width_px, 3), np.uint8)
        made = 0
        for row in range(finest.rows):
            rest = np.concatenate([rest, self._strip(row)])
            is_last = row == finest.rows - 1
            whole = len(rest) if is_last else len(rest) // factor * factor
            if whole:
                reduced = np.asarray(Image.fromarray(rest[:whole]).reduce(factor))
                image[made : made + len(reduced)] = reduced
                made += len(reduced)
                rest = rest[whole:]
        return image

    def _strip(self, row: int) -> RgbImage:
        try:
            parts = [self._finest.read_rgb(c, row) for c in range(self._finest.columns)]
            return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        except (ChunkError, TileError):
            finest = self._finest
            height = min(finest.chunk_height_px, finest.height_px - row * finest.chunk_height_px)
            part = np.empty((height, finest.width_px, 3), np.uint8)
            hatch(part, coarse=self.factor)
            return part


def _bytes_at(finest: LevelChunks, factor: int) -> int:
    return 3 * (finest.width_px // factor) * (finest.height_px // factor)
