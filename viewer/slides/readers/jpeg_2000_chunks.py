"""JPEG 2000 pictures too large for memory, in squares that are decoded each for itself."""

from __future__ import annotations

import itertools
import struct
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from viewer.limits import TILE_BYTES, open_regular
from viewer.progress import tell_progress
from viewer.slides.readers.image_chunks import deep_colors
from viewer.slides.readers.jpeg_2000 import (
    Jpeg2000Channels,
    boxes,
    depths_of_code,
    jpeg2000_channels,
    jpeg2000_space,
)
from viewer.slides.readers.jpeg_2000_areas import AreaDecoder, CodePlace, can_decode_areas
from viewer.slides.readers.jpeg_2000_code import check_divisions
from viewer.slides.readers.jpeg_2000_palette import Palette, jpeg_2000_palette
from viewer.slides.readers.shared_file import shared_file
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.tiff.overview import StripOverview, factor_of
from viewer.slides.readers.turning import UPRIGHT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage

_CHUNK_PX, _OVERVIEW_CHUNK_PX = 1024, 512
_READ_SPACES = (None, 16, 17)
"""Enumerated colors of the box "colr": none, sRGB and gray."""

_MOST_BITS, _MOST_SAMPLES = 16, 4
_COMPONENTS_AT = 40


class _Code(NamedTuple):
    """A code, and what its marker SIZ says.

    Attributes
    ----------
    corner, end
        Of the image, in the coordinates of the code.
    samples, bits
        Of a pixel as it is shown, and of each of them.
    """

    place: CodePlace
    corner: tuple[int, int]
    end: tuple[int, int]
    is_one_tile: bool
    samples: int
    bits: int
    channels: Jpeg2000Channels | None
    palette: Palette | None

    def sides(self, reduction: int = 0) -> tuple[int, int]:
        """Return width and height with both sides halved so many times."""
        pairs = zip(self.corner, self.end, strict=True)
        across, down = (-(-end >> reduction) + (-first >> reduction) for first, end in pairs)
        return across, down


def area_chunks(path: Path) -> AreaChunks | None:
    """Return a JPEG 2000 by areas; None where it is of a kind that is not read so.

    Those are components of several sizes or depths or with numbers below 0, of which some but not
    all are entries of a palette, and a tile whose code memory has no room for.

    Raises
    ------
    OSError
        It cannot be read.
    ChunkError
        It is damaged, or divided too finely.
    """
    if not can_decode_areas() or jpeg2000_space(path) not in _READ_SPACES:
        return None
    with open_regular(path) as file:
        end = file.seek(0, 2)
        found = (place for kind, *place in boxes(file, 0, end) if kind == b"jp2c")
        start, stop = next(found, (0, end))
        file.seek(start)
        data = file.read(stop - start)
    samples = int.from_bytes(data[_COMPONENTS_AT : _COMPONENTS_AT + 2], "big")
    head = data[: _COMPONENTS_AT + 2 + 3 * samples]
    depths = depths_of_code(head)
    # Behind the bits of each stand its steps across and down.
    steps = {*head[_COMPONENTS_AT + 3 :: 3], *head[_COMPONENTS_AT + 4 :: 3]}
    is_read = 0 < samples <= _MOST_SAMPLES and steps == {1} and len(set(depths.bits)) == 1
    if not is_read or depths.is_signed or depths.most > _MOST_BITS:
        return None
    channels, palette, bits = jpeg2000_channels(path), None, depths.most
    if channels is not None and channels.palette_bits:
        palette = jpeg_2000_palette(path, samples)
        if palette is None:
            return None
        samples, bits = len(palette.channels), palette.bits
    if channels is not None and channels.order and sorted(channels.order) != [*range(samples)]:
        return None
    taken = check_divisions(data)
    right, bottom, left, top, width, height, tile_left, tile_top = struct.unpack_from(
        ">8I", head, 8
    )
    is_one_tile = tile_left + width >= right and tile_top + height >= bottom
    if is_one_tile and taken + len(data) > TILE_BYTES.most:
        return None
    place = CodePlace(shared_file(path), start, len(data))
    image = (left, top), (right, bottom)
    return AreaChunks(_Code(place, *image, is_one_tile, samples, bits, channels, palette))


