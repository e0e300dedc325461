"""How much the directories of a TIFF ask for, before a parser believes them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

from viewer.limits import (
    COLOR_PROFILE_BYTES,
    TIFF_COPIED_DIRECTORIES,
    TIFF_NUMBERS_BYTES,
    TIFF_TEXT_BYTES,
    TIFF_TILES,
)
from viewer.slides.tiff_words import ITEM_BYTES, tiff_words
from viewer.slides.writing.tiff_output import SUB_DIRECTORIES

if TYPE_CHECKING:
    from viewer.limits import Limit
    from viewer.slides.tiff_words import TiffWords

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
    words = tiff_words(head, is_long_ndpi=is_ndpi)
    if words is None:
        return
    waiting = [_unpacked(words.next, head[words.first_at :])]
    seen: set[int] = set()
    while waiting:
        start = waiting.pop()
        if not 0 < start < size_bytes or start in seen:
            continue
        seen.add(start)
        TIFF_COPIED_DIRECTORIES.check(len(seen), name)
        following, below = _looked_at(file, name, start, words)
        waiting += [*below, following]


def _looked_at(file: BinaryIO, name: str, start: int, words: TiffWords) -> tuple[int, list[int]]:
    """Return where the next directory is, and those below this one."""
    below: list[int] = []
    file.seek(start)
    count = _unpacked(words.entry_count, file.read(struct.calcsize(words.entry_count)))
    TIFF_NUMBERS_BYTES.check(count * words.entry_bytes, name)
    entries = file.read(count * words.entry_bytes)
    following = _unpacked(words.next, file.read(8))
    for at in range(0, len(entries) - words.entry_bytes + 1, words.entry_bytes):
        code, kind, items = struct.unpack_from(words.entry, entries, at)
        size = items * ITEM_BYTES.get(kind, 1)
        if code == SUB_DIRECTORIES:
            TIFF_COPIED_DIRECTORIES.check(items, name)
            value = entries[at + struct.calcsize(words.entry) : at + words.entry_bytes]
            below += _sub_directories(file, kind, items, value, words)
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
    file: BinaryIO, kind: int, items: int, value: bytes, words: TiffWords
) -> list[int]:
    """Return the offsets that a tag of directories holds."""
    word = words.order + ("Q" if ITEM_BYTES.get(kind) == 8 else "I")
    size = items * struct.calcsize(word)
    if size > len(value):
        place = _unpacked(words.word, value)
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
