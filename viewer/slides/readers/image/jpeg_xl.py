"""JPEG XL pictures: what their headers say, their samples by libjxl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import imagecodecs
import numpy as np

from viewer.limits import open_regular
from viewer.slides.readers.jpeg_2000.colors import boxes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_PART_NUMBER_BYTES = 4
_HEADER_BYTES = 64
"""Within which all that is read of it stands."""

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height, for the numbers 1 to 7."""

# Numbers of four kinds, told by two bits: how many bits follow, and what is added to them.
_SIDE = ((9, 1), (13, 1), (18, 1), (30, 1))
_PREVIEW_SIDE = ((6, 1), (8, 65), (10, 321), (12, 1345))
_PREVIEW_EIGHTHS = ((0, 16), (0, 32), (5, 1), (9, 33))
_TICKS, _TICK_PARTS = ((0, 100), (0, 1000), (10, 1), (30, 1)), ((0, 1), (0, 1001), (8, 1), (10, 1))
_LOOPS = ((0, 0), (3, 0), (16, 0), (32, 0))
_WHOLE_DEPTH, _FLOAT_DEPTH = ((0, 8), (0, 10), (0, 12), (6, 1)), ((0, 32), (0, 16), (0, 24), (6, 1))
_EXTRA_CHANNELS = ((0, 0), (0, 1), (4, 2), (12, 1))
_Number = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]

NOTE = "Shown as sRGB: color profiles of JPEG XL are not read."


class JpegXlHeader(NamedTuple):
    """What the headers say.

    Attributes
    ----------
    extra_channels
        Beside gray or color: opacity and others, all of which are decoded.
    sample_bits
        Of gray or color.
    """

    width_px: int
    height_px: int
    is_animation: bool
    extra_channels: int
    sample_bits: int


def jpeg_xl_header(path: Path) -> JpegXlHeader | None:
    """Return what a JPEG XL picture says of itself; None for other files.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is one, but its header is cut short.
    """
    with open_regular(path) as file:
        return jpeg_xl_header_in(file)


def jpeg_xl_header_in(file: BinaryIO) -> JpegXlHeader | None:
    """Return the same of an open file. Raises as `jpeg_xl_header`."""
    head = file.read(len(_CONTAINER))
    if head.startswith(_CODESTREAM):
        return _header(_Bits((head + file.read(_HEADER_BYTES))[len(_CODESTREAM) :]))
    if head != _CONTAINER:
        return None
    code = _code_in_boxes(file)
    if not code.startswith(_CODESTREAM):
        raise ValueError("its header is cut short")
    return _header(_Bits(code[len(_CODESTREAM) :]))


def _code_in_boxes(file: BinaryIO) -> bytes:
    """Return the beginning of the codestream, which may lie in parts as short as a byte."""
    code = b""
    for kind, start, end in boxes(file, 0, file.seek(0, 2)):
        if kind in (b"jxlc", b"jxlp") and len(code) < _HEADER_BYTES:
            start += _PART_NUMBER_BYTES if kind == b"jxlp" else 0
            file.seek(start)
            code += file.read(max(0, min(_HEADER_BYTES - len(code), end - start)))
    return code


def jpeg_xl_samples(path: Path, header: JpegXlHeader) -> NDArray[Any]:
    """Return the first frame, (height, width, samples), upright. Raises what libjxl raises.

    Opacity is the last sample of two or four. Of gray with other channels gray alone is returned.
    """
    with open_regular(path) as file:
        image = imagecodecs.jpegxl_decode(file.read(), index=0)
    sides = header.width_px, header.height_px
    if image.shape[:1] == (1 + header.extra_channels,) and sorted(image.shape[1:]) == sorted(sides):
        image = image[0].copy()  # the others, which lie behind it, would stay in memory
    if sorted(image.shape[:2]) != sorted(sides):
        raise ValueError(f"it is of the size {image.shape}, not {sides[0]} x {sides[1]}")
    return image[..., np.newaxis] if image.ndim == 2 else image


class _Bits:
    """Reads numbers from bytes, the lowest bit first."""

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")
        self._count = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._count:
            raise ValueError("its header is cut short")
        value = self._left & ((1 << count) - 1)
        self._left >>= count
        self._count -= count
        return value

    def flag(self) -> bool:
        return self.take(1) == 1

    def number(self, kinds: _Number) -> int:
        """Return a number of one of four kinds."""
        bits, added = kinds[self.take(2)]
        return self.take(bits) + added


def _header(bits: _Bits) -> JpegXlHeader:
    """Return what SizeHeader says, which follows the signature, and ImageMetadata after it."""
    width, height = _size(bits)
    if bits.flag():  # all as usual
        return JpegXlHeader(width, height, is_animation=False, extra_channels=0, sample_bits=8)
    is_animation = False
    if bits.flag():
        bits.take(3)  # how it is turned
        if bits.flag():
            _size(bits)
        if bits.flag():
            _skip_preview(bits)
        is_animation = bits.flag()
        if is_animation:
            bits.number(_TICKS)
            bits.number(_TICK_PARTS)
            bits.number(_LOOPS)
            bits.flag()
    if bits.flag():
        depth = bits.number(_FLOAT_DEPTH)
        bits.take(4)
    else:
        depth = bits.number(_WHOLE_DEPTH)
    bits.flag()  # whether 16 bits are enough to decode it
    return JpegXlHeader(width, height, is_animation, bits.number(_EXTRA_CHANNELS), depth)


def _size(bits: _Bits) -> tuple[int, int]:
    is_small = bits.flag()
    height = _side(bits, is_small)
    ratio = bits.take(3)
    if ratio == 0:
        return _side(bits, is_small), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def _side(bits: _Bits, is_small: bool) -> int:
    return 8 * (1 + bits.take(5)) if is_small else bits.number(_SIDE)


def _skip_preview(bits: _Bits) -> None:
    side = _PREVIEW_EIGHTHS if bits.flag() else _PREVIEW_SIDE
    bits.number(side)
    if bits.take(3) == 0:
        bits.number(side)
