"""LZW, Deflate and Zstandard streams: where their pixels end, and what stands behind that."""

from __future__ import annotations

import zlib

import imagecodecs

from viewer.slides.writing.jpeg_streams import StreamError

_LZW_END_BYTES = 4
"""More than what the end of an LZW stream takes: its mark, and bits that fill up the byte."""
_FRAME = b"\x28\xb5\x2f\xfd"
_DICTIONARY_BYTES = (0, 1, 2, 4)
_SIZE_BYTES = (0, 2, 4, 8)
_RUN = 1
_READ_BYTES, _UNPACKED_BYTES = 1 << 16, 1 << 20


def without_rest_of_lzw(data: bytes, size: int) -> bytes:
    """Return an LZW stream of up to `size` bytes with nothing behind it.

    It is the same object where nothing is. Raises StreamError where it cannot be decoded.
    """
    try:
        # No more than this is unpacked, whatever the stream holds.
        pixels = imagecodecs.lzw_decode(data, out=size)
        if imagecodecs.lzw_decode(data[:-_LZW_END_BYTES], out=size) != pixels:
            return data  # its last bytes are needed
        return bytes(imagecodecs.lzw_encode(pixels))
    except imagecodecs.LzwError as error:
        raise StreamError("it is no LZW") from error


def without_rest_of_deflate(data: bytes, size: int) -> bytes:
    """Return a Deflate stream of up to `size` bytes with nothing behind it, nor more within it.

    It is the same object where that is all; one that is cut short is too. Raises StreamError where
    it cannot be decoded.
    """
    stream, unpacked = zlib.decompressobj(), 0
    try:
        for at in range(0, len(data), _READ_BYTES):
            part = data[at : at + _READ_BYTES]
            while True:
                block = stream.decompress(part, _UNPACKED_BYTES)
                unpacked += len(block)
                if unpacked > size:
                    return zlib.compress(zlib.decompressobj().decompress(data, size))
                if stream.eof:
                    end = min(at + _READ_BYTES, len(data)) - len(stream.unused_data)
                    return data if end == len(data) else data[:end]
                part = stream.unconsumed_tail
                if not part and len(block) < _UNPACKED_BYTES:
                    break
    except zlib.error as error:
        raise StreamError("it is no Deflate") from error
    return data


def without_rest_of_zstd(data: bytes, size: int) -> bytes:
    """Return the frames of a Zstandard stream that hold `size` bytes, the same where that is all.

    Raises StreamError where it is damaged, or a frame holds more.
    """
    end = unpacked = 0
    while unpacked < size and data[end : end + 4] == _FRAME:
        start, end = end, _end_of_frame(data, end)
        try:
            unpacked += len(imagecodecs.zstd_decode(data[start:end], out=size - unpacked))
        except imagecodecs.ZstdError as error:
            raise StreamError("it is damaged, or holds more than its pixels") from error
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
