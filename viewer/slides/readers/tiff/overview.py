"""An overview of an image without a pyramid, made in one pass from top to bottom.

Of wide strips, levels made tile by tile would decode each strip anew for every tile in its row; of
an image in memory they would take a thousand tiles where one pass takes a moment.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from viewer.progress import tell_progress
from viewer.slides.errors import TileError
from viewer.slides.hatching import hatch
from viewer.slides.readers.chunk_windows import RgbChunks
from viewer.slides.readers.large_chunks import large_chunks
from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from viewer.slides.readers.tiff.level import LevelChunks
    from viewer.slides.source import RgbImage

_WIDE_PX = 2049
"""Strips from this width on; narrower ones are read again as cheaply as kept."""

LARGE_PX = 1 << 26
"""Images of more pixels have an overview."""

_MOST_BYTES = 128 << 20
_FACTORS = (8, 16, 32, 64)
_CHUNK_PX = 512


class FlatChunks(RgbChunks, Protocol):
    """The tiles or strips of an image without a pyramid."""

    columns: int
    rows: int
    orientation: int


def overview_of(levels: Sequence[LevelChunks]) -> StripOverview | None:
    """Return an overview of the finest level; None where it needs none.

    It needs one without a level near it, in tiles that can be decoded to a smaller size of their
    own, and where it is large, in wide strips.
    """
    finest = levels[0]
    is_large = finest.width_px * finest.height_px > LARGE_PX
    has_next = len(levels) > 1 and finest.width_px / levels[1].width_px <= _FACTORS[0]
    if has_next:
        return None
    if finest.can_be_reduced(halvings(factor_of(finest))):
        return _ReducedOverview(finest)
    if not is_large or finest.chunk_width_px < _WIDE_PX:
        return None
    ends = finest.columns == 1 or _ends_with_pixels(finest, factor_of(finest))
    return StripOverview(finest) if ends else None


class StripOverview:
    """A reduced level that is made when the first part of it is read; fulfils `RgbChunks`.

    Attributes
    ----------
    factor
        Level-0 pixels per pixel.
    """

    def __init__(self, finest: FlatChunks) -> None:
        self._finest = finest
        self.factor = factor_of(finest)
        self.width_px = -(-finest.width_px // self.factor)
        self.height_px = -(-finest.height_px // self.factor)
        self.chunk_width_px = self.chunk_height_px = _CHUNK_PX
        self.chunk_bytes = 3 * _CHUNK_PX * _CHUNK_PX
        self.parts_per_chunk = 1
        self.orientation = finest.orientation
        self._image: RgbImage | None = None
        self._is_lost = np.zeros(self.height_px, bool)
        self._why = ""
        self._lock = threading.Lock()

    def read_rgb(self, column: int, row: int) -> RgbImage:
        """Return a square of the overview, uint8 (height, width, 3).

        Raises
        ------
        ChunkError
            Nothing in it can be read.
        """
        with self._lock:
            if self._image is None:
                self._image = self._made()
            image = self._image
        top, left = row * _CHUNK_PX, column * _CHUNK_PX
        if self._is_lost[top : top + _CHUNK_PX].all():
            raise ChunkError(self._why)
        return image[top : top + _CHUNK_PX, left : left + _CHUNK_PX].copy()

    def _made(self) -> RgbImage:
        return self._made_of_tiles() if self._finest.columns > 1 else self._made_of_strips()

    def _made_of_tiles(self) -> RgbImage:
        """Go through the tiles once; what cannot be read is hatched.

        Each is reduced by itself, as a row of large ones would not fit into memory.
        """
        finest = self._finest
        image = np.empty((self.height_px, self.width_px, 3), np.uint8)
        wide, tall = (
            side // self.factor for side in (finest.chunk_width_px, finest.chunk_height_px)
        )
        lost = np.zeros(finest.rows, int)
        # Column by column, as parts of a large tile lie below each other.
        for column in range(finest.columns):
            for row, tile in self._column(column):
                part = image[row * tall : (row + 1) * tall, column * wide : (column + 1) * wide]
                if tile is None:
                    lost[row] += 1
                    hatch(part)
                else:
                    part[:] = np.asarray(Image.fromarray(tile).reduce(self.factor))
        for row in np.flatnonzero(lost == finest.columns):
            self._is_lost[row * tall : (row + 1) * tall] = True
        return image

    def _made_of_strips(self) -> RgbImage:
        """Go through the strips once; what cannot be read is hatched."""
        finest = self._finest
        image = np.empty((self.height_px, self.width_px, 3), np.uint8)
        # Rows of strips that do not fill a row of the overview yet.
        rest = np.empty((0, finest.width_px, 3), np.uint8)
        made = missing = 0
        for row, strip in self._column(0):
            if strip is None:
                top = row * finest.chunk_height_px
                missing += min(finest.chunk_height_px, finest.height_px - top)
                continue
            rest, made = self._hatched(rest, missing, image, made)
            missing = 0
            rows = np.concatenate([rest, strip]) if len(rest) else strip
            rest, made = self._reduced(rows, image, made)
        rest, made = self._hatched(rest, missing, image, made)
        self._reduced(rest, image, made, is_last=True)
        return image

    def _hatched(
        self, rest: RgbImage, count: int, image: RgbImage, made: int
    ) -> tuple[RgbImage, int]:
        """Put rows that cannot be read after what is left; return as `_reduced`.

        They are drawn at the size of the overview: they may be the whole image.
        """
        lead = min(count, -len(rest) % self.factor)
        gap, left = divmod(count - lead, self.factor)
        rows = np.empty((lead + left, self._finest.width_px, 3), np.uint8)
        hatch(rows, coarse=self.factor)
        rest, made = self._reduced(np.concatenate([rest, rows[:lead]]), image, made)
        hatch(image[made : made + gap])
        self._is_lost[made : made + gap] = True
        return np.concatenate([rest, rows[lead:]]), made + gap

    def _reduced(
        self, rows: RgbImage, image: RgbImage, made: int, is_last: bool = False
    ) -> tuple[RgbImage, int]:
        """Put what fills rows of the overview into it; return what is left, and where it ends."""
        whole = len(rows) if is_last else len(rows) // self.factor * self.factor
        if not whole:
            return rows, made
        reduced = np.asarray(Image.fromarray(rows[:whole]).reduce(self.factor))
        image[made : made + len(reduced)] = reduced
        return rows[whole:], made + len(reduced)

    def _column(self, column: int) -> Iterator[tuple[int, RgbImage | None]]:
        """Yield row and pixels of the tiles or strips of a column."""
        parts, rows = self._finest.parts_per_chunk, self._finest.rows
        for first in range(0, rows, parts):
            with large_chunks().task(parts):
                for row in range(first, min(first + parts, rows)):
                    tell_progress(row / rows)
                    yield row, self._chunk(column, row)

    def _chunk(self, column: int, row: int) -> RgbImage | None:
        """Return a tile or strip, None where it cannot be read."""
        try:
            return self._finest.read_rgb(column, row)
        except (ChunkError, TileError) as error:
            self._why = str(error)
            return None


class _ReducedOverview(StripOverview):
    """A reduced level of tiles that are decoded to its size at once."""

    def __init__(self, finest: LevelChunks) -> None:
        super().__init__(finest)
        self._tiles = finest

    def _made(self) -> RgbImage:
        image = np.empty((self.height_px, self.width_px, 3), np.uint8)
        is_read = np.zeros(self.height_px, bool)
        for (left, top, width, height), tile in self._tiles.reduced(halvings(self.factor)):
            tell_progress(top / self.height_px)
            part = image[top : top + height, left : left + width]
            if isinstance(tile, ChunkError):
                self._why = str(tile)
                hatch(part)
            else:
                is_read[top : top + height] = True
                part[:] = tile
        self._is_lost = ~is_read
        return image


def halvings(factor: int) -> int:
    """Return how often sides are halved until so many pixels are one."""
    return factor.bit_length() - 1


def factor_of(finest: RgbChunks) -> int:
    """Return how many pixels a side become one of an overview."""
    return next((f for f in _FACTORS if _bytes_at(finest, f) <= _MOST_BYTES), _FACTORS[-1])


def _ends_with_pixels(finest: FlatChunks, factor: int) -> bool:
    """Return whether tiles end where pixels of an overview do."""
    return finest.chunk_width_px % factor == finest.chunk_height_px % factor == 0


def _bytes_at(finest: RgbChunks, factor: int) -> int:
    return 3 * (finest.width_px // factor) * (finest.height_px // factor)
