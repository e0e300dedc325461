"""Rows of large strips that are compressed by PackBits, decoded a block of runs at a time."""

from __future__ import annotations

import imagecodecs

from viewer.slides.readers.tiff.block_rows import BlockRows
from viewer.slides.readers.tiff.errors import ChunkError, read_exactly

_INPUT_BYTES = 1 << 16
_NOTHING = 128
"""The head of a run of no bytes; those below are of bytes as they are, those above of one byte."""


class PackBitsRows(BlockRows):
    """Gives rows of strips of PackBits; for any thread, one at a time."""

    def _decoded(self, strip: int, bit: int) -> tuple[bytes, int | None]:
        grid, first = self._grid, bit // 8
        left = grid.byte_counts[strip] - first
        data = read_exactly(self._file, grid.offsets[strip] + first, min(_INPUT_BYTES, left))
        is_last = len(data) == left
        end = len(data) if is_last else _end_of_runs(data)
        try:
            pixels = bytes(imagecodecs.packbits_decode(data[:end]))
        except (RuntimeError, ValueError) as error:
            raise ChunkError(f"its data is damaged ({error})") from error
        return pixels, None if is_last else 8 * (first + end)


def _end_of_runs(data: bytes) -> int:
    """Return where the last whole run ends."""
    at, end = 0, len(data)
    while at < end:
        head = data[at]
        following = at + (head + 2 if head < _NOTHING else 1 if head == _NOTHING else 2)
        if following > end:
            break
        at = following
    return at
