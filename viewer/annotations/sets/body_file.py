"""Packed annotations of a set in a file without a name: a million would fill the memory."""

from __future__ import annotations

import tempfile
from io import BytesIO
from typing import IO, TYPE_CHECKING

from viewer.memory.long_list import whole_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST_IN_MEMORY = 2 << 20
"""What memory is made larger for is copied in one call, in which no other thread runs: for 16 MB up
to 130 ms where the system has to give it first."""
_PIECE_BYTES = 1 << 20
"""A copy of all in one call would hold up all other threads."""
_AT_ONCE = 1000
_LOOSE = 4
"""Bodies that lie so many times wider than they are long are read one by one."""


class BodyFile:
    """Bytes by number, which are only added to; as long as they are few they stay in memory."""

    def __init__(self) -> None:
        self._file: IO[bytes] = BytesIO()
        self._is_in_memory = True
        self._begins, self._lengths = whole_numbers(), whole_numbers()
        self._refused: dict[int, bytes] = {}
        """What the disk had no room for."""
        self.size_bytes = 0

    def add(self, bodies: Sequence[bytes]) -> range:
        """Keep bodies; return their numbers."""
        first, data = len(self._begins), b"".join(bodies)
        if self._is_in_memory and self.size_bytes + len(data) > _MOST_IN_MEMORY:
            self._leave_memory()
        numbers = range(first, first + len(bodies))
        try:
            self._write(self._file, self.size_bytes, data)
        except OSError:
            self._refused.update(zip(numbers, bodies, strict=True))
        for body in bodies:
            self._begins.append(self.size_bytes)
            self._lengths.append(len(body))
            self.size_bytes += len(body)
        return numbers

    def length_of(self, number: int) -> int:
        """Return how long a body is."""
        return self._lengths[number]

    def bodies(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """Yield bodies in the order of the numbers, those that lie together in one go."""
        for begin in range(0, len(numbers), _AT_ONCE):
            yield from self._read(numbers[begin : begin + _AT_ONCE])

    def close(self) -> None:
        """Give the room back."""
        self._file.close()

    def _read(self, numbers: Sequence[int]) -> list[bytes]:
        places = [(self._begins[each], self._lengths[each]) for each in numbers]
        first = min(begin for begin, _ in places)
        span = max(begin + length for begin, length in places) - first
        if self._refused or span > _LOOSE * sum(length for _, length in places):
            refused = map(self._refused.get, numbers)
            pairs = zip(refused, places, strict=True)
            return [self._at(*place) if body is None else body for body, place in pairs]
        data = self._at(first, span)
        return [data[begin - first : begin - first + length] for begin, length in places]

    def _at(self, begin: int, length: int) -> bytes:
        self._file.seek(begin)
        return self._file.read(length)

    def _leave_memory(self) -> None:
        """Go on in a file; where none can be made, such as on a full disk, in memory."""
        self._is_in_memory = False
        file = None
        try:
            file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - until `close`
            for begin in range(0, self.size_bytes, _PIECE_BYTES):
                self._write(file, begin, self._at(begin, _PIECE_BYTES))
        except OSError:
            if file is not None:
                file.close()
        else:
            self._file.close()
            self._file = file

    @staticmethod
    def _write(file: IO[bytes], at: int, data: bytes) -> None:
        file.seek(at)
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
