"""Picture files too large for memory, a few rows at a time: JPEG, PNG, WebP, plain pixels.

Those are not interlaced, and not progressive where memory has no room for their coefficients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from PIL import Image, ImageFile

from viewer.limits import TILE_BYTES
from viewer.progress import tell_progress
from viewer.slides.readers.image.chunks import (
    DEEP_MODES,
    TGA_DESCRIPTOR_AT,
    PillowColors,
    deep_colors,
    is_deep,
)
from viewer.slides.readers.image.png_rows import PngRows, png_pixel_bits
from viewer.slides.readers.image.webp_rows import WebpRows, can_stream_webp
from viewer.slides.readers.large_chunks import part_rows
from viewer.slides.readers.shared_file import AnyFile, shared_file
from viewer.slides.readers.tiff.errors import ChunkError, read_exactly
from viewer.slides.readers.tiff.jpeg_rows import JpegRows
from viewer.slides.readers.tiff.jpeg_stream import (
    FRAME_WITHIN_BYTES,
    coefficient_bytes,
    streamable_header,
)
from viewer.slides.readers.tiff.overview import StripOverview
from viewer.slides.readers.tiff.rows import StripGrid, StripRows
from viewer.slides.readers.turning import UPRIGHT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.readers.sample_colors import SampleColors
    from viewer.slides.source import RgbImage

_RAW_BITS = {
    "1": 1, "1;I": 1, "P;1": 1, "P;4": 4, "L": 8, "P": 8, "LA": 16, "RGB": 24, "BGR": 24,
    "BGR;15": 16, "BGR;16": 16, "BGRA;15Z": 16, "RGBA": 32, "BGRA": 32, "RGBX": 32, "BGRX": 32,
    "I;16B": 16, "F;32F": 32, "F;32BF": 32,
}  # fmt: skip
"""Of a pixel, by what Pillow calls the order of its samples."""

_JPEG_SAMPLES = {"L": 1, "RGB": 3, "CMYK": 4}
_FROM_RIGHT = 0x10
"""Of the descriptor of a TGA."""
_OPAQUE = 0xFFFF


class _Pixels(Protocol):
    """Makes colors of bytes as `StripRows` gives them."""

    def rgb(self, data: bytes, rows: int) -> RgbImage: ...


class RowChunks:
    """A picture as strips of a few rows; fulfils `RgbChunks`.

    Attributes
    ----------
    range
        What is shown as black and white, where that is not all that the bits allow.
    """

    way = "by rows"
    is_large = True
    columns = parts_per_chunk = 1

    def __init__(self, layout: _Layout, pixels: _Pixels, colors: SampleColors | None) -> None:
        self._rows = layout.rows
        self._pixels = pixels
        self._is_mirrored = layout.is_mirrored
        self.range = colors.range if colors else None
        self.width_px, self.height_px = layout.size_px
        self.chunk_width_px = self.width_px
        self.chunk_height_px = layout.part_rows
        self.rows = -(-self.height_px // self.chunk_height_px)
        self.orientation = UPRIGHT

    def read_rgb(self, column: int, row: int) -> RgbImage:
        """Return a strip, uint8 (height, width, 3), opacity over white. Raises ChunkError."""
        assert column == 0
        top = row * self.chunk_height_px
        height = min(self.chunk_height_px, self.height_px - top)
        shown = self._pixels.rgb(self._rows.read(0, top, height), height)
        return np.ascontiguousarray(shown[:, ::-1]) if self._is_mirrored else shown

    def overview(self) -> StripOverview:
        """Return a reduced level, which is made in one pass."""
        return StripOverview(self)


class _Layout(NamedTuple):
    """Where the rows of a picture come from, and the order of their samples as Pillow calls it."""

    rows: StripRows
    size_px: tuple[int, int]
    row_bytes: int
    order: tuple[str | int, ...]
    is_mirrored: bool = False

    @property
    def part_rows(self) -> int:
        width, height = self.size_px
        return part_rows(height, max(self.row_bytes, 3 * width))


def row_chunks(path: Path, picture: ImageFile.ImageFile) -> RowChunks | None:
    """Return a picture that is opened, and not decoded, by rows; None where its kind has none.

    One of more than 8 bits is gone through once, to learn what is shown as black and as white.

    Raises
    ------
    OSError
        The file cannot be read.
    ChunkError
        It is damaged.
    """
    layout = _layout(path, picture)
    if layout is None:
        return None
    if picture.format == "PNG" and is_deep(path, picture):
        return _deep_chunks(layout, _DeepPng(picture))
    parts = _Parts(picture, layout.order)
    if picture.mode in DEEP_MODES:
        return _deep_chunks(layout, _DeepByPillow(parts))
    return RowChunks(layout, _ByPillow(parts, PillowColors(path, picture)), None)


def _layout(path: Path, picture: ImageFile.ImageFile) -> _Layout | None:
    file = shared_file(path)
    if picture.format == "JPEG":
        return _jpeg_layout(path, picture, file)
    if picture.format == "PNG":
        return _png_layout(path, picture, file)
    if picture.format == "WEBP":
        return _webp_layout(path, picture, file)
    is_raw = bool(picture.tile) and picture.tile[0][0] == "raw"
    return _raw_layout(path, picture, file) if is_raw else None


def _grid(path: Path, picture: Image.Image, row_bytes: int) -> StripGrid:
    height = picture.height
    return StripGrid(height, height, row_bytes, (0,), (path.stat().st_size,))


def _jpeg_layout(path: Path, picture: ImageFile.ImageFile, file: AnyFile) -> _Layout | None:
    samples = _JPEG_SAMPLES.get(picture.mode, 0)
    head = file.read(0, FRAME_WITHIN_BYTES)
    header = streamable_header(head, samples)
    if header is None:
        return None
    if header.is_progressive and coefficient_bytes(header) + path.stat().st_size > TILE_BYTES.most:
        return None
    grid = _grid(path, picture, picture.width * samples)
    rows = JpegRows(grid, file, samples=samples)
    # Inks are stored inverted, as Adobe has it.
    order = "CMYK;I" if picture.mode == "CMYK" else picture.mode
    return _Layout(rows, picture.size, grid.row_bytes, (order,))


def _png_layout(path: Path, picture: ImageFile.ImageFile, file: AnyFile) -> _Layout | None:
    bits = png_pixel_bits(file)
    order = picture.tile[0][3] if picture.tile else None
    if bits is None or not isinstance(order, str):
        return None
    grid = _grid(path, picture, -(-picture.width * bits // 8))
    rows = PngRows(grid, file, max(1, bits // 8))
    return _Layout(rows, picture.size, grid.row_bytes, (order,))


def _webp_layout(path: Path, picture: ImageFile.ImageFile, file: AnyFile) -> _Layout | None:
    size, pixels = path.stat().st_size, picture.width * picture.height
    if getattr(picture, "n_frames", 1) > 1 or not can_stream_webp(file, size, pixels):
        return None
    samples = len(picture.getbands())
    grid = _grid(path, picture, picture.width * samples)
    return _Layout(WebpRows(grid, file, samples), picture.size, grid.row_bytes, (picture.mode,))


def _raw_layout(path: Path, picture: ImageFile.ImageFile, file: AnyFile) -> _Layout | None:
    _, extents, offset, given = picture.tile[0]
    if len(picture.tile) > 1 or extents != (0, 0, *picture.size) or given is None:
        return None
    raw_mode, *rest = (given,) if isinstance(given, str) else given
    stride, turn = rest if len(rest) == 2 else (0, 1)
    if raw_mode not in _RAW_BITS or turn not in (1, -1):
        return None
    row_bytes = stride or -(-picture.width * _RAW_BITS[raw_mode] // 8)
    grid = _grid(path, picture, row_bytes)
    is_mirrored = picture.format == "TGA" and bool(file.read(TGA_DESCRIPTOR_AT, 1)[0] & _FROM_RIGHT)
    rows = _StoredRows(grid, file, offset, is_upward=turn == -1)
    return _Layout(rows, picture.size, row_bytes, (raw_mode, row_bytes, turn), is_mirrored)


class _StoredRows(NamedTuple):
    """Rows that lie in the file as they are, from below or from above."""

    grid: StripGrid
    file: AnyFile
    offset: int
    is_upward: bool

    def read(self, strip: int, first_row: int, rows: int) -> bytes:
        """Return rows as they are stored, as `StripRows`. Raises ChunkError."""
        del strip
        height, row_bytes = self.grid.height_px, self.grid.row_bytes
        first = height - first_row - rows if self.is_upward else first_row
        return read_exactly(self.file, self.offset + first * row_bytes, rows * row_bytes)


class _Parts:
    """Makes a picture of its own of rows, by Pillow."""

    def __init__(self, picture: Image.Image, order: tuple[str | int, ...]) -> None:
        self._mode, self._width_px = picture.mode, picture.width
        self._palette = picture.palette
        self._order = order

    def part(self, data: bytes, rows: int) -> Image.Image:
        size = (self._width_px, rows)
        part = Image.frombytes(self._mode, size, data, "raw", *self._order)
        if self._palette is not None:
            part.palette = self._palette.copy()
            part.load()  # which hands it on
        return part


class _ByPillow(NamedTuple):
    """Makes colors of samples that Pillow reads."""

    parts: _Parts
    colors: PillowColors

    def rgb(self, data: bytes, rows: int) -> RgbImage:
        return self.colors.rgb(self.parts.part(data, rows))


class _DeepByPillow(NamedTuple):
    """Gives samples of more than 8 bits that Pillow reads."""

    parts: _Parts

    def samples(self, data: bytes, rows: int) -> NDArray[Any]:
        """Return (height, width, samples)."""
        return np.asarray(self.parts.part(data, rows))[..., np.newaxis]


class _DeepPng:
    """Gives the samples of a PNG of 16 bits, with opacity where one color is transparent."""

    def __init__(self, picture: Image.Image) -> None:
        self._width_px = picture.width
        key: int | tuple[int, ...] | None = picture.info.get("transparency")
        self._key = None if key is None else np.array(key, np.uint16)

    def samples(self, data: bytes, rows: int) -> NDArray[Any]:
        """Return (height, width, samples)."""
        stored = np.frombuffer(data, ">u2").reshape(rows, self._width_px, -1).astype(np.uint16)
        if self._key is None:
            return stored
        is_clear = (stored == self._key).all(axis=2, keepdims=True)
        return np.concatenate([stored, np.where(is_clear, 0, _OPAQUE).astype(np.uint16)], axis=2)


class _Deep(NamedTuple):
    """Makes colors of samples of more than 8 bits."""

    stored: _DeepByPillow | _DeepPng
    colors: SampleColors

    def rgb(self, data: bytes, rows: int) -> RgbImage:
        return self.colors.rgb(self.stored.samples(data, rows))


def _deep_chunks(layout: _Layout, stored: _DeepByPillow | _DeepPng) -> RowChunks:
    first = stored.samples(layout.rows.read(0, 0, 1), 1)

    def strips() -> Iterator[NDArray[Any]]:
        height, step = layout.size_px[1], layout.part_rows
        for top in range(0, height, step):
            rows = min(step, height - top)
            tell_progress(top / height)
            try:
                yield stored.samples(layout.rows.read(0, top, rows), rows)
            except ChunkError:
                return  # the rest is lost, which its tiles say

    colors = deep_colors(strips(), first.dtype, first.shape[2])
    return RowChunks(layout, _Deep(stored, colors), colors)
