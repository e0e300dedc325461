"""How many pixels a coded image says that it has, before anything is decoded."""

from __future__ import annotations

import struct

from viewer.slides.readers.jpeg_2000 import SIZE_MARKER

_NO_FRAMES = frozenset((0xC4, 0xC8, 0xCC))
_JPEG_LS_FRAME = 0xF7
_START_OF_SCAN = 0xDA
_MOST_MARKERS = 256


def coded_pixels(name: str, data: bytes) -> int | None:
    """Return the pixels of an image of the codec `name`; None of others, and where it says none.

    Known are JPEG with its lossless kinds and JPEG-LS, JPEG 2000, and PNG.
    """
    if name in ("jpeg", "ljpeg", "jpegls"):
        return _of_jpeg(data)
    if name in ("jpeg2k", "htj2k"):
        at = data.find(SIZE_MARKER)
        if at < 0 or len(data) < at + 24:
            return None
        right, bottom, left, top = struct.unpack_from(">4I", data, at + 8)
        return max(0, right - left) * max(0, bottom - top)
    if name in ("png", "spng", "apng") and data[12:16] == b"IHDR" and len(data) >= 24:
        width, height = struct.unpack_from(">2I", data, 16)
        return width * height
    return None


def _of_jpeg(data: bytes) -> int | None:
    at = 2
    for _ in range(_MOST_MARKERS):
        if len(data) < at + 9 or data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1  # filled up
            continue
        is_frame = 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES
        if is_frame or marker == _JPEG_LS_FRAME:
            height, width = struct.unpack_from(">2H", data, at + 5)
            return height * width
        if marker == _START_OF_SCAN:
            return None
        (length,) = struct.unpack_from(">H", data, at + 2)
        at += 2 + length
    return None
