"""Whether a smaller page shows the same as a larger one, so that it may be a level of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from viewer.slides.readers.tiff.chunks import PageChunks
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.tile_windows import paste, touched

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from tifffile import TiffPage

    from viewer.slides.readers.tiff.files import TiffFiles


_GRID = 4
_TRIALS = 3
_LEAST_KNOWN = 0.25
"""Of the pixels of a window that both pages store."""

_SIDE_PX = 32
_MOST_SIDE_PX = 1024
_MOST_CHUNK_BYTES = 64 << 20
_MOST_COMPARED_BYTES = 1 << 30
"""Of tiles and strips in all comparisons of a file; each counts once a comparison."""
_LEAST_COMPARED_BYTES = 1 << 20
"""What a small tile counts, since a comparison takes its time anyhow."""


class GrayWindows(Protocol):
    """An image that is compared by gray windows of it."""

    @property
    def size_px(self) -> tuple[int, int]: ...
    @property
    def is_expensive(self) -> bool:
        """Return whether a single window takes long to read."""
        ...

    def read(self, x_px: int, y_px: int, width_px: int, height_px: int) -> NDArray[np.float32]:
        """Return a window, NaN where nothing is stored. Raises ChunkError."""
        ...


class Window:
    """Reads gray windows of a page for comparisons."""

    def __init__(self, page: TiffPage, files: TiffFiles) -> None:
        self._chunks = PageChunks(page, files.of(page))

    @property
    def size_px(self) -> tuple[int, int]:
        return self._chunks.width_px, self._chunks.height_px

    @property
    def is_expensive(self) -> bool:
        """Return whether a single tile or strip takes long to decode."""
        return self._chunks.chunk_bytes > _MOST_CHUNK_BYTES

    @property
    def compared_bytes(self) -> int:
        """Return what this page counts in a comparison."""
        return max(self._chunks.chunk_bytes, _LEAST_COMPARED_BYTES)

    def ranges(self, boxes: Iterable[tuple[int, int, int, int]]) -> list[tuple[int, int]]:
        """Return the ranges of the file that windows are read from: x, y, width, height of each."""
        chunks = self._chunks
        places = {
            (column, row)
            for x, y, width, height in boxes
            for row in touched(y, height, chunks.chunk_height_px, chunks.rows)
            for column in touched(x, width, chunks.chunk_width_px, chunks.columns)
        }
        return chunks.ranges(sorted(places))

    def read(self, x_px: int, y_px: int, width_px: int, height_px: int) -> NDArray[np.float32]:
        """Return the means of the first samples; NaN where nothing is stored.

        Raises
        ------
        ChunkError
            A tile or strip in the window is damaged.
        """
        chunks = self._chunks
        canvas = np.full((height_px, width_px), np.nan, np.float32)
        for row in touched(y_px, height_px, chunks.chunk_height_px):
            for column in touched(x_px, width_px, chunks.chunk_width_px):
                samples = chunks.read(column, row)
                if samples is not None:
                    left = column * chunks.chunk_width_px - x_px
                    top = row * chunks.chunk_height_px - y_px
                    paste(canvas, samples[..., :3].astype(np.float32).mean(axis=2), left, top)
        return canvas


class Comparisons:
    """Compares pages of one file until that has taken a few seconds; then nothing is alike."""

    def __init__(self) -> None:
        self._left_bytes = _MOST_COMPARED_BYTES

    @property
    def are_spent(self) -> bool:
        """Return whether pages were left uncompared."""
        return self._left_bytes < 0

    def shows_the_same(self, larger: Window, smaller: Window) -> bool:
        """Return what `shows_the_same` does, while there is time left."""
        if self.are_spent:
            return False
        self._left_bytes -= larger.compared_bytes + smaller.compared_bytes
        return not self.are_spent and shows_the_same(larger, smaller)


def shows_the_same(larger: GrayWindows, smaller: GrayWindows) -> bool:
    """Return whether windows of the smaller page are those of the larger one, reduced.

    Windows with the most structure are compared, since all slides are alike where there is glass.
    """
    if larger.is_expensive or smaller.is_expensive:
        return False
    factor = larger.size_px[0] / smaller.size_px[0]
    known = 0
    try:
        for place in _places_by_structure(smaller, factor):
            does_agree = _agree(larger, smaller, place, factor)
            if does_agree is False:
                return False
            known += does_agree is not None
            if known == _TRIALS:
                break
    except ChunkError:
        return False
    return known > 0


def ranges_to_compare(larger: Window, smaller: Window) -> list[tuple[int, int]]:
    """Return all that a comparison may read, for files that are fetched from a server."""
    if larger.is_expensive or smaller.is_expensive:
        return []
    factor = larger.size_px[0] / smaller.size_px[0]
    side, places = _looked_at(smaller, factor)
    width, height = (min(side, length) for length in smaller.size_px)
    boxes = [(x, y, width, height) for x, y in places]
    finer = [
        (math.floor(x * factor), math.floor(y * factor), math.ceil(width * factor) + 1,
         math.ceil(height * factor) + 1)
        for x, y in places
    ]  # fmt: skip
    return smaller.ranges(boxes) + larger.ranges(finer)


def _looked_at(smaller: GrayWindows, factor: float) -> tuple[int, list[tuple[int, int]]]:
    """Return the side of the windows that are looked at, and the x and y of each."""
    width, height = smaller.size_px
    side = max(4, min(_SIDE_PX, width, height, math.floor(_MOST_SIDE_PX / factor)))
    return side, [
        (
            round((width - side) * (column + 0.5) / _GRID),
            round((height - side) * (row + 0.5) / _GRID),
        )
        for row in range(_GRID)
        for column in range(_GRID)
    ]


def _places_by_structure(smaller: GrayWindows, factor: float) -> list[tuple[int, int, int]]:
    """Return the x, y and side of windows, those with the largest deviation first."""
    width, height = smaller.size_px
    found: list[tuple[float, tuple[int, int, int]]] = []
    side, places = _looked_at(smaller, factor)
    for x, y in places:
        window = smaller.read(x, y, min(side, width), min(side, height))
        if not np.isnan(window).all():
            found.append((float(np.nanstd(window)), (x, y, side)))
    found.sort(key=lambda item: -item[0])
    return [place for _, place in found]


def _agree(
    larger: GrayWindows, smaller: GrayWindows, place: tuple[int, int, int], factor: float
) -> bool | None:
    """Return whether both show the same there; None where one of them stores too little."""
    x, y, side = place
    width = min(side, smaller.size_px[0] - x)
    height = min(side, smaller.size_px[1] - y)
    reduced = smaller.read(x, y, width, height)
    left, top = math.floor(x * factor), math.floor(y * factor)
    across = min(math.ceil(width * factor), larger.size_px[0] - left)
    down = min(math.ceil(height * factor), larger.size_px[1] - top)
    window = Image.fromarray(larger.read(left, top, across, down))
    box = np.asarray(window.resize((width, height), Image.Resampling.BOX))
    nearest = np.asarray(window)[
        np.minimum(np.arange(height) * factor, down - 1).astype(int)[:, np.newaxis],
        np.minimum(np.arange(width) * factor, across - 1).astype(int),
    ]
    is_known = np.isfinite(reduced) & np.isfinite(box) & np.isfinite(nearest)
    if np.count_nonzero(is_known) < _LEAST_KNOWN * is_known.size:
        return None
    reduced = reduced[is_known]
    # Levels are made by averaging or by leaving out pixels.
    difference = min(float(np.abs(reduced - other[is_known]).mean()) for other in (box, nearest))
    deviation = float(np.abs(reduced - reduced.mean()).mean())
    scale = max(float(reduced.max()), 1.0)
    return difference <= 0.5 * deviation + 0.03 * scale
