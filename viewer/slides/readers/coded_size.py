"""How many pixels a coded image says that it has, before anything is decoded."""

from __future__ import annotations

import struct

from viewer.slides.readers.jpeg_2000 import SIZE_MARKER
from viewer.slides.readers.jpeg_markers import FRAMES, JPEG_LS, markers

_SIDES_AT = 5
"""Behind the marker of a frame: its length and the bits of a sample come first."""


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
    for marker in markers(data):
        at = marker.start + _SIDES_AT
        if (marker.code in FRAMES or marker.code == JPEG_LS) and len(data) >= at + 4:
            height, width = struct.unpack_from(">2H", data, at)
            return height * width
    return None
