"""The rows of a PNG of any size, from the top, as its bytes before they are filtered."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import imagecodecs

from viewer.limits import open_regular
from viewer.slides.readers.tiff.errors import ChunkError, read_exactly
from viewer.slides.readers.tiff.sequential_rows import RowStream, SequentialRows

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from viewer.slides.readers.shared_file import AnyFile
    from viewer.slides.readers.tiff.rows import StripGrid

_START = b"\x89PNG\r\n\x1a\n"
_HEAD_AT, _HEAD_BYTES = 16, 13
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By the type of the colors: gray, RGB, palette, gray with opacity, RGBA."""

_STAND_INS = {1: (8, 0), 2: (8, 4), 3: (8, 2), 4: (8, 6), 6: (16, 2), 8: (16, 6)}
"""Bits and colors of a PNG with so many bytes a pixel, of which alone filters know."""

_INPUT_BYTES = _MOST_EXIF_BYTES = 1 << 16


class PngRows(SequentialRows):
    """Gives rows of a PNG that is not interlaced; for any thread, one at a time.

    Samples are packed as the format has it: those of 16 bits begin with the higher byte.

    Parameters
    ----------
    pixel_bytes
        The bytes of a pixel, 1 where a byte holds several.
    """

    def __init__(self, grid: StripGrid, file: AnyFile, pixel_bytes: int) -> None:
        super().__init__(grid, file)
        self._pixel_bytes = pixel_bytes

    def _opened(self, strip: int) -> RowStream:
        assert strip == 0
        return _PngStream(self._file, self._grid.row_bytes, self._pixel_bytes)


def png_pixel_bits(file: AnyFile) -> int | None:
    """Return the bits of a pixel; None of an interlaced one, which has no rows. Raises OSError."""
    head = file.read(_HEAD_AT, _HEAD_BYTES)
    bits, colors, packing, filtering, interlacing = head[8:]
    is_plain = packing == filtering == interlacing == 0
    return bits * _SAMPLES[colors] if is_plain and colors in _SAMPLES else None


def exif_in_png(path: Path) -> bytes:
    """Return the chunk eXIf, which may stand behind the pixels too; b"" where there is none.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with open_regular(path) as file:
        file.seek(len(_START))
        while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
            size = int.from_bytes(head[:4], "big")
            if head[4:] == b"eXIf":
                return file.read(min(size, _MOST_EXIF_BYTES))
            file.seek(size + 4, 1)
    return b""


class _PngStream:
    held_bytes = 1 << 20

    def __init__(self, file: AnyFile, row_bytes: int, pixel_bytes: int) -> None:
        self._file = file
        self._row_bytes = row_bytes
        self._pixel_bytes = pixel_bytes
        self._state = zlib.decompressobj()
        self._at, self._left = len(_START), 0
        self._above = bytes(row_bytes)

    def read(self, rows: int) -> bytes:
        """Return the next rows. Raises ChunkError."""
        filtered = self._inflated(rows * (1 + self._row_bytes))
        # The row above goes before them, unfiltered, in a small PNG of its own.
        coded = zlib.compress(b"\0" + self._above + filtered, 0)
        bits, colors = _STAND_INS[self._pixel_bytes]
        width = self._row_bytes // self._pixel_bytes
        header = struct.pack(">2I5B", width, rows + 1, bits, colors, 0, 0, 0)
        parts = ((b"IHDR", header), (b"IDAT", coded), (b"IEND", b""))
        small = _START + b"".join(_chunk(*part) for part in parts)
        try:
            samples: NDArray[np.uint8] | NDArray[np.uint16] = imagecodecs.png_decode(small)
        except (RuntimeError, ValueError) as error:
            raise ChunkError(f"its data is damaged ({error})") from error
        pixels = samples[1:].astype(samples.dtype.newbyteorder(">"), copy=False).tobytes()
        self._above = pixels[-self._row_bytes :]
        return pixels

    def _inflated(self, wanted: int) -> bytes:
        pieces: list[bytes] = []
        while wanted:
            data = self._state.unconsumed_tail or self._input()
            try:
                piece = self._state.decompress(data, wanted)
            except zlib.error as error:
                raise ChunkError(f"its data is damaged ({error})") from error
            if not piece and (self._state.eof or not data):
                raise ChunkError("its compressed data ends too soon")
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def _input(self) -> bytes:
        """Return what comes next of the chunks IDAT; nothing behind them."""
        while not self._left:
            head = read_exactly(self._file, self._at, 8)
            size, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind == b"IEND":
                return b""
            self._at += 8
            if kind == b"IDAT":
                self._left = size
            if not self._left:
                self._at += size + 4
        size = min(self._left, _INPUT_BYTES)
        data = read_exactly(self._file, self._at, size)
        self._left -= size
        self._at += size if self._left else size + 4
        return data


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + check
