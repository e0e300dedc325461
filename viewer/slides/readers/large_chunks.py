"""Decoded chunks so large that memory has room for one of them, or for a few."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from viewer.limits import TILE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

LARGE_BYTES = 64 << 20
"""Chunks that take more, decoded, are decoded one at a time and handed out in parts."""

PART_BYTES = 4 << 20
"""Of such a part."""

Key = TypeVar("Key", bound=Hashable)


def part_rows(rows: int, row_bytes: int) -> int:
    """Return how many rows of a chunk make a part.

    Parts fill the chunk evenly, and end where pixels of an overview do, as far as that can be.
    """
    most = max(1, PART_BYTES // max(row_bytes, 1))
    if most >= rows:
        return rows
    for step in (64, 32, 16, 8, 1):
        for count in range(most // step * step, most // 4, -step):
            if rows % count == 0:
                return count
    return most // 8 * 8 or most


class HeldChunks(Generic[Key]):
    """The decoded chunks that were used last, all together bounded; for one thread, but `clear`.

    One that alone takes more than the bound is held as well, by itself.
    """

    def __init__(self, most_bytes: int = TILE_BYTES.most) -> None:
        self._most_bytes = most_bytes
        self._chunks: dict[Key, tuple[NDArray[Any], int]] = {}

    @property
    def held_bytes(self) -> int:
        return sum(size_bytes for _, size_bytes in list(self._chunks.values()))

    def get(self, key: Key) -> NDArray[Any] | None:
        found = self._chunks.pop(key, None)
        if found is None:
            return None
        self._chunks[key] = found
        return found[0]

    def make_room(self, size_bytes: int) -> None:
        """Let go of what a chunk of this size has no room beside; before it is decoded."""
        for key in list(self._chunks):
            if self.held_bytes + size_bytes <= self._most_bytes:
                break
            self._chunks.pop(key, None)

    def put(self, key: Key, chunk: NDArray[Any], size_bytes: int) -> None:
        """Hold a chunk; `size_bytes` is what it takes, as it may be a view of more."""
        self._chunks[key] = chunk, size_bytes

    def clear(self) -> None:
        self._chunks.clear()


class LargeChunks:
    """Decodes large chunks one at a time, whoever asks, and holds those that were used last."""

    def __init__(self) -> None:
        self._held = HeldChunks[Hashable]()
        self._turn = threading.Lock()
        self._task = threading.RLock()

    def task(self, parts_per_chunk: int) -> AbstractContextManager[object]:
        """Return a context for all that a thread reads together.

        While it lasts no other thread takes the place of a large chunk of which more parts are
        wanted: two that took turns would decode it anew for each part.

        Parameters
        ----------
        parts_per_chunk
            More than 1 where chunks are large; others are read at any time.
        """
        return self._task if parts_per_chunk > 1 else nullcontext()

    @contextmanager
    def chunk(
        self, key: Hashable, size_bytes: int, decode: Callable[[], NDArray[Any] | None]
    ) -> Generator[NDArray[Any] | None]:
        """Give a chunk, None where none is stored. No other is decoded meanwhile: be quick.

        What is wanted of it is to be copied, as a view would keep all of it in memory.
        """
        with self._turn:
            image = self._held.get(key)
            if image is None:
                self._held.make_room(size_bytes)
                image = decode()
                if image is not None:
                    self._held.put(key, image, size_bytes)
            yield image

    def clear(self) -> None:
        """Let go of all chunks; one in use ends with its use."""
        self._held.clear()


@cache
def large_chunks() -> LargeChunks:
    """Return those of this process, as memory is bounded for all that it reads together."""
    return LargeChunks()
