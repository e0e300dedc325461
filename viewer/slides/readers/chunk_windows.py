"""Any window of an image that is stored in chunks, with the decoded chunks kept a while."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from viewer.slides.readers.large_chunks import large_chunks
from viewer.slides.readers.turning import stored_box, upright, upright_size
from viewer.slides.tile_windows import paste, touched

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import NDArray

    from viewer.slides.kept_chunks import KeptChunks
    from viewer.slides.source import RgbImage

KEPT_BYTES = 128 << 20
"""Of decoded chunks for a slide; at least the chunks of one row of tiles should fit."""


_SCREEN_TILE_PX = 256


def tile_pieces(size_px: tuple[int, int], chunk_px: tuple[int, int]) -> int:
    """Return of how many chunks of an image, each (width, height), a tile of the screen is made."""
    across, down = (
        -(-min(side, _SCREEN_TILE_PX) // chunk)
        for side, chunk in zip(size_px, chunk_px, strict=True)
    )
    return across * down


class Chunks(Protocol):
    """The grid of tiles or strips of an image, as it is stored."""

    width_px: int
    height_px: int
    chunk_width_px: int
    chunk_height_px: int
    parts_per_chunk: int
    """Of the chunks, those below each other that are decoded together; mostly 1."""


class RgbChunks(Chunks, Protocol):
    """Tiles or strips of an image that are read as colors."""

    def read_rgb(self, column: int, row: int) -> RgbImage:
        """Return one chunk, cut at the image's edges."""
        ...


class ChunkWindows:
    """Reads windows of an upright image from chunks.

    Parameters
    ----------
    key
        Tells the images apart that share `kept`.
    orientation
        How the stored image is to be turned, 1 to 8 as in TIFF and EXIF.
    read
        Gives one chunk, (height, width, samples), cut at the image's edges.
    """

    def __init__(
        self,
        chunks: Chunks,
        key: Hashable,
        kept: KeptChunks,
        orientation: int,
        read: Callable[[int, int], NDArray[Any]],
    ) -> None:
        self._chunks = chunks
        self._key = key
        self._kept = kept
        self._orientation = orientation
        self._read = read
        self.size_px = upright_size(orientation, chunks.width_px, chunks.height_px)

    def read(self, left: int, top: int, width: int, height: int) -> NDArray[Any]:
        """Return a window that lies within the upright image, (height, width, samples).

        Raises
        ------
        ChunkError
            A chunk in it cannot be read.
        """
        chunks = self._chunks
        x, y, stored_width, stored_height = stored_box(
            self._orientation, (chunks.width_px, chunks.height_px), (left, top, width, height)
        )
        canvas: NDArray[Any] | None = None
        # Column by column, as parts of a large tile lie below each other.
        places = [
            (column, row)
            for column in touched(x, stored_width, chunks.chunk_width_px)
            for row in touched(y, stored_height, chunks.chunk_height_px)
        ]
        is_kept = self._kept.has_all((self._key, *place) for place in places)
        with large_chunks().task(chunks.parts_per_chunk, is_kept=is_kept):
            for column, row in places:
                chunk = self._kept.get((self._key, column, row), partial(self._read, column, row))
                if canvas is None:
                    shape = (stored_height, stored_width, *chunk.shape[2:])
                    canvas = np.empty(shape, chunk.dtype)
                left_px, top_px = column * chunks.chunk_width_px, row * chunks.chunk_height_px
                paste(canvas, chunk, left_px - x, top_px - y)
        assert canvas is not None  # a window touches at least one chunk
        return np.ascontiguousarray(upright(self._orientation, canvas))
