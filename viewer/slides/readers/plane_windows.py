"""Windows of stored values from chunks of any size, with the decoded chunks kept a while."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np

from viewer.slides.kept_chunks import KeptChunks
from viewer.slides.readers.chunk_windows import KEPT_BYTES
from viewer.slides.readers.large_chunks import large_chunks
from viewer.slides.source import Level
from viewer.slides.tile_windows import paste_values, touched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.slides.tile_windows import Window


_GOOD_TILE_PX = range(128, 2049)
_OWN_TILE_PX = 256


class ChunkGrid(msgspec.Struct, frozen=True):
    """A level and the chunks that it is stored in, in pixels."""

    width_px: int
    height_px: int
    chunk_width_px: int
    chunk_height_px: int
    parts_per_chunk: int = 1
    """Of the chunks here, those below each other that are decoded together."""

    def chunk_window(self, column: int, row: int) -> Window:
        """Return left, top, width and height of a chunk, cut at the edges of the level."""
        left, top = column * self.chunk_width_px, row * self.chunk_height_px
        width = min(self.chunk_width_px, self.width_px - left)
        return left, top, width, min(self.chunk_height_px, self.height_px - top)

    def touched(self, window: Window) -> list[tuple[int, int]]:
        """Return column and row of the chunks that a window is made of, column by column."""
        left, top, width, height = window
        columns = touched(left, width, self.chunk_width_px)
        rows = touched(top, height, self.chunk_height_px)
        return [(column, row) for column in columns for row in rows]

    def level(self, finest: ChunkGrid) -> Level:
        """Return the level with its own chunks as tiles, or others where they are unfit."""
        is_good = self.chunk_width_px in _GOOD_TILE_PX and self.chunk_height_px in _GOOD_TILE_PX
        tile = (self.chunk_width_px, self.chunk_height_px)
        downsample = (finest.width_px / self.width_px + finest.height_px / self.height_px) / 2
        cut = tile if is_good else (_OWN_TILE_PX, _OWN_TILE_PX)
        return Level(self.width_px, self.height_px, downsample, *cut)


class ReadChunk(Protocol):
    """Decodes one chunk."""

    def __call__(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int, t: int
    ) -> NDArray[Any]:
        """Return values (channels, height, width), cut at the edges. Raises ChunkError."""
        ...


class PlaneWindows:
    """Reads windows of levels; for calls from any thread.

    Parameters
    ----------
    chunk_bytes
        Of the largest chunk when it is decoded, which is kept whatever it takes.
    """

    def __init__(
        self, grids: Sequence[ChunkGrid], read_chunk: ReadChunk, chunk_bytes: int = 0
    ) -> None:
        self._grids = tuple(grids)
        self._read_chunk = read_chunk
        self._kept = KeptChunks(max(KEPT_BYTES, chunk_bytes))

    def read(
        self, level: int, window: Window, channels: tuple[int, ...], z: int, t: int
    ) -> NDArray[Any]:
        """Return values (channels, height, width) of a window within a level.

        Raises
        ------
        ChunkError
            A chunk in it cannot be read.
        """
        grid = self._grids[level]
        left, top, width, height = window
        chunks = grid.touched(window)
        if window == grid.chunk_window(*chunks[0]):
            return self._read_chunk(level, *chunks[0], channels, z, t)
        canvas: NDArray[Any] | None = None
        is_kept = self._kept.has_all((level, *at, z, t, *channels) for at in chunks)
        with large_chunks().task(grid.parts_per_chunk, is_kept=is_kept):
            for column, row in chunks:
                chunk = self._kept.get(
                    (level, column, row, z, t, *channels),
                    partial(self._read_chunk, level, column, row, channels, z, t),
                )
                if canvas is None:
                    canvas = np.empty((len(channels), height, width), chunk.dtype)
                x, y, _, _ = grid.chunk_window(column, row)
                paste_values(canvas, chunk, x - left, y - top)
        assert canvas is not None  # a window is never empty
        return canvas

    def clear(self) -> None:
        """Forget the chunks that are kept."""
        self._kept.clear()
