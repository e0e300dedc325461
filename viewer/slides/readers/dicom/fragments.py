"""Frames of DICOM that are stored in several fragments, which wsidicom takes for one."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from collections.abc import Callable

_HEADER = struct.Struct("<HHI")
_ITEM = (0xFFFE, 0xE000)


def frame_data(reader: Any, number: int) -> bytes:
    """Return the code of a frame of a file of wsidicom, without the headers of its fragments.

    wsidicom lets a frame reach to the next one, headers and all, and the last one end with its
    first fragment. Decoders take such a header for code, and may show other pixels.

    Parameters
    ----------
    number
        Of the frame, counted from 0 over all files of its level.

    Raises
    ------
    ChunkError
        What should be a fragment is none.
    """
    frames, index = reader.frame_index, number - reader.frame_offset
    start, length = (int(each) for each in frames[index])
    is_last = index == len(frames) - 1
    stream = reader._stream

    def read(at: int, size: int) -> bytes:
        with stream.exclusive():
            stream.seek(at, 0)
            return bytes(stream.read(size))

    return _joined(read, start - _HEADER.size, None if is_last else start + length)


def _joined(read: Callable[[int, int], bytes], at: int, end: int | None) -> bytes:
    """Return the fragments from a place on; without an end up to what is no fragment."""
    parts: list[bytes] = []
    while end is None or at < end:
        header = read(at, _HEADER.size)
        group, element, size = _HEADER.unpack(header.ljust(_HEADER.size, b"\0"))
        if (group, element) != _ITEM:
            if end is None and parts:
                break
            raise ChunkError("its data is damaged (it is no fragment of a frame)")
        parts.append(read(at + _HEADER.size, size))
        if len(parts[-1]) < size:
            raise ChunkError("its data is cut short")
        at += _HEADER.size + size
    return b"".join(parts)
