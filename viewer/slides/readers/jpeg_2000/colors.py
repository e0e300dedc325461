"""What a JPEG 2000 file says of its colors beside the code: bits, channels, palette, profile."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec
from PIL import Image

from viewer.limits import open_regular
from viewer.slides.errors import UnsupportedSlideError
from viewer.slides.readers.jpeg_2000.palette import (
    MOST_ENTRIES_BYTES,
    MOST_PLACES_BYTES,
    StoredPalette,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

_FORMAT = "JPEG2000"
"""As Pillow calls it."""
SIZE_MARKER = b"\xff\x4f\xff\x51"
_COMPONENTS_AT, _BITS_AT = 40, 42
_COMPONENT_BYTES = 3
_MOST_COMPONENTS = 16
_MOST_BOXES = 1000
_MOST_PROFILE_BYTES = 64 << 20
_ENUMERATED = 1
_PROFILE_METHODS = (2, 3)
"""Of the box "colr": a restricted and a full ICC profile."""

MOST_BITS = 23
"""Of a sample: OpenJPEG, by which most files are written, loses the highest bits of more than 24,
and its color transform needs one of them."""

_SPACES = {
    1: "YCbCr of BT.709",
    3: "YCbCr of BT.601 with 625 lines",
    4: "YCbCr of BT.601 with 525 lines",
    9: "PhotoYCC",
    11: "CMY",
    13: "YCCK",
    14: "CIE L*a*b*",
    19: "CIEJab",
    20: "e-sRGB",
    21: "ROMM RGB",
    22: "YPbPr",
    23: "YPbPr",
    24: "e-sYCC",
}
"""Enumerated color spaces of the box "colr" that are not read, by their numbers."""

_COLOR, _PREMULTIPLIED = 0, 2
_OPACITIES = (1, _PREMULTIPLIED)
"""Kinds of channels in the box "cdef"."""


class Jpeg2000Channels(msgspec.Struct, frozen=True):
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
    palette
        Of which the colors are, where they are those of one.
    order
        Which components of the code they are, the colors first.
    """

    count: int
    colors: int
    alpha: int | None
    is_premultiplied: bool
    palette: StoredPalette | None = None
    order: tuple[int, ...] = ()

    @property
    def palette_bits(self) -> int:
        """Return the bits of a sample, where the colors are those of a palette; else 0."""
        return self.palette.bits if self.palette is not None else 0


class Jpeg2000Depths(msgspec.Struct, frozen=True):
    """How deep the components of a codestream are, by its marker SIZ.

    Attributes
    ----------
    bits
        Of a sample of each component; empty where the marker is missing.
    is_signed
        Whether any component holds numbers below 0.
    is_uniform
        Whether all components are alike in both.
    """

    bits: tuple[int, ...]
    is_signed: bool
    is_uniform: bool = False

    @property
    def common(self) -> int:
        """Return the bits of a sample.

        8 where components differ, since decoders scale them to that.
        """
        return self.bits[0] if len(set(self.bits)) == 1 else 8

    @property
    def most(self) -> int:
        return max(self.bits, default=8)


def jpeg2000_depths(path: Path) -> Jpeg2000Depths:
    """Return how deep the components of a JPEG 2000 file are. Raises OSError."""
    with open_regular(path) as file:
        end = file.seek(0, 2)
        code = (start for kind, start, _ in boxes(file, 0, end) if kind == b"jp2c")
        file.seek(next(code, 0))  # without boxes the file is the code
        return depths_of_code(file.read(_BITS_AT + _COMPONENT_BYTES * _MOST_COMPONENTS))


def depths_of_code(head: bytes) -> Jpeg2000Depths:
    """Return how deep the components of a codestream are that begins with `head`."""
    if not head.startswith(SIZE_MARKER) or len(head) <= _BITS_AT:
        return Jpeg2000Depths((), False)
    count = int.from_bytes(head[_COMPONENTS_AT:_BITS_AT], "big")
    codes = head[_BITS_AT::_COMPONENT_BYTES][:count]
    return Jpeg2000Depths(
        tuple((code & 0x7F) + 1 for code in codes),
        any(code & 0x80 for code in codes),
        len({*codes}) == 1,
    )


def _unread_color_space(path: Path) -> str:
    """Return the name of the colors of a JP2 that decoding would not turn into RGB; "" for none.

    Of several boxes that tell the colors any that is read will do. Raises OSError.
    """
    found = ""
    for method, body in _color_boxes(path, 7):
        if method != _ENUMERATED or len(body) < 4:
            return ""
        space = int.from_bytes(body[:4], "big")
        if space not in _SPACES:
            return ""
        found = found or _SPACES[space]
    return found


def color_space_in(file: BinaryIO) -> int | None:
    """Return the number by which a JP2 names its colors first; None without. Raises OSError."""
    for method, body in _color_boxes_in(file, 7):
        return int.from_bytes(body[:4], "big") if method == _ENUMERATED else None
    return None


