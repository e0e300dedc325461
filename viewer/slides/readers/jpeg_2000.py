"""What a JPEG 2000 file says of its colors beside the code: bits of a sample, ICC profile."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

_SIZE_MARKER = b"\xff\x4f\xff\x51"
_BITS_AT = 42
_MOST_BOXES = 1000
_MOST_PROFILE_BYTES = 64 << 20
_PROFILE_METHODS = (2, 3)
"""Of the box "colr": a restricted and a full ICC profile."""


def jpeg2000_bits(path: Path) -> int:
    """Return the bits of the first component, by the codestream's marker SIZ. Raises OSError."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        code = (start for kind, start, _ in _boxes(file, 0, end) if kind == b"jp2c")
        file.seek(next(code, 0))  # without boxes the file is the code
        head = file.read(_BITS_AT + 1)
    is_code = head.startswith(_SIZE_MARKER) and len(head) > _BITS_AT
    return (head[_BITS_AT] & 0x7F) + 1 if is_code else 8


def jpeg2000_profile(path: Path) -> bytes | None:
    """Return the ICC profile in the header of a JP2; None where there is none. Raises OSError."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        for kind, start, stop in _boxes(file, 0, end):
            if kind != b"jp2h":
                continue
            for inner, first, last in _boxes(file, start, stop):
                file.seek(first)
                if inner == b"colr" and file.read(3)[:1] in map(_byte, _PROFILE_METHODS):
                    return file.read(min(last - first - 3, _MOST_PROFILE_BYTES))
    return None


def _byte(number: int) -> bytes:
    return bytes((number,))


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each box, and where its contents begin and end."""
    at = start
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        if at + 8 > end or len(head) < 8:
            return
        size, kind = struct.unpack_from(">I4s", head)
        length = 8
        if size == 1 and len(head) == 16:
            (size,), length = struct.unpack_from(">Q", head, 8), 16
        stop = end if size == 0 else min(at + size, end)
        if stop < at + length:
            return
        yield kind, at + length, stop
        at = stop
