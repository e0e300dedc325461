"""PNG files written row by row, so that a large picture is never held whole.

PNG (Portable Network Graphics) Specification, third edition, W3C 2025: chunks of a length, a name,
data and a checksum; rows each begin with the number of their filter.
"""

from __future__ import annotations

import struct
import zlib
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY, _RGB = 0, 2
PLAIN_DESCRIPTION = b"Description\0\0\0\0\0"
"""What begins a text (iTXt) that is not compressed, of no language, and tells of the picture."""
_UP = 2
"""Filter: a row holds the difference to the row above, nearly all zeros in a mask."""


def write_png(
    file: IO[bytes],
    size: tuple[int, int],
    strips: Iterable[NDArray[Any]],
    per_m: int | None,
    description: str = "",
) -> None:
    """Write strips from the top: gray (rows, width), or colors (rows, width, 3); uint8 or uint16.

    Parameters
    ----------
    per_m
        Pixels a meter, where they are known.
    description
        What the picture is of.

    Raises
    ------
    OSError
        It cannot be written.
    """
    file.write(_SIGNATURE)
    packer = zlib.compressobj(level=6)
    above = np.zeros(0, np.uint8)
    for strip in strips:
        flat = strip.reshape(len(strip), -1)
        rows = np.ascontiguousarray(flat.astype(flat.dtype.newbyteorder(">"))).view(np.uint8)
        if not len(above):
            colors = _GRAY if strip.ndim == 2 else _RGB
            header = struct.pack(">IIBBBBB", *size, 8 * strip.itemsize, colors, 0, 0, 0)
            _chunk(file, b"IHDR", header)
            if per_m:
                _chunk(file, b"pHYs", struct.pack(">IIB", per_m, per_m, 1))
            if description:
                _chunk(file, b"iTXt", PLAIN_DESCRIPTION + description.encode())
            above = np.zeros(rows.shape[1], np.uint8)
        differences = np.diff(rows, axis=0, prepend=above[None])
        above = rows[-1]
        filtered = np.concatenate([np.full((len(rows), 1), _UP, np.uint8), differences], axis=1)
        packed = packer.compress(filtered.tobytes())
        if packed:
            _chunk(file, b"IDAT", packed)
    _chunk(file, b"IDAT", packer.flush())
    _chunk(file, b"IEND", b"")


def _chunk(file: IO[bytes], name: bytes, data: bytes) -> None:
    checksum = zlib.crc32(name + data)
    file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum))
