"""Fetches all directories of a TIFF before a parser asks for them one by one.

Each round fetches at once what the round before has shown to be needed: the values of one directory
come with the directory after it. So a file with its directories in one place takes two or three
rounds, and one with scattered directories as many as it has directories, and two more.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from viewer.slides.tiff_words import ITEM_BYTES, LONG_NDPI_BYTES, tiff_words

if TYPE_CHECKING:
    from viewer.slides.remote.ranged import RangedBytes, Run
    from viewer.slides.tiff_words import TiffWords

_NEAR_BYTES = 1 << 16
"""Fetched with a directory: what it refers to and the next one often lie right behind it."""
_MOST_DIRECTORIES = 1000
_MOST_TAGS = 4096
_MOST_VALUE_BYTES = 32 << 20
_MOST_ALL_BYTES = 128 << 20
_SUBDIRECTORIES = 330


def fetch_directories(ranges: RangedBytes) -> None:
    """Have the directories of a TIFF and the values of their tags at hand; of others nothing.

    Nothing of the file is trusted: what is no directory is passed over. Raises RangesError.
    """
    head = ranges.read(0, 16)
    words = tiff_words(head, is_long_ndpi=ranges.size_bytes >= LONG_NDPI_BYTES)
    if words is None or len(head) < 16:
        return
    _Walk(ranges, words).run(struct.unpack_from(words.next, head, words.first_at)[0])


class _Walk:
    """Through the chain of directories and those within them, a round at a time."""

    def __init__(self, ranges: RangedBytes, words: TiffWords) -> None:
        self._ranges = ranges
        self._words = words
        self._entry = struct.Struct(f"{words.entry}{struct.calcsize(words.word)}s")
        self._seen: set[int] = set()
        self._directories: list[int] = []
        self._values: list[Run] = []
        self._lists: list[tuple[int, int, int]] = []
        """Lists of directories within a directory: offset, number, bytes each."""
        self._left_bytes = _MOST_ALL_BYTES

    def run(self, first: int) -> None:
        """Fetch the directory at `first` and all that it leads to."""
        self._directories = [first]
        while self._directories or self._values or self._lists:
            directories = [at for at in self._directories if at and at not in self._seen]
            self._seen.update(directories)
            values, lists = self._values, self._lists
            self._directories, self._values, self._lists = [], [], []
            wanted = [(at, _NEAR_BYTES) for at in directories] + values
            wanted += [(at, count * size) for at, count, size in lists]
            self._ranges.expect(wanted)
            for at, count, size in lists:
                self._directories += self._numbers(self._ranges.read(at, count * size), size)
            # A directory that is at hand already costs no round.
            self._take(directories)

    def _take(self, directories: list[int]) -> None:
        waiting = directories
        while waiting:
            for at in waiting:
                self._directory(at)
            waiting = [
                at
                for at in self._directories
                if at and at not in self._seen and self._ranges.has([(at, _NEAR_BYTES)])
            ]
            self._seen.update(waiting)
            if len(self._seen) > _MOST_DIRECTORIES:
                self._directories.clear()
                return

    def _directory(self, at: int) -> None:
        words = self._words
        head = struct.calcsize(words.entry_count)
        data = self._ranges.read(at, head)
        if len(data) < head:
            return
        (count,) = struct.unpack(words.entry_count, data)
        if count > _MOST_TAGS:
            return
        size = count * self._entry.size
        block = self._ranges.read(at + head, size + struct.calcsize(words.next))
        if len(block) < size:
            return
        for start in range(0, size, self._entry.size):
            self._tag(*self._entry.unpack_from(block, start))
        if len(block) >= size + struct.calcsize(words.next):
            self._directories.append(struct.unpack_from(words.next, block, size)[0])

    def _tag(self, code: int, kind: int, count: int, inline: bytes) -> None:
        each = ITEM_BYTES.get(kind, 1)
        size = count * each
        if size <= len(inline):
            if code == _SUBDIRECTORIES:
                self._directories += self._numbers(inline[:size], each)
            return
        (offset,) = struct.unpack(self._words.word, inline)
        if size > min(_MOST_VALUE_BYTES, self._left_bytes):
            return
        self._left_bytes -= size
        if code == _SUBDIRECTORIES:
            self._lists.append((offset, count, each))
        else:
            self._values.append((offset, size))

    def _numbers(self, data: bytes, size: int) -> list[int]:
        order = "little" if self._words.order == "<" else "big"
        starts = range(0, min(len(data), _MOST_DIRECTORIES * size), size)
        return [int.from_bytes(data[start : start + size], order) for start in starts]
