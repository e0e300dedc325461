"""JPEG 2000 tiles and strips too large to be decoded whole: squares of them, or all of it reduced.

OpenJPEG takes 32 bits for each sample of what it decodes at once.
"""

from __future__ import annotations

import itertools
import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.limits import TILE_BYTES
from viewer.slides.readers.jpeg_2000.area_code import AreaCode, area_code
from viewer.slides.readers.jpeg_2000.code import IN_TIFF
from viewer.slides.readers.large_chunks import LARGE_BYTES
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.tile_windows import paste, touched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from viewer.slides.readers.jpeg_tiles import TilePlaces
    from viewer.slides.readers.tiff.chunks import PageChunks
    from viewer.slides.tile_windows import Window

_MOST_MEANT_PX = 1 << 24
_SIDES_PX = range(1024, 127, -1)
"""Of a square."""
_OTHER_KIND = "its JPEG 2000 data is of a kind of which no areas are decoded"


def area_tiles(whole: PageChunks) -> AreaTiles | None:
    """Return the tiles of a page by areas; None where they are small, or of another kind.

    Raises
    ------
    ChunkError
        The largest is damaged, or divided too finely.
    """
    if whole.compression not in IN_TIFF or whole.decoding_bytes <= LARGE_BYTES:
        return None
    place = whole.largest_place()
    code = area_code(place) if place is not None else None
    return AreaTiles(whole, code) if code is not None else None


