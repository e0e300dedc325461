"""Decoded chunks so large that memory has room for one of them, or for a few."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from viewer.limits import TILE_BYTES
from viewer.slides.byte_lru import SizedLru

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable

Decoded = TypeVar("Decoded")

LARGE_BYTES = 64 << 20
"""Chunks that take more, decoded, are decoded one at a time and handed out in parts."""

PART_BYTES = 4 << 20
"""Of such a part."""


def part_rows(rows: int, row_bytes: int, *, is_exact: bool = False) -> int:
    """Return how many rows of a chunk make a part.

    Parts fill the chunk evenly, and end where pixels of an overview do, as far as that can be.

    Parameters
    ----------
    is_exact
        Whether no part may lie in two chunks, as one of them may not be stored.
    """
    most = max(1, PART_BYTES // max(row_bytes, 1))
    if most >= rows:
        return rows
    for step in (64, 32, 16, 8, 1):
        for count in range(most // step * step, most // 4, -step):
            if rows % count == 0:
                return count
    if is_exact:
        return next(count for count in range(most, 0, -1) if rows % count == 0)
    return most // 8 * 8 or most


class LargeChunks:
    """Decodes large chunks one at a time, whoever asks, and holds those that were used last."""

    def __init__(self) -> None:
        self.held: SizedLru[Hashable, Any] = SizedLru(TILE_BYTES.most)
        """No larger chunk is read; also for chunks whose turns are another's."""
        self._turn = threading.Lock()
        self._task = threading.RLock()

    def task(
        self, parts_per_chunk: int, *, is_kept: bool = False
    ) -> AbstractContextManager[object]:
        """Return a context for all that a thread reads together.

        While it lasts no other thread takes the place of a large chunk of which more parts are
        wanted: two that took turns would decode it anew for each part.

        Parameters
        ----------
        parts_per_chunk
            More than 1 where chunks are large; others are read at any time.
        is_kept
            Whether all parts are at hand, so that nothing is decoded.
        """
        return self._task if parts_per_chunk > 1 and not is_kept else nullcontext()

    @contextmanager
    def chunk(
        self, key: Hashable, size_bytes: int, decode: Callable[[], Decoded | None]
    ) -> Generator[Decoded | None]:
        """Give a chunk, None where none is stored. No other is decoded meanwhile: be quick.

        What is wanted of it is to be copied, as a view would keep all of it in memory. Instead of a
        chunk it may be what decodes parts of it; where that fails it is not used again.
        """
        with self._turn:
            chunk: Decoded | None = self.held.get(key)
            if chunk is None:
                self.held.make_room(size_bytes)
                chunk = decode()
                if chunk is not None:
                    self.held.put(key, chunk, size_bytes)
            try:
                yield chunk
            except BaseException:
                self.held.drop(key)
                raise

    def clear(self) -> None:
        """Let go of all chunks; one in use ends with its use."""
        self.held.clear()


@cache
def large_chunks() -> LargeChunks:
    """Return those of this process, as memory is bounded for all that it reads together."""
    return LargeChunks()
