"""Rows of large strips whose codec gives them one after the other, from the top alone.

A stream has no state that could be kept and gone back to. What was decoded last is held instead, as
much as memory has room for, so that a view that moves about starts anew once in a long while.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np

from viewer.limits import TILE_BYTES
from viewer.progress import tell_progress
from viewer.slides.readers.large_chunks import PART_BYTES, large_chunks

if TYPE_CHECKING:
    from viewer.slides.readers.shared_file import AnyFile
    from viewer.slides.readers.tiff.rows import StripGrid

SEQUENTIAL_BYTES = 128 << 20
"""Chunks that take more, decoded, are read so; smaller ones are decoded whole, in any order."""

_MOST_STREAMS = 4
"""Where a view lies on the corner of four tiles."""
_MOST_BYTES = TILE_BYTES.most // 2
_LEAST_HELD_BYTES = 128 << 20


class RowStream(Protocol):
    """Decodes one strip from its top."""

    @property
    def held_bytes(self) -> int:
        """Memory that it takes while it is open."""
        ...

    def read(self, rows: int) -> bytes:
        """Return the next rows. Raises ChunkError."""
        ...


class _Position(msgspec.Struct):
    """How far a strip is decoded."""

    stream: RowStream
    next_block: int


class SequentialRows(ABC):
    """Gives rows of strips; for any thread, one at a time."""

    def __init__(self, grid: StripGrid, file: AnyFile) -> None:
        self._grid = grid
        self._file = file
        self._lock = threading.Lock()
        self._block_rows = max(1, PART_BYTES // grid.row_bytes)
        self._at: dict[int, _Position] = {}

    @abstractmethod
    def _opened(self, strip: int) -> RowStream:
        """Return a stream at the top of a strip. Raises ChunkError."""

    def read(self, strip: int, first_row: int, rows: int) -> bytes:
        """Return rows counted from the strip's top.

        Raises
        ------
        ChunkError
            They cannot be read or decoded.
        """
        row_bytes = self._grid.row_bytes
        pieces: list[memoryview] = []
        row, end = first_row, first_row + rows
        with self._lock:
            while row < end:
                block, start = divmod(row, self._block_rows)
                data = self._block(strip, block)
                piece = data[start * row_bytes : (start + end - row) * row_bytes]
                pieces.append(piece)
                row += len(piece) // row_bytes
        return b"".join(pieces)

    def _block(self, strip: int, block: int) -> memoryview:
        held = large_chunks().held
        kept = held.get((self, strip, block))
        if kept is not None:
            return kept.data
        at = self._at.pop(strip, None)
        if at is None or at.next_block > block:
            at = None  # two of one strip at once might be too much for memory
            at = _Position(self._opened(strip), 0)
        self._make_room(at.stream)
        streams_bytes = self._stream_bytes() + at.stream.held_bytes
        while True:
            # What streams take has to fit beside what is held.
            taken = min(streams_bytes, TILE_BYTES.most - _LEAST_HELD_BYTES)
            held.put((self, "streams"), _NOTHING, taken)
            strip_rows, row = self._rows(strip), at.next_block * self._block_rows
            tell_progress(row / strip_rows)
            rows = min(self._block_rows, strip_rows - row)
            data = np.frombuffer(at.stream.read(rows), np.uint8)
            held.put((self, strip, at.next_block), data, data.nbytes)
            at.next_block += 1
            if at.next_block > block:
                if row + rows < strip_rows:
                    self._at[strip] = at
                else:  # nothing more comes of it
                    held.put((self, "streams"), _NOTHING, self._stream_bytes())
                return data.data

    def _make_room(self, stream: RowStream) -> None:
        """Let streams of other strips go that memory has no room for."""
        while self._at and (
            len(self._at) >= _MOST_STREAMS or self._stream_bytes() + stream.held_bytes > _MOST_BYTES
        ):
            del self._at[next(iter(self._at))]

    def _stream_bytes(self) -> int:
        return sum(at.stream.held_bytes for at in self._at.values())

    def _rows(self, strip: int) -> int:
        """Return how many rows a strip stores; the last of strips, unlike tiles, may have fewer."""
        grid = self._grid
        top = strip % grid.strips_per_plane // grid.columns * grid.strip_rows
        return min(grid.strip_rows, grid.height_px - top)


_NOTHING = np.empty(0, np.uint8)
