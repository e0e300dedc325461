"""JPEG XL pictures: their size by the header, their samples by libjxl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import imagecodecs
import numpy as np

from viewer.limits import open_regular

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_BOX_HEADER_BYTES = 8
_LONG_BOX_HEADER_BYTES = 16
_MOST_BOXES = 64
_SIZE_BYTES = 12
"""Within which the size stands."""

_SIDE_BITS = (9, 13, 18, 30)
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height, for the numbers 1 to 7."""

NOTE = "Shown as sRGB: color profiles of JPEG XL are not read."


def jpeg_xl_size(path: Path) -> tuple[int, int] | None:
    """Return width and height of a JPEG XL picture, in pixels; None for other files.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is one, but its header is cut short.
    """
    with open_regular(path) as file:
        return jpeg_xl_size_in(file)


def jpeg_xl_size_in(file: BinaryIO) -> tuple[int, int] | None:
    """Return the same of an open file. Raises as `jpeg_xl_size`."""
    head = file.read(len(_CONTAINER))
    if head.startswith(_CODESTREAM):
        file.seek(len(_CODESTREAM))
        return _size(file.read(_SIZE_BYTES))
    if head != _CONTAINER:
        return None
    for _ in range(_MOST_BOXES):
        start = file.tell()
        header = file.read(_LONG_BOX_HEADER_BYTES)
        kind, length = header[4:8], int.from_bytes(header[:4], "big")
        begin = start + _BOX_HEADER_BYTES
        if length == 1:
            length = int.from_bytes(header[8:], "big")
            begin = start + _LONG_BOX_HEADER_BYTES
        if kind in (b"jxlc", b"jxlp"):
            # Parts of a codestream each begin with their number.
            file.seek(begin + (4 if kind == b"jxlp" else 0) + len(_CODESTREAM))
            return _size(file.read(_SIZE_BYTES))
        if length < _BOX_HEADER_BYTES:
            break
        file.seek(start + length)
    raise ValueError("its header is cut short")


def jpeg_xl_samples(path: Path) -> tuple[NDArray[Any], int]:
    """Return the first frame, (height, width, samples), upright, and the number of frames.

    Raises what libjxl raises.
    """
    with open_regular(path) as file:
        image = imagecodecs.jpegxl_decode(file.read())
    width, height = jpeg_xl_size(path) or (0, 0)
    # Alone the number of axes does not tell frames of gray from one of color.
    is_stack = image.ndim == 4 or (image.ndim == 3 and image.shape[2] > 4)
    frames = len(image) if is_stack else 1
    image = image[0] if is_stack else image
    if sorted(image.shape[:2]) != sorted((width, height)):
        raise ValueError(f"it is of the size {image.shape}, not {width} x {height}")
    return (image[..., np.newaxis] if image.ndim == 2 else image), frames


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


def _size(data: bytes) -> tuple[int, int]:
    """Return what SizeHeader says, which follows the signature of a codestream."""
    bits = _Bits(data)
    is_small = bits.take(1) == 1
    height = _side(bits, is_small)
    ratio = bits.take(3)
    if ratio == 0:
        return _side(bits, is_small), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def _side(bits: _Bits, is_small: bool) -> int:
    return 8 * (1 + bits.take(5)) if is_small else 1 + bits.take(_SIDE_BITS[bits.take(2)])
