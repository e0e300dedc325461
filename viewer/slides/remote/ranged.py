"""A file of which only the bytes that are wanted are fetched, many ranges at once."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from viewer.slides.read_at_file import ReadAtFile
from viewer.slides.remote.shared_fetch import RangesError, SharedFetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cachetools import LRUCache


BLOCK_BYTES = 1 << 14
"""Ranges are fetched and kept in blocks of so many bytes."""
NEAR_BLOCKS = 4
"""What lies no further apart than so many blocks is fetched by one request."""
KEPT_BYTES = 64 << 20
_BUFFER_BYTES = 1 << 13

Run = tuple[int, int]
"""Where a range begins, and how many bytes it has."""


class RangedBytes:
    """Reads anywhere in a file from any thread; what was read last is kept.

    Threads that want the same bytes wait for one fetch of them.

    Parameters
    ----------
    fetch
        Called with runs of whole blocks, merged and in order; calls back with the number and the
        bytes of each run as it arrives, and returns when all have. Raises any Exception.
    most_bytes
        How much is kept in memory.
    """

    def __init__(
        self,
        size_bytes: int,
        fetch: Callable[[Sequence[Run], Callable[[int, bytes], None]], None],
        most_bytes: int = KEPT_BYTES,
    ) -> None:
        from cachetools import LRUCache

        self.size_bytes = size_bytes
        self._fetch = fetch
        kept: LRUCache[int, bytes] = LRUCache(most_bytes, len)
        self._blocks = SharedFetch(kept, self._fetch_blocks)

    def keep(self, offset: int, data: bytes) -> None:
        """Take bytes that are known already; only whole blocks are of use."""
        for start in range(-offset % BLOCK_BYTES, len(data), BLOCK_BYTES):
            block = data[start : start + BLOCK_BYTES]
            if len(block) == BLOCK_BYTES or offset + len(data) == self.size_bytes:
                self._blocks.keep((offset + start) // BLOCK_BYTES, block)

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes there; fewer than `size` at the file's end. Raises RangesError."""
        size = min(size, self.size_bytes - offset)
        if offset < 0 or size <= 0:
            return b""
        first, last = offset // BLOCK_BYTES, (offset + size - 1) // BLOCK_BYTES
        found = self._blocks.get(range(first, last + 1))
        data = b"".join(found[block] for block in range(first, last + 1))
        start = offset - first * BLOCK_BYTES
        return data[start : start + size]

    def expect(self, ranges: Iterable[Run]) -> None:
        """Fetch all of these at once, and return when they are at hand. Raises RangesError."""
        self._blocks.get(self._blocks_of(ranges))

    def has(self, ranges: Iterable[Run]) -> bool:
        """Return whether nothing of these has to be fetched any more."""
        return self._blocks.has(self._blocks_of(ranges))

    def _blocks_of(self, ranges: Iterable[Run]) -> list[int]:
        blocks: set[int] = set()
        for offset, size in ranges:
            end = min(offset + size, self.size_bytes)
            if 0 <= offset < end:
                blocks.update(range(offset // BLOCK_BYTES, (end - 1) // BLOCK_BYTES + 1))
        return sorted(blocks)

    def _fetch_blocks(self, blocks: Sequence[int], give: Callable[[int, bytes], None]) -> None:
        runs = self._runs(blocks)

        def take(number: int, data: bytes) -> None:
            offset, size = runs[number]
            if len(data) != size:
                raise RangesError("the server sent another number of bytes than it was asked for")
            for start in range(0, size, BLOCK_BYTES):
                give((offset + start) // BLOCK_BYTES, data[start : start + BLOCK_BYTES])

        self._fetch(runs, take)

    def _runs(self, blocks: Sequence[int]) -> list[Run]:
        """Merge blocks that lie near each other, whatever lies between them."""
        runs: list[list[int]] = []
        for block in blocks:
            if runs and block - runs[-1][1] <= NEAR_BLOCKS:
                runs[-1][1] = block
            else:
                runs.append([block, block])
        return [
            (
                first * BLOCK_BYTES,
                min((last + 1) * BLOCK_BYTES, self.size_bytes) - first * BLOCK_BYTES,
            )
            for first, last in runs
        ]


def open_ranged(ranges: RangedBytes) -> io.BufferedReader:
    """Return ranged bytes as a file that is open for reading, at its beginning."""
    return io.BufferedReader(ReadAtFile(ranges.read, ranges.size_bytes), _BUFFER_BYTES)


def ranges_of(path: object) -> RangedBytes | None:
    """Return the bytes of a path that lies on a server and is open; None for all others."""
    from viewer.slides.remote.address import RemotePath

    return path.ranges if isinstance(path, RemotePath) else None
