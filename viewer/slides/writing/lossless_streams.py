"""LZW and Zstandard streams: where they end, and what stands behind that."""

from __future__ import annotations

import imagecodecs

from viewer.slides.writing.jpeg_streams import StreamError

_LZW_END_BYTES = 4
"""More than what the end of an LZW stream takes: its mark, and bits that fill up the byte."""
_FRAME = b"\x28\xb5\x2f\xfd"
_DICTIONARY_BYTES = (0, 1, 2, 4)
_SIZE_BYTES = (0, 2, 4, 8)
_RUN = 1


def without_rest_of_lzw(data: bytes, size: int) -> bytes:
    """Return an LZW stream of up to `size` bytes with nothing behind it.

    It is the same object where nothing is. Raises StreamError where it cannot be decoded.
    """
    try:
        pixels = imagecodecs.lzw_decode(data)[:size]
        if imagecodecs.lzw_decode(data[:-_LZW_END_BYTES])[:size] != pixels:
            return data  # its last bytes are needed
        return bytes(imagecodecs.lzw_encode(pixels))
    except imagecodecs.LzwError as error:
        raise StreamError("it is no LZW") from error


def without_rest_of_zstd(data: bytes) -> bytes:
    """Return the frames of a Zstandard stream, the same bytes where that is all of them.

    Raises StreamError where it is damaged.
    """
    end = 0
    while data[end : end + 4] == _FRAME:
        end = _end_of_frame(data, end)
    if not end:
        raise StreamError("it is no Zstandard")
    return data if end == len(data) else data[:end]


def _end_of_frame(data: bytes, start: int) -> int:
    """Return where a frame ends (RFC 8878, 3.1.1)."""
    about = data[start + 4] if start + 4 < len(data) else 0
    is_single = bool(about >> 5 & 1)
    size_bytes = _SIZE_BYTES[about >> 6] or int(is_single)
    at = start + 5 + int(not is_single) + _DICTIONARY_BYTES[about & 3] + size_bytes
    is_last = False
    while not is_last:
        block = int.from_bytes(data[at : at + 3], "little")
        is_last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
        at += 3 + (1 if kind == _RUN else size)
        if at > len(data):
            raise StreamError("it is cut short")
    return at + 4 * (about >> 2 & 1)
