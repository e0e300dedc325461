"""What a JPEG 2000 file says of its colors beside the code: bits, channels, palette, profile."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

_SIZE_MARKER = b"\xff\x4f\xff\x51"
_COMPONENTS_AT, _BITS_AT = 40, 42
_COMPONENT_BYTES = 3
_MOST_COMPONENTS = 16
_MOST_BOXES = 1000
_MOST_PROFILE_BYTES = 64 << 20
_PROFILE_METHODS = (2, 3)
"""Of the box "colr": a restricted and a full ICC profile."""


_COLOR, _PREMULTIPLIED = 0, 2
_OPACITIES = (1, _PREMULTIPLIED)
"""Kinds of channels in the box "cdef"."""


@dataclass(frozen=True, slots=True)
class Jpeg2000Channels:
    """What the channels are that decoding gives, in the file's own words.

    Attributes
    ----------
    count
        Of channels.
    colors
        How many of them, the first, are colors.
    alpha
        The index of the one that holds opacity, if one does.
    is_premultiplied
        Whether colors are stored multiplied by opacity.
    palette_bits
        Of a sample, where the colors are those of a palette; else 0.
    """

    count: int
    colors: int
    alpha: int | None
    is_premultiplied: bool
    palette_bits: int = 0


def jpeg2000_bits(path: Path) -> int:
    """Return the bits of a sample, by the codestream's marker SIZ. Raises OSError.

    8 where components differ, since decoders scale them to that.
    """
    with path.open("rb") as file:
        end = file.seek(0, 2)
        code = (start for kind, start, _ in _boxes(file, 0, end) if kind == b"jp2c")
        file.seek(next(code, 0))  # without boxes the file is the code
        head = file.read(_BITS_AT + _COMPONENT_BYTES * _MOST_COMPONENTS)
    if not head.startswith(_SIZE_MARKER) or len(head) <= _BITS_AT:
        return 8
    count = int.from_bytes(head[_COMPONENTS_AT:_BITS_AT], "big")
    depths = {(code & 0x7F) + 1 for code in head[_BITS_AT::_COMPONENT_BYTES][:count]}
    return depths.pop() if len(depths) == 1 else 8


def jpeg2000_channels(path: Path) -> Jpeg2000Channels | None:
    """Return what the header of a JP2 says of its channels; None where it says nothing of them.

    It does where some are opacity, or stand in another order than red, green, blue, or are colors
    of a palette. Raises OSError.
    """
    kinds: list[tuple[int, int, int]] = []
    columns = palette_bits = 0
    with path.open("rb") as file:
        for kind, size_bytes in _header_boxes(file):
            if kind == b"cdef":
                count = int.from_bytes(file.read(2), "big")
                data = file.read(min(6 * count, max(size_bytes - 2, 0), 6 * _MOST_COMPONENTS))
                kinds = [*struct.iter_unpack(">HHH", data[: len(data) // 6 * 6])]
            elif kind == b"pclr":
                columns, code = file.read(4).ljust(4, b"\0")[2:]
                palette_bits = (code & 0x7F) + 1
    if not kinds:
        palette = Jpeg2000Channels(columns, columns, None, False, palette_bits)
        return palette if columns else None
    colors = sum(kind == _COLOR for _, kind, _ in kinds)
    opacities = [(at, kind) for at, kind, _ in kinds if kind in _OPACITIES]
    # Decoding puts the colors first and in order, whatever stood in their places behind them.
    alpha = max(opacities[0][0], colors) if opacities else None
    is_premultiplied = bool(opacities) and opacities[0][1] == _PREMULTIPLIED
    return Jpeg2000Channels(len(kinds), colors, alpha, is_premultiplied, palette_bits)


def jpeg2000_profile(path: Path) -> bytes | None:
    """Return the ICC profile in the header of a JP2; None where there is none. Raises OSError."""
    with path.open("rb") as file:
        for kind, size_bytes in _header_boxes(file):
            if kind == b"colr" and file.read(3)[:1] in map(_byte, _PROFILE_METHODS):
                return file.read(min(size_bytes - 3, _MOST_PROFILE_BYTES))
    return None


def _byte(number: int) -> bytes:
    return bytes((number,))


def _header_boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield kind and size of each box in the header of a JP2; the file stands at its contents."""
    end = file.seek(0, 2)
    for kind, start, stop in _boxes(file, 0, end):
        if kind == b"jp2h":
            for inner, first, last in _boxes(file, start, stop):
                file.seek(first)
                yield inner, last - first


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
