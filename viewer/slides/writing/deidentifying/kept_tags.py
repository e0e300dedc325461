"""Which tags of a TIFF directory hold nothing but numbers of sizes, codings and colors."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from viewer.slides.tiff_words import ITEM_BYTES

if TYPE_CHECKING:
    from tifffile import TiffPage, TiffTag

_BYTE, _SHORT, _LONG, _RATIONAL = 1, 3, 4, 5
_WHOLE = frozenset((_BYTE, _SHORT, _LONG, 16))
_SINGLE = frozenset((
    254, 256, 257, 259, 262, 266, 274, 277, 278, 284, 296, 317, 322, 323, 531, 32997,
))  # fmt: skip
_EACH_SAMPLE = frozenset((258, 338, 339))
_RESOLUTIONS, _SUBSAMPLING = frozenset((282, 283)), 530
_COLOR_MAP, _WEIGHTS, _REFERENCE = 320, 529, 532
STRUCTURE = (_SINGLE | _EACH_SAMPLE | _RESOLUTIONS) | {
    _SUBSAMPLING, _COLOR_MAP, _WEIGHTS, _REFERENCE
}  # fmt: skip
"""Tags of sizes, codings and colors."""
_PALETTE = 3
_TOLERANCE = 0.01
_LARGEST_SAMPLE = (1 << 16) - 1


def is_structure(tag: TiffTag, page: TiffPage, data: bytes, order: str) -> bool:
    """Return whether a tag is one of the structure, of as many numbers as its kind has.

    One that is longer, or of another type, could hold anything.

    Parameters
    ----------
    data
        Its bytes, in the byte order `order`.
    """
    code, kind, count = tag.code, int(tag.dtype), tag.count
    if len(data) != count * ITEM_BYTES.get(kind, 0):
        return False
    if code in _SINGLE:
        value = int.from_bytes(data, "little" if order == "<" else "big")
        return kind in _WHOLE and count == 1 and value < 1 << 32
    if code in _EACH_SAMPLE:
        return kind in (_BYTE, _SHORT) and count <= page.samplesperpixel
    if code in _RESOLUTIONS:
        return kind == _RATIONAL and count == 1
    if code == _SUBSAMPLING:
        return kind == _SHORT and count == 2
    if code == _COLOR_MAP:
        is_whole = kind == _SHORT and count == 3 << page.bitspersample
        return is_whole and page.photometric == _PALETTE
    if code == _WEIGHTS:
        return kind == _RATIONAL and count == 3 and _are_weights(data, order)
    return code == _REFERENCE and kind == _RATIONAL and count == 6 and _is_reference(data, order)


def _are_weights(data: bytes, order: str) -> bool:
    """Return whether three fractions are the shares of red, green and blue in gray."""
    values = struct.unpack(order + "6I", data)
    if not all(values[1::2]):
        return False
    shares = [over / under for over, under in zip(values[::2], values[1::2], strict=True)]
    return all(0 < each < 1 for each in shares) and abs(sum(shares) - 1) < _TOLERANCE


def _is_reference(data: bytes, order: str) -> bool:
    """Return whether six fractions are samples: whole numbers."""
    values = struct.unpack(order + "12I", data)
    is_whole = all(each == 1 for each in values[1::2])
    return is_whole and all(each <= _LARGEST_SAMPLE for each in values[::2])


def are_places(low: bytes, order: str, size_bytes: int) -> bool:
    """Return whether numbers are places in coded data of `size_bytes`, each behind the one before.

    Of data of more than 4 GB they are the lower halves, which begin anew.
    """
    places = np.frombuffer(low, order + "u4").astype(np.int64)
    steps = np.diff(places)
    is_within = size_bytes > 1 << 32 or bool((places < size_bytes).all())
    rounds = size_bytes >> 32
    return bool(is_within and len(places) and int((steps <= 0).sum()) <= rounds)


def are_upper_halves(high: bytes, order: str, size_bytes: int) -> bool:
    """Return whether numbers are the upper halves of places in coded data of `size_bytes`."""
    halves = np.frombuffer(high, order + "u4").astype(np.int64)
    return bool(len(halves) and (np.diff(halves) >= 0).all() and halves[-1] <= size_bytes >> 32)