def jpeg2000_channels(path: Path) -> Jpeg2000Channels | None:
    """Return what the header of a JP2 says of its channels; None where it says nothing of them.

    It does where some are opacity, or stand in another order than red, green, blue, or are colors
    of a palette. Raises OSError.
    """
    with open_regular(path) as file:
        return channels_in(file)


def channels_in(file: BinaryIO) -> Jpeg2000Channels | None:
    """Return the channels of a JP2 that is open, as `jpeg2000_channels`. Raises OSError."""
    kinds: list[tuple[int, int, int]] = []
    entries = places = b""
    for kind, size_bytes in header_boxes(file):
        if kind == b"cdef":
            count = int.from_bytes(file.read(2), "big")
            data = file.read(min(6 * count, max(size_bytes - 2, 0), 6 * _MOST_COMPONENTS))
            kinds = [*struct.iter_unpack(">HHH", data[: len(data) // 6 * 6])]
        elif kind == b"pclr":
            entries = file.read(min(size_bytes, MOST_ENTRIES_BYTES))
        elif kind == b"cmap":
            places = file.read(min(size_bytes, MOST_PLACES_BYTES))
    palette = StoredPalette(entries, places) if entries else None
    if not kinds:
        columns = palette.columns if palette is not None else 0
        return Jpeg2000Channels(columns, columns, None, False, palette) if columns else None
    # By the color that each is, of red, green and blue; all others behind them.
    by_color = sorted(kinds, key=lambda each: each[2])
    order = [at for at, kind, _ in by_color if kind == _COLOR]
    colors = len(order)
    order += [at for at, kind, _ in kinds if kind != _COLOR]
    opacities = [(at, kind) for at, kind, _ in kinds if kind in _OPACITIES]
    # Decoding puts the colors first and in order, whatever stood in their places behind them.
    alpha = max(opacities[0][0], colors) if opacities else None
    is_premultiplied = bool(opacities) and opacities[0][1] == _PREMULTIPLIED
    return Jpeg2000Channels(len(kinds), colors, alpha, is_premultiplied, palette, tuple(order))


def jpeg2000_profile(path: Path) -> bytes | None:
    """Return the ICC profile in the header of a JP2; None where there is none. Raises OSError."""
    bodies = _color_boxes(path, _MOST_PROFILE_BYTES)
    return next((body for method, body in bodies if method in _PROFILE_METHODS), None)


def check_jpeg_2000(path: Path) -> None:
    """Refuse what decoders turn into other pixels without a word. Raises UnsupportedSlideError."""
    if (bits := jpeg2000_depths(path).most) > MOST_BITS:
        raise UnsupportedSlideError(
            path,
            f"{path.name} is a JPEG 2000 image of {bits} bits per sample, which cannot be read "
            f"(up to {MOST_BITS} can); save it with 16 bits.",
        )
    if space := _unread_color_space(path):
        raise UnsupportedSlideError(
            path,
            f"{path.name} is a JPEG 2000 image whose colors are {space}, which cannot be read; "
            "save it as sRGB.",
        )


def at_full_scale(path: Path, picture: Image.Image) -> Image.Image:
    """Return a JPEG 2000 whose components differ in depth with the largest sample of each as 255.

    Pillow shifts the bits: of a component of 1 bit, which opacity may have, 1 would be 128.
    """
    bits = jpeg2000_depths(path).bits if picture.format == _FORMAT else ()
    if len(bits) != len(picture.getbands()) or not any(each < 8 for each in bits):
        return picture
    bands = picture.split()  # a copy
    for index, each in enumerate(bits):
        if each < 8:
            most = (1 << each) - 1
            table = [(value >> (8 - each)) * 255 // most for value in range(256)]
            bands[index].paste(bands[index].point(table))
    scaled = Image.merge(picture.mode, bands)
    scaled.info = picture.info
    return scaled


def _color_boxes(path: Path, most_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield the method of each box "colr" and what follows its precedence and approximation."""
    with open_regular(path) as file:
        yield from _color_boxes_in(file, most_bytes)


def _color_boxes_in(file: BinaryIO, most_bytes: int) -> Iterator[tuple[int, bytes]]:
    for kind, size_bytes in header_boxes(file):
        head = file.read(min(3, size_bytes))
        if kind == b"colr" and len(head) == 3:
            yield head[0], file.read(min(size_bytes - 3, most_bytes))


def header_boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield kind and size of each box in the header of a JP2; the file stands at its contents."""
    end = file.seek(0, 2)
    for kind, start, stop in boxes(file, 0, end):
        if kind == b"jp2h":
            for inner, first, last in boxes(file, start, stop):
                file.seek(first)
                yield inner, last - first


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
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
