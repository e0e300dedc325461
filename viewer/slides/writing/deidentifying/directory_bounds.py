"""How much the directories of a TIFF ask for, before a parser believes them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from viewer.limits import (
    COLOR_PROFILE_BYTES,
    TIFF_COPIED_DIRECTORIES,
    TIFF_NUMBERS_BYTES,
    TIFF_TEXT_BYTES,
    TIFF_TILES,
)
from viewer.slides.writing.tiff_output import ITEM_BYTES, SUB_DIRECTORIES

if TYPE_CHECKING:
    from viewer.limits import Limit

_LISTS = frozenset((273, 279, 324, 325, 65426, 65432))
"""A value for each tile or strip, or for each restart of the coded data."""
_TEXTS = frozenset((270, 305, 347))
_PROFILE = 34675
_NUMBERS = frozenset((
    254, 256, 257, 258, 259, 262, 266, 274, 277, 278, 282, 283, 284, 296, 317, 320, 322, 323, 338,
    339, 513, 514, 529, 530, 531, 532, 32997, 33628, 42113, 50838, 50839, *range(65420, 65426),
    *range(65433, 65460),
))  # fmt: skip
"""Tags that the parser reads as it meets them, or that a copy may hold. It looks at no others."""


class _Words(msgspec.Struct, frozen=True):
    """The words of a directory, as `struct` has them: a count, an entry's head, and an offset."""

    count: str
    entry: str
    entry_bytes: int
    offset: str


_CLASSIC = _Words("H", "HHI", 12, "I")
_NDPI = _Words("H", "HHI", 12, "Q")
_BIG = _Words("Q", "HHQ", 20, "Q")


def check_directories(file: BinaryIO, name: str, *, is_ndpi: bool) -> None:
    """Refuse a TIFF whose directories ask for more than a slide needs. What they say is not read.

    Raises
    ------
    LimitError
        There are too many directories, or a tag says that it holds too much.
    """
    size_bytes = file.seek(0, 2)
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    is_big = head[2:4] in (b"+\0", b"\0+")
    words = _BIG if is_big else _NDPI if is_ndpi else _CLASSIC
    at = 8 if is_big else 4
    waiting = [_unpacked(order + words.offset, head[at:])]
    seen: set[int] = set()
    while waiting:
        start = waiting.pop()
        if not 0 < start < size_bytes or start in seen:
            continue
        seen.add(start)
        TIFF_COPIED_DIRECTORIES.check(len(seen), name)
        following, below = _looked_at(file, name, start, order, words)
        waiting += [*below, following]


def _looked_at(
    file: BinaryIO, name: str, start: int, order: str, words: _Words
) -> tuple[int, list[int]]:
    """Return where the next directory is, and those below this one."""
    below: list[int] = []
    file.seek(start)
    count = _unpacked(order + words.count, file.read(struct.calcsize(order + words.count)))
    TIFF_NUMBERS_BYTES.check(count * words.entry_bytes, name)
    entries = file.read(count * words.entry_bytes)
    following = _unpacked(order + words.offset, file.read(8))
    for at in range(0, len(entries) - words.entry_bytes + 1, words.entry_bytes):
        code, kind, items = struct.unpack_from(order + words.entry, entries, at)
        size = items * ITEM_BYTES.get(kind, 1)
        if code == SUB_DIRECTORIES:
            TIFF_COPIED_DIRECTORIES.check(items, name)
            value = entries[at + struct.calcsize(order + words.entry) : at + words.entry_bytes]
            below += _sub_directories(file, order, kind, items, value, words)
        elif code in _LISTS:
            TIFF_TILES.check(items, name)
        elif limit := _limit_of(code):
            limit.check(size, name)
    return following, below


def _limit_of(code: int) -> Limit | None:
    if code in _NUMBERS:
        return TIFF_NUMBERS_BYTES
    if code == _PROFILE:
        return COLOR_PROFILE_BYTES
    return TIFF_TEXT_BYTES if code in _TEXTS else None


def _sub_directories(
    file: BinaryIO, order: str, kind: int, items: int, value: bytes, words: _Words
) -> list[int]:
    """Return the offsets that a tag of directories holds."""
    word = order + ("Q" if ITEM_BYTES.get(kind) == 8 else "I")
    size = items * struct.calcsize(word)
    if size > len(value):
        place = _unpacked(order + ("Q" if words is _BIG else "I"), value)
        if place >= file.seek(0, 2):
            return []
        file.seek(place)
        value = file.read(size)
    most = min(size, len(value) // struct.calcsize(word) * struct.calcsize(word))
    return [start for (start,) in struct.iter_unpack(word, value[:most])]


def _unpacked(word: str, data: bytes) -> int:
    """Return the number that data begins with; 0 where it is cut short, which ends a chain."""
    size = struct.calcsize(word)
    return int(struct.unpack(word, data[:size])[0]) if len(data) >= size else 0
