"""Picture files too large for memory, a few rows at a time: JPEG, PNG, and pixels as they are.

Those are of 8 bits, gray or color, with opacity or without; not interlaced, progressive or of inks.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

import imagecodecs
import numpy as np
from PIL import Image, ImageFile

from viewer.slides.readers.image_chunks import as_rgb
from viewer.slides.readers.large_chunks import part_rows
from viewer.slides.readers.shared_file import AnyFile, shared_file
from viewer.slides.readers.tiff.errors import ChunkError, read_exactly
from viewer.slides.readers.tiff.jpeg_rows import JpegRows
from viewer.slides.readers.tiff.jpeg_stream import FRAME_WITHIN_BYTES, can_stream_jpeg
from viewer.slides.readers.tiff.overview import StripOverview
from viewer.slides.readers.tiff.rows import StripGrid, StripRows
from viewer.slides.readers.tiff.sequential_rows import RowStream, SequentialRows
from viewer.slides.readers.turning import UPRIGHT

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.source import RgbImage

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Colors of a PNG of 8 bits by its samples: gray, gray with opacity, RGB, RGBA."""
_RAW_MODES = ("L", "RGB", "BGR", "BGRX", "RGBA", "BGRA", "RGBX")
"""As Pillow calls the orders of samples, a byte each."""
_INPUT_BYTES = 1 << 16
_SAMPLES = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}


class RowChunks:
    """A picture as strips of a few rows; fulfils `RgbChunks`."""

    is_large = True
    columns = parts_per_chunk = 1

    def __init__(self, rows: StripRows, size_px: tuple[int, int], samples: int) -> None:
        self._rows = rows
        self._samples = samples
        self.width_px, self.height_px = size_px
        self.chunk_width_px = self.width_px
        self.chunk_height_px = part_rows(self.height_px, self.width_px * samples)
        self.rows = -(-self.height_px // self.chunk_height_px)
        self.orientation = UPRIGHT

    def read_rgb(self, column: int, row: int) -> RgbImage:
        """Return a strip, uint8 (height, width, 3), opacity over white. Raises ChunkError."""
        assert column == 0
        top = row * self.chunk_height_px
        height = min(self.chunk_height_px, self.height_px - top)
        data = self._rows.read(0, top, height)
        pixels = np.frombuffer(data, np.uint8).reshape(height, self.width_px, self._samples)
        return as_rgb(pixels)

    def overview(self) -> StripOverview:
        """Return a reduced level, which is made in one pass."""
        return StripOverview(self)


def row_chunks(path: Path, picture: ImageFile.ImageFile) -> RowChunks | None:
    """Return a picture that is opened, and not decoded, by rows; None where its kind has none.

    Raises OSError.
    """
    samples = _SAMPLES.get(picture.mode)
    if samples is None or "transparency" in picture.info:
        return None
    file, (width, height) = shared_file(path), picture.size
    grid = StripGrid(height, height, width * samples, (0,), (path.stat().st_size,))
    rows: StripRows | None = None
    if picture.format == "JPEG" and not picture.info.get("progressive"):
        if can_stream_jpeg(file.read(0, FRAME_WITHIN_BYTES), samples):
            rows = JpegRows(grid, file, samples=samples)
    elif picture.format == "PNG":
        # The depth, the colors, the two methods that have no choice, and whether it is interlaced.
        if file.read(24, 5) == bytes((8, _PNG_TYPES[samples], 0, 0, 0)):
            rows = _PngRows(grid, file, samples)
    elif picture.tile and picture.tile[0][0] == "raw":
        rows = _raw_rows(picture, grid, file)
    return None if rows is None else RowChunks(rows, picture.size, samples)


class _PngRows(SequentialRows):
    def __init__(self, grid: StripGrid, file: AnyFile, samples: int) -> None:
        super().__init__(grid, file)
        self._samples = samples

    def _opened(self, strip: int) -> RowStream:
        assert strip == 0
        return _PngStream(self._file, self._grid.row_bytes, self._samples)


class _PngStream:
    """The rows of a PNG, from the top."""

    held_bytes = 1 << 20

    def __init__(self, file: AnyFile, row_bytes: int, samples: int) -> None:
        self._file = file
        self._row_bytes = row_bytes
        self._samples = samples
        self._state = zlib.decompressobj()
        self._at, self._left = len(_PNG_START), 0
        self._above = bytes(row_bytes)

    def read(self, rows: int) -> bytes:
        """Return the next rows. Raises ChunkError."""
        filtered = self._inflated(rows * (1 + self._row_bytes))
        # The row above goes before them, unfiltered, in a small PNG of its own.
        coded = zlib.compress(b"\0" + self._above + filtered, 0)
        width = self._row_bytes // self._samples
        header = struct.pack(">2I5B", width, rows + 1, 8, _PNG_TYPES[self._samples], 0, 0, 0)
        parts = ((b"IHDR", header), (b"IDAT", coded), (b"IEND", b""))
        small = _PNG_START + b"".join(_png_chunk(*part) for part in parts)
        try:
            pixels = imagecodecs.png_decode(small)[1:].tobytes()
        except (RuntimeError, ValueError) as error:
            raise ChunkError(f"its data is damaged ({error})") from error
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


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + check


class _RawRows(NamedTuple):
    """Rows that lie in the file as they are, from below or from above."""

    mode: str
    raw_mode: str
    stride: int
    is_upward: bool
    offset: int
    grid: StripGrid
    file: AnyFile
    width_px: int

    def read(self, strip: int, first_row: int, rows: int) -> bytes:
        """Return rows from above, as `StripRows`. Raises ChunkError."""
        del strip
        first = self.grid.height_px - first_row - rows if self.is_upward else first_row
        data = read_exactly(self.file, self.offset + first * self.stride, rows * self.stride)
        size, turn = (self.width_px, rows), -1 if self.is_upward else 1
        order = (self.raw_mode, self.stride, turn)
        return Image.frombytes(self.mode, size, data, "raw", *order).tobytes()


def _raw_rows(picture: ImageFile.ImageFile, grid: StripGrid, file: AnyFile) -> _RawRows | None:
    _, extents, offset, given = picture.tile[0]
    if len(picture.tile) > 1 or extents != (0, 0, *picture.size) or given is None:
        return None
    raw_mode, *rest = (given,) if isinstance(given, str) else given
    stride, turn = rest if len(rest) == 2 else (0, 1)
    if raw_mode not in _RAW_MODES or turn not in (1, -1):
        return None
    per_pixel = len(raw_mode)
    width = picture.width
    return _RawRows(
        picture.mode, raw_mode, stride or width * per_pixel, turn == -1, offset, grid, file, width
    )
