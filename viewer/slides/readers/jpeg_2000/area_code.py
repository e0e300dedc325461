"""A JPEG 2000 of which areas are decoded: what its header says of them, and the areas themselves.

It is a file of its own, or a tile of a TIFF, with boxes around the code or without.
"""

from __future__ import annotations

import io
import struct
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from viewer.limits import TILE_BYTES
from viewer.slides.read_at_file import ReadAtFile
from viewer.slides.readers.jpeg_2000.areas import (
    AreaDecoder,
    can_decode_areas,
    sample_type,
)
from viewer.slides.readers.jpeg_2000.code import CodePlace, tile_bytes
from viewer.slides.readers.jpeg_2000.colors import (
    SIZE_MARKER,
    Jpeg2000Channels,
    boxes,
    channels_in,
    color_space_in,
    depths_of_code,
)
from viewer.slides.readers.large_chunks import large_chunks
from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from viewer.slides.readers.jpeg_2000.palette import Palette

_READ_SPACES = (None, 16, 17)
"""Enumerated colors of the box "colr": none, sRGB and gray."""

_MOST_BITS, _MOST_SAMPLES = 16, 4
_COMPONENTS_AT = 40
_SAMPLE_BYTES = 4
"""While it is decoded."""


class AreaCode(msgspec.Struct, frozen=True, eq=False):
    """A code, and what its marker SIZ says; two are never the same.

    Attributes
    ----------
    corner, end
        Of the image, in the coordinates of the code.
    tile_bytes
        What decoding takes beside the pixels: the largest tile's code, and the list of its blocks.
    samples, bits, is_signed
        Of a pixel as it is shown, of each of them, and whether they may be below 0.
    """

    place: CodePlace
    corner: tuple[int, int]
    end: tuple[int, int]
    is_one_tile: bool
    tile_bytes: int
    samples: int
    bits: int
    is_signed: bool
    channels: Jpeg2000Channels | None
    palette: Palette | None

    @property
    def dtype(self) -> np.dtype[Any]:
        return sample_type(self.bits, is_signed=self.is_signed)

    @property
    def all_values(self) -> tuple[float, float]:
        """Return the least and the most that a sample may be."""
        values, least = 1 << self.bits, -(1 << (self.bits - 1)) if self.is_signed else 0
        return float(least), float(least + values - 1)

    @property
    def is_stretched(self) -> bool:
        """Return whether its samples are not shown as they are, but in a range of theirs."""
        return self.bits > 8 or self.is_signed

    def sides(self, reduction: int = 0) -> tuple[int, int]:
        """Return width and height with both sides halved so many times."""
        pairs = zip(self.corner, self.end, strict=True)
        across, down = (-(-end >> reduction) + (-first >> reduction) for first, end in pairs)
        return across, down

    def is_reduced(self, times: int) -> bool:
        """Return whether its wavelets halve it so often, to colors that memory has room for."""
        if self.palette is not None:
            return False  # the means of a palette's entries are none of its colors
        if self._taken_bytes((0, 0, *self.sides()), times) > TILE_BYTES.most:
            return False
        try:
            AreaDecoder(self.place, times)
        except ChunkError:
            return False
        return True

    def read(self, left: int, top: int, width: int, height: int) -> NDArray[Any]:
        """Return an area within the image, (height, width, samples), the colors first.

        Raises
        ------
        ChunkError
            It cannot be decoded.
        """
        return self._decoded((left, top, width, height), 0)

    def reduced(self, times: int) -> NDArray[Any]:
        """Return all of it with both sides halved so many times. Raises ChunkError."""
        return self._decoded((0, 0, *self.sides()), times)

    def _decoded(self, area: tuple[int, int, int, int], reduction: int) -> NDArray[Any]:
        large, key = large_chunks(), (self, reduction)
        opened = partial(AreaDecoder, self.place, reduction)
        # The list of blocks of a tile is kept, as it takes a second to make it anew.
        with large.chunk(key, self._taken_bytes(area, reduction), opened) as decoder:
            assert decoder is not None
            samples = decoder.read(*area)
            if reduction or not self.is_one_tile:
                large.held.drop(key)
        if self.palette is not None:
            samples = self.palette.colors(samples)
        channels = self.channels
        return samples[..., channels.order] if channels and channels.order else samples

    def _taken_bytes(self, area: tuple[int, int, int, int], reduction: int) -> int:
        pixels = area[2] * area[3] >> 2 * reduction
        return self.tile_bytes + pixels * self.samples * _SAMPLE_BYTES


def area_code(place: CodePlace) -> AreaCode | None:
    """Return a JPEG 2000 by areas; None where it is of a kind that is not read so.

    Those are components of several sizes or depths, those of which some but not all are entries of
    a palette, and entries below 0.

    Raises
    ------
    ChunkError
        It is damaged, or divided too finely.
    """
    if not can_decode_areas():
        return None
    place, channels, space = _unboxed(place)
    head = place.read(0, _COMPONENTS_AT + 2 + 3 * _MOST_SAMPLES)
    samples = int.from_bytes(head[_COMPONENTS_AT : _COMPONENTS_AT + 2], "big")
    head = head[: _COMPONENTS_AT + 2 + 3 * samples]
    depths = depths_of_code(head)
    # Behind the bits of each stand its steps across and down.
    steps = {*head[_COMPONENTS_AT + 3 :: 3], *head[_COMPONENTS_AT + 4 :: 3]}
    is_read = 0 < samples <= _MOST_SAMPLES and steps == {1} and depths.is_uniform
    if not is_read or space not in _READ_SPACES or depths.most > _MOST_BITS:
        return None
    palette, bits = None, depths.most
    if channels is not None and channels.palette is not None:
        if depths.is_signed:
            return None
        palette = channels.palette.usable(samples)
        if palette is None:
            return None
        samples, bits = len(palette.channels), palette.bits
    if channels is not None and channels.order and sorted(channels.order) != [*range(samples)]:
        return None
    right, bottom, left, top, width, height, x, y = struct.unpack_from(">8I", head, 8)
    is_one_tile = x + width >= right and y + height >= bottom
    corners = (left, top), (right, bottom)
    return AreaCode(
        place, *corners, is_one_tile, tile_bytes(place), samples, bits, depths.is_signed, channels,
        palette,
    )  # fmt: skip


def _unboxed(place: CodePlace) -> tuple[CodePlace, Jpeg2000Channels | None, int | None]:
    """Return where the code itself lies, and what boxes around it say of channels and colors."""
    if place.read(0, len(SIZE_MARKER)) == SIZE_MARKER:
        return place, None, None
    file = io.BufferedReader(ReadAtFile(place.read, place.size))
    found = (ends for kind, *ends in boxes(file, 0, place.size) if kind == b"jp2c")
    start, stop = next(found, (0, place.size))
    code = CodePlace(place.file, place.offset + start, stop - start)
    return code, channels_in(file), color_space_in(file)