class AreaChunks:
    """A picture in squares; fulfils `RgbChunks`.

    Attributes
    ----------
    range
        What is shown as black and white, where that is not all that the bits allow.
    is_range_of_reduced
        Whether a smaller size was looked through for it, which has less of both.
    """

    way = "by areas"
    is_large = True
    parts_per_chunk = 1

    def __init__(self, code: _Code) -> None:
        self._code = code
        self._decoder: AreaDecoder | None = None
        self._lock = threading.Lock()
        self.width_px, self.height_px = code.sides()
        self.chunk_width_px = self.chunk_height_px = _CHUNK_PX
        self.columns, self.rows = -(-self.width_px // _CHUNK_PX), -(-self.height_px // _CHUNK_PX)
        self.orientation = UPRIGHT
        AreaDecoder(code.place)  # which says whether its header is damaged
        self._reduction = factor_of(self).bit_length() - 1
        # The means of a palette's entries are none of its colors.
        self._has_reduced = code.palette is None and _is_reduced(code.place, self._reduction)
        self._deep = self.reduced() if code.bits > 8 and self._has_reduced else None
        dtype = np.dtype(np.uint8 if code.bits <= 8 else np.uint16)
        self._colors = deep_colors(self._seen(), dtype, code.samples, code.bits, code.channels)
        self.range = self._colors.range
        is_all = self.range == (0.0, float((1 << code.bits) - 1))
        self.is_range_of_reduced = self._deep is not None and not is_all

    def read_rgb(self, column: int, row: int) -> RgbImage:
        """Return a square, uint8 (height, width, 3), opacity over white. Raises ChunkError."""
        return self.rgb(self._square(column, row))

    def _seen(self) -> Iterator[NDArray[Any]]:
        """Yield what is looked through for the darkest and the brightest value."""
        if self._deep is not None:
            yield self._deep
        elif self._code.bits > 8:
            for row, column in itertools.product(range(self.rows), range(self.columns)):
                tell_progress(row / self.rows)
                yield self._square(column, row)

    def _square(self, column: int, row: int) -> NDArray[Any]:
        left, top = column * _CHUNK_PX, row * _CHUNK_PX
        width, height = min(_CHUNK_PX, self.width_px - left), min(_CHUNK_PX, self.height_px - top)
        with self._lock:
            # The list of blocks of a tile is kept, as it takes a second to make it anew.
            decoder, self._decoder = self._decoder or AreaDecoder(self._code.place), None
            samples = decoder.read(left, top, width, height)
            if self._code.is_one_tile:
                self._decoder = decoder
        return self._in_order(samples)

    def _in_order(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Return samples with the colors first, whatever the order of the code's components."""
        channels, palette = self._code.channels, self._code.palette
        if palette is not None:
            samples = palette.colors(samples)
        return samples[..., channels.order] if channels and channels.order else samples

    def rgb(self, samples: NDArray[Any]) -> RgbImage:
        """Return samples as they are shown."""
        return self._colors.rgb(samples)

    def reduced(self) -> NDArray[Any]:
        """Return all of it in the size of the overview. Raises ChunkError."""
        with self._lock:
            self._decoder = None  # memory has room for one
            decoder = AreaDecoder(self._code.place, self._reduction)
            return self._in_order(decoder.read(0, 0, self.width_px, self.height_px))

    def overview(self) -> _Reduced | StripOverview:
        """Return a reduced level, which is made when it is first read."""
        if not self._has_reduced:
            return StripOverview(self)
        return _Reduced(self, self._code.sides(self._reduction), self._deep)


def _is_reduced(place: CodePlace, times: int) -> bool:
    """Return whether its wavelets halve it so often."""
    try:
        AreaDecoder(place, times)
    except ChunkError:
        return False
    return True


class _Reduced:
    """The picture as its wavelets reduce it, decoded at once; fulfils `RgbChunks`."""

    parts_per_chunk = 1

    def __init__(
        self, picture: AreaChunks, size_px: tuple[int, int], samples: NDArray[Any] | None
    ) -> None:
        self._picture = picture
        self._samples = samples
        self._why = ""
        self._lock = threading.Lock()
        self.width_px, self.height_px = size_px
        self.chunk_width_px = self.chunk_height_px = _OVERVIEW_CHUNK_PX

    def read_rgb(self, column: int, row: int) -> RgbImage:
        """Return a square, uint8 (height, width, 3). Raises ChunkError."""
        with self._lock:
            if self._why:
                raise ChunkError(self._why)
            if self._samples is None:
                try:
                    self._samples = self._picture.reduced()
                except ChunkError as error:
                    self._why = str(error)
                    raise
        left, top, side = column * _OVERVIEW_CHUNK_PX, row * _OVERVIEW_CHUNK_PX, _OVERVIEW_CHUNK_PX
        return self._picture.rgb(self._samples[top : top + side, left : left + side])
