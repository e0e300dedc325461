"""Fetches all directories of a TIFF before a parser asks for them one by one.

Each round fetches at once what the round before has shown to be needed: the values of one directory
come with the directory after it. So a file with its directories in one place takes two or three
rounds, and one with scattered directories as many as it has directories, and two more.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from viewer.slides.remote.ranged import RangedBytes, Run

_NEAR_BYTES = 1 << 16
"""Fetched with a directory: what it refers to and the next one often lie right behind it."""
_MOST_DIRECTORIES = 1000
_MOST_TAGS = 4096
_MOST_VALUE_BYTES = 32 << 20
_MOST_ALL_BYTES = 128 << 20
_SUBDIRECTORIES = 330
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8,
          17: 8, 18: 8}  # fmt: skip


def fetch_directories(ranges: RangedBytes) -> None:
    """Have the directories of a TIFF and the values of their tags at hand; of others nothing.

    Nothing of the file is trusted: what is no directory is passed over. Raises RangesError.
    """
    head = ranges.read(0, 16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    version = struct.unpack_from(f"{order}H", head, 2)[0] if order and len(head) == 16 else 0
    if version not in (42, 43):
        return
    walk = _Walk(ranges, order, is_big=version == 43)
    walk.begin(struct.unpack_from(walk.next_format, head, 8 if version == 43 else 4)[0])
    walk.run()


class _Walk:
    """Through the chain of directories and those within them, a round at a time."""

    def __init__(self, ranges: RangedBytes, order: str, *, is_big: bool) -> None:
        self._ranges = ranges
        self._order = order
        self._word = "Q" if is_big else "I"
        self._count = f"{order}{'Q' if is_big else 'H'}"
        self._entry = struct.Struct(f"{order}HH{self._word}{8 if is_big else 4}s")
        # NDPI of more than 4 GiB: 8 bytes for the next directory in a classic TIFF.
        is_long = not is_big and ranges.size_bytes >= 1 << 32
        self.next_format = f"{order}{'Q' if is_big or is_long else 'I'}"
        self._seen: set[int] = set()
        self._directories: list[int] = []
        self._values: list[Run] = []
        self._lists: list[tuple[int, int, int]] = []
        """Lists of directories within a directory: offset, number, bytes each."""
        self._left_bytes = _MOST_ALL_BYTES

    def begin(self, at: int) -> None:
        self._directories = [at]

    def run(self) -> None:
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
        head = struct.calcsize(self._count)
        data = self._ranges.read(at, head)
        if len(data) < head:
            return
        (count,) = struct.unpack(self._count, data)
        if count > _MOST_TAGS:
            return
        size = count * self._entry.size
        block = self._ranges.read(at + head, size + struct.calcsize(self.next_format))
        if len(block) < size:
            return
        for start in range(0, size, self._entry.size):
            self._tag(*self._entry.unpack_from(block, start))
        if len(block) >= size + struct.calcsize(self.next_format):
            self._directories.append(struct.unpack_from(self.next_format, block, size)[0])

    def _tag(self, code: int, kind: int, count: int, inline: bytes) -> None:
        each = _SIZES.get(kind, 1)
        size = count * each
        if size <= len(inline):
            if code == _SUBDIRECTORIES:
                self._directories += self._numbers(inline[:size], each)
            return
        (offset,) = struct.unpack(f"{self._order}{self._word}", inline)
        if size > min(_MOST_VALUE_BYTES, self._left_bytes):
            return
        self._left_bytes -= size
        if code == _SUBDIRECTORIES:
            self._lists.append((offset, count, each))
        else:
            self._values.append((offset, size))

    def _numbers(self, data: bytes, size: int) -> list[int]:
        order = "little" if self._order == "<" else "big"
        starts = range(0, min(len(data), _MOST_DIRECTORIES * size), size)
        return [int.from_bytes(data[start : start + size], order) for start in starts]