class AreaTiles:
    """Squares of the tiles or strips of a page; as `PageChunks`, for any thread.

    Parameters
    ----------
    largest
        The tile with the longest code, by whose kind all are read.
    """

    direct_tiles = stored = None
    parts_per_chunk = 1

    def __init__(self, whole: PageChunks, largest: AreaCode) -> None:
        self._whole, self._largest = whole, largest
        self._codes: dict[tuple[int, int, int], AreaCode] = {}
        self._lock = threading.Lock()
        self.width_px, self.height_px = whole.width_px, whole.height_px
        self.chunk_width_px = _side(whole.chunk_width_px, whole.columns)
        self.chunk_height_px = _side(whole.chunk_height_px, whole.rows)
        self.columns = -(-self.width_px // self.chunk_width_px)
        self.rows = -(-self.height_px // self.chunk_height_px)
        square_px = self.chunk_width_px * self.chunk_height_px
        whole_px = whole.chunk_width_px * whole.chunk_height_px
        self.chunk_bytes = self.part_bytes = -(-whole.chunk_bytes * square_px // whole_px)
        self.decoding_bytes = largest.tile_bytes

    @property
    def places(self) -> list[TilePlaces]:
        """Return where the whole tiles or strips lie."""
        return self._whole.places

    def ranges(self, chunks: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return nothing: of a tile that is very long as much is read as its squares need."""
        del chunks
        return []

    def read(self, column: int, row: int) -> NDArray[Any] | None:
        """Return a square, (height, width, samples); None where nothing is stored.

        Raises
        ------
        ChunkError
            It cannot be read or decoded, or a part of it is not stored.
        """
        left, top = column * self.chunk_width_px, row * self.chunk_height_px
        width = min(self.chunk_width_px, self.width_px - left)
        height = min(self.chunk_height_px, self.height_px - top)
        window = left, top, width, height
        planes = range(self._whole.planes)
        return self._whole.joined([self._plane(plane, window) for plane in planes])

    def can_be_reduced(self, times: int) -> bool:
        """Return whether wavelets halve the tiles so often, to whole pixels each."""
        whole, step = self._whole, 1 << times
        is_even = all(
            count == 1 or side % step == 0
            for side, count in (
                (whole.chunk_width_px, whole.columns),
                (whole.chunk_height_px, whole.rows),
            )
        )
        return is_even and self._largest.is_reduced(times)

    def reduced(self, times: int) -> Iterator[tuple[Window, NDArray[Any] | ChunkError | None]]:
        """Yield where each tile lies on the page with both sides halved so many times, and itself.

        It is (height, width, samples), or why it cannot be read; None where it is not stored.
        """
        whole = self._whole
        for column, row in itertools.product(range(whole.columns), range(whole.rows)):
            left, top = column * whole.chunk_width_px, row * whole.chunk_height_px
            width = min(whole.chunk_width_px, self.width_px - left)
            height = min(whole.chunk_height_px, self.height_px - top)
            across, down = -(-width >> times), -(-height >> times)
            try:
                planes = [self._reduced(plane, column, row, times) for plane in range(whole.planes)]
                tile = whole.joined(planes)
                if tile is not None and (tile.shape[0] < down or tile.shape[1] < across):
                    raise ChunkError(f"its data is of the wrong size {tile.shape}")
                found = None if tile is None else tile[:down, :across]
            except ChunkError as error:
                found = error
            yield (left >> times, top >> times, across, down), found

    def _reduced(self, plane: int, column: int, row: int, times: int) -> NDArray[Any] | None:
        code = self._code(plane, column, row)
        if code is None:
            return None
        is_small = math.prod(code.sides()) <= _MOST_MEANT_PX
        if is_small and not code.is_reduced(times):  # such as a last strip of a few rows
            return _means(self._whole.of_picture(code.read(0, 0, *code.sides())), 1 << times)
        return self._whole.of_picture(code.reduced(times))

    def _plane(self, plane: int, window: Window) -> NDArray[Any] | None:
        """Return a window of one plane; None where nothing of it is stored. Raises ChunkError."""
        whole, (left, top, width, height) = self._whole, window
        canvas: NDArray[Any] | None = None
        missing = 0
        for column in touched(left, width, whole.chunk_width_px):
            for row in touched(top, height, whole.chunk_height_px):
                x, y = column * whole.chunk_width_px, row * whole.chunk_height_px
                part = self._part(self._code(plane, column, row), window, x, y)
                if part is None:
                    missing += 1
                    continue
                if part.shape[:2] == (height, width):
                    return part
                if canvas is None:
                    canvas = np.empty((height, width, part.shape[2]), part.dtype)
                paste(canvas, part, max(x - left, 0), max(y - top, 0))
        if canvas is not None and missing:
            raise ChunkError("a part of it is not stored")
        return canvas

    def _part(self, code: AreaCode | None, window: Window, x: int, y: int) -> NDArray[Any] | None:
        """Return what a window has of the tile that begins at `x`, `y`."""
        if code is None:
            return None
        whole, (left, top, width, height) = self._whole, window
        first, above = max(left - x, 0), max(top - y, 0)
        across = min(left + width - x, whole.chunk_width_px) - first
        down = min(top + height - y, whole.chunk_height_px) - above
        size_px = code.sides()
        if size_px[0] < first + across or size_px[1] < above + down:
            raise ChunkError(f"its data is of the wrong size {size_px}")
        return whole.of_picture(code.read(first, above, across, down))

    def _code(self, plane: int, column: int, row: int) -> AreaCode | None:
        """Return a tile; None where it is not stored. Raises ChunkError."""
        key = plane, column, row
        with self._lock:
            code = self._codes.get(key)
            if code is None:
                place = self._whole.code_place(*key)
                if place is None:
                    return None
                code = area_code(place)
                if code is None:
                    raise ChunkError(_OTHER_KIND)
                if code.tile_bytes > TILE_BYTES.most:
                    raise ChunkError(TILE_BYTES.sentence("it", code.tile_bytes))
                self._codes[key] = code
        return code


def _means(samples: NDArray[Any], step: int) -> NDArray[Any]:
    """Return the means of blocks of so many samples both ways; at the edges of what is there."""
    height, width = samples.shape[:2]
    rows = np.add.reduceat(samples, range(0, height, step), axis=0, dtype=np.float64)
    sums = np.add.reduceat(rows, range(0, width, step), axis=1)
    down, across = (
        np.minimum(step, side - np.arange(0, side, step, dtype=np.int64))
        for side in (height, width)
    )
    return (sums / np.outer(down, across)[..., np.newaxis]).astype(samples.dtype)


def _side(tile_px: int, count: int) -> int:
    """Return the side of squares of which a tile is made, if there are several tiles."""
    even = (side for side in _SIDES_PX if tile_px % side == 0)
    return _SIDES_PX[0] if count == 1 else next(even, _SIDES_PX[0])
