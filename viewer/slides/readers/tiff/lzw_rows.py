"""Rows of large strips that are compressed by LZW, decoded a block at a time.

The table of LZW starts anew at each code Clear, which writers give whenever it is full. From one to
another is a block that can be decoded by itself; where the codes stand follows from their number.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np

from viewer.slides.readers.tiff.block_rows import BlockRows
from viewer.slides.readers.tiff.errors import ChunkError, read_exactly

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CLEAR, _END = 256, 257
_CLEAR_BITS = 9
"""A wider code Clear ends in the same nine bits, so that each block begins with a narrow one."""

_WIDTHS = ((254, 9), (766 - 254, 10), (1790 - 766, 11), (4096 - 1790, 12))
"""How many codes after Clear take how many bits."""

_WIDEST = 12
_INPUT_BYTES = 1 << 15
_MOST_INPUT_BYTES = 1 << 24


def is_blocks(head: bytes) -> bool:
    """Return whether compressed data begins with Clear, its highest bit first, as in TIFF 6."""
    return len(head) == 2 and int.from_bytes(head, "big") >> 7 == _CLEAR


class LzwRows(BlockRows):
    """Gives rows of strips of LZW; for any thread, one at a time.

    A block stands where the last nine bits of its Clear do.
    """

    def _decoded(self, strip: int, bit: int) -> tuple[bytes, int | None]:
        grid = self._grid
        first, size = bit // 8, _INPUT_BYTES
        while True:
            left = grid.byte_counts[strip] - first
            data = read_exactly(self._file, grid.offsets[strip] + first, min(size, left))
            end = _end_of_blocks(data, bit % 8)
            if end is not None or len(data) == left:
                break
            size *= 8
            if size > _MOST_INPUT_BYTES:
                raise ChunkError("its LZW data never starts anew, so it cannot be read in parts")
        try:
            pixels = bytes(imagecodecs.lzw_decode(_from_bit(data, bit % 8, end)))
        except (RuntimeError, ValueError) as error:
            raise ChunkError(f"its data is damaged ({error})") from error
        return pixels, None if end is None else 8 * first + end - _CLEAR_BITS


@cache
def _layout() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first bit, counted from the end of Clear, and the width of each code."""
    widths = np.concatenate([np.full(count, width) for count, width in _WIDTHS])
    return np.cumsum(widths) - widths, widths


def _end_of_blocks(data: bytes, bit: int) -> int | None:
    """Return the bit behind the last Clear that ends a block; None where none does.

    Parameters
    ----------
    bit
        Where a Clear of nine bits stands, behind which codes begin.
    """
    octets = np.frombuffer(data + bytes(3), np.uint8).astype(np.uint32)
    words = octets[:-2] << 16 | octets[1:-1] << 8 | octets[2:]
    starts, widths = _layout()
    most, found = 8 * len(data), None
    begin = bit + _CLEAR_BITS
    while True:
        at, width = starts + begin, widths
        while True:
            fitting = np.searchsorted(at, most - _WIDEST, side="right")
            at, width = at[:fitting], width[:fitting]
            if not fitting:
                return found
            codes = words[at >> 3] >> (24 - (at & 7) - width).astype(np.uint32)
            codes &= ((1 << width) - 1).astype(np.uint32)
            special = np.flatnonzero((codes == _CLEAR) | (codes == _END))
            if len(special):
                break
            # A writer that goes on with a full table keeps to the widest codes.
            at = at[-1] + width[-1] + _WIDEST * np.arange(len(starts))
            width = np.full(len(starts), _WIDEST)
        first = special[0]
        if codes[first] == _END:
            return found
        begin = int(at[first] + width[first])
        found = begin


def _from_bit(data: bytes, bit: int, end: int | None) -> bytes:
    """Return the bits from `bit` on, as bytes that begin with them; too few for a code behind."""
    last = len(data) if end is None else -(-(end - bit) // 8)
    if bit == 0:
        return data[:last]
    octets = np.frombuffer(data + b"\0", np.uint8)
    shifted = octets[:-1] << np.uint8(bit) | octets[1:] >> np.uint8(8 - bit)
    return shifted[:last].tobytes()
