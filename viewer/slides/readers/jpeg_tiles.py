"""Tiles of baseline JPEG, the only coding of foreign files that the window decodes itself."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import imagecodecs
import msgspec
import numpy as np

from viewer.memory.warm_memory import warm_pixels
from viewer.slides.readers.jpeg_header import is_ycbcr, joined, read_jpeg_header
from viewer.slides.readers.jpeg_markers import (
    BASELINE,
    COMMENT,
    END,
    head_of,
    is_cut_short,
    markers,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage, ScreenImage, SlideSource

_SCAN = b"\xff\xda"
_MOST_SCANS = 8
"""Of a baseline tile: one, or one a component; pictures that applications add have their own."""
_BEFORE_A_FRAME = frozenset((0xC4, 0xDB, 0xDD, *range(0xE0, 0xF0), COMMENT))
"""DHT, DQT, DRI, what applications write, and comments; the decoder may walk others otherwise."""
_SCREEN_CHANNELS = 4
_SCREEN_COLORS = int(imagecodecs.JPEG8.CS.EXT_BGRA)
_FRAME = struct.Struct(">BHHB")


class DirectTiles(msgspec.Struct, frozen=True):
    """Where the JPEG tiles of a level lie in the file, and how their colors are coded.

    Attributes
    ----------
    offsets, byte_counts
        Bytes of int64, row by row, which are not copied; a tile of no bytes is not stored.
    decoder
        Turns the bytes of a tile into pixels.
    """

    offsets: memoryview
    byte_counts: memoryview
    decoder: JpegDecoder


def as_bytes(numbers: NDArray[np.int64]) -> memoryview:
    """Return the bytes of numbers as a message takes them, of millions without a copy."""
    return np.ascontiguousarray(numbers).view(np.uint8).data


@runtime_checkable
class _HasDirectTiles(Protocol):
    @property
    def direct_tiles(self) -> list[DirectTiles | None]: ...


def stored_jpeg_tiles(source: SlideSource) -> list[DirectTiles | None]:
    """Return where the JPEG tiles of each level lie in the file; None for other levels."""
    if isinstance(source, _HasDirectTiles):
        return source.direct_tiles
    return [None] * len(source.levels)


class TilePlaces(msgspec.Struct, frozen=True):
    """Where the stored tiles or strips of a level lie in the file, whatever their coding.

    Attributes
    ----------
    width_px, height_px, columns
        Of the stored grid, which may be another than that of the level's tiles.
    offsets, byte_counts
        Bytes of int64, row by row.
    """

    width_px: int
    height_px: int
    columns: int
    offsets: memoryview
    byte_counts: memoryview


class JpegDecoder(msgspec.Struct, frozen=True):
    """Turns the bytes of a JPEG tile into uint8 (height, width, 3).

    Attributes
    ----------
    tables
        What the tiles of the level share: a JPEG without a picture, or None.
    is_rgb
        Whether the file's tags say RGB of the tiles, against YCbCr.
    goes_by_markers
        Whether the markers of a tile decide on its colors where they say anything. Otherwise only
        JFIF does, as OpenSlide has it.
    """

    tables: bytes | None
    is_rgb: bool
    goes_by_markers: bool = False

    def __call__(self, data: bytes, *, for_screen: bool = False) -> RgbImage | ScreenImage:
        """Decode a tile, in RGB or as a screen holds it, which takes as long.

        Raises any Exception on bytes that are no tile.
        """
        return self.decoded(data, is_ycbcr=self.is_ycbcr(data), for_screen=for_screen)

    def decoded(
        self, data: bytes, *, is_ycbcr: bool, for_screen: bool, out: ScreenImage | None = None
    ) -> RgbImage | ScreenImage:
        """Decode a tile of which the colors are known. Raises any Exception."""
        if is_cut_short(data):
            raise ValueError("its JPEG data is cut short")
        space = "YCBCR" if is_ycbcr else "RGB"
        return imagecodecs.jpeg8_decode(
            data,
            tables=self.tables,
            colorspace=space,
            outcolorspace=_SCREEN_COLORS if for_screen else "RGB",
            out=out,
        )

    def is_ycbcr(self, data: bytes) -> bool:
        """Return whether a tile's components are YCbCr, against RGB."""
        if self.goes_by_markers:
            header = joined(read_jpeg_header(self.tables or b""), read_jpeg_header(data))
            return is_ycbcr(header, self.is_rgb)
        # A JFIF header says YCbCr whatever the TIFF's tags claim.
        return data[6:10] == b"JFIF" or not self.is_rgb


class _Said(NamedTuple):
    """What the markers before the scan of a tile say, and all bytes that they are read from."""

    head: bytes | None
    is_plain: bool
    is_ycbcr: bool


class PlainJpegDecoder:
    """Decodes tiles of a level that are baseline JPEG of its size in few scans, and no others.

    What the markers of a tile say holds for all that begin with the same bytes, as nearly all of a
    level do: to walk them anew took a tenth of the time of a tile, with Python's lock held. May be
    called from any thread.
    """

    def __init__(self, decoder: JpegDecoder, width_px: int, height_px: int) -> None:
        self._decoder = decoder
        self._size_px = (width_px, height_px)
        self._last: _Said | None = None

    def __call__(self, data: bytes, *, for_screen: bool) -> RgbImage | ScreenImage | None:
        """Return a tile; None for one that is to be decoded elsewhere.

        Raises any Exception on bytes that are no tile.
        """
        said = self._last
        if said is None or said.head is None or not data.startswith(said.head):
            said = self._last = self._read(data)
        # Each scan is decoded over all of the tile, and a dozen bytes make one.
        if not said.is_plain or data.count(_SCAN) > _MOST_SCANS:
            return None
        width_px, height_px = self._size_px
        out = warm_pixels((height_px, width_px, _SCREEN_CHANNELS)) if for_screen else None
        return self._decoder.decoded(data, is_ycbcr=said.is_ycbcr, for_screen=for_screen, out=out)

    def _read(self, data: bytes) -> _Said:
        is_plain = is_baseline_of_size(data, *self._size_px)
        return _Said(head_of(data), is_plain, is_plain and self._decoder.is_ycbcr(data))


def is_baseline_of_size(data: bytes, width_px: int, height_px: int) -> bool:
    """Return whether a JPEG is of the baseline kind, 8-bit, three components and this size.

    Only markers are read: what this says no to (progressive, arithmetic or 12-bit coding, a size
    that is not the file's tile size, rare markers) never reaches a decoder in the window.
    """
    if data[:2] != b"\xff\xd8":
        return False
    for code, start, _ in markers(data):
        if code == BASELINE and len(data) >= start + 4 + _FRAME.size:
            return _FRAME.unpack_from(data, start + 4) == (8, height_px, width_px, 3)
        if code not in _BEFORE_A_FRAME:
            return False
    return False


def holds_no_frame(tables: bytes | None) -> bool:
    """Return whether shared tables are tables only, without a picture of their own."""
    if not tables:
        return True
    end = 2
    for marker in markers(tables):
        if marker.code == END:
            return True
        if marker.code not in _BEFORE_A_FRAME:
            return False
        end = marker.end
    return end == len(tables)
