"""Memory for tiles in the system's huge pages, which a processor finds in fewer steps.

A processor remembers where some two thousand pages lie, and looks up each other one that it reads.
A frame of a large screen reads 100 MB of tiles: 25,000 pages of 4 KiB, but 50 of 2 MiB. Tiles that
lie in these are read in half the time. Where a system has none the pages are as small as others.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
from collections import defaultdict, deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PAGE_BYTES = 2 << 20
_MOST_PAGES = 4
"""So many are shared out at most among arrays of one size, that little is left over at the end."""
_MOST_LEFT = 1 / 8
_LEAST_BYTES, _MOST_BYTES = 64 << 10, 4 << 20
"""Of larger arrays NumPy asks for huge pages itself; smaller ones are read in no time."""
_KEPT_BYTES = 64 << 20
"""Of memory that was freed; beyond this it goes back to the system."""

_Place = tuple[mmap.mmap, int]
"""A stretch of memory, and where in it an array begins."""


class HugePages:
    """Gives arrays, and gives the memory of those that went to those that come; for any thread."""

    def __init__(self, kept_bytes: int = _KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        # Nothing locks: arrays go wherever the last of those who hold them lets go, and what a
        # thread does meanwhile may be the very taking of another.
        self._free: defaultdict[int, deque[_Place]] = defaultdict(deque)

    @property
    def free_bytes(self) -> int:
        """Return how much memory waits for arrays to come."""
        return sum(size_bytes * len(places) for size_bytes, places in list(self._free.items()))

    def array(self, size_bytes: int) -> NDArray[np.uint8]:
        """Return an array of bytes, to be filled."""
        page_count = _pages_for(size_bytes)
        if not page_count:
            return np.empty(size_bytes, np.uint8)
        free = self._free[size_bytes]
        try:
            memory, start = free.pop()
        except IndexError:
            try:
                memory, first = _new_pages(page_count)
            except OSError:  # as many stretches as the system allows, or as much memory
                return np.empty(size_bytes, np.uint8)
            *others, start = range(
                first, first + page_count * _PAGE_BYTES - size_bytes + 1, size_bytes
            )
            free.extend((memory, other) for other in others)
        return np.asarray(_Lent(self, memory, start, size_bytes))

    def take_back(self, memory: mmap.mmap, start: int, size_bytes: int) -> None:
        """Keep the memory of an array that went."""
        if self.free_bytes < self._kept_bytes:
            self._free[size_bytes].append((memory, start))


class _Lent:
    """What an array lies in; goes with the last of those who hold the array or a part of it."""

    def __init__(self, pages: HugePages, memory: mmap.mmap, start: int, size_bytes: int) -> None:
        self._pages, self._memory, self._start, self._size_bytes = pages, memory, start, size_bytes
        address = ctypes.addressof(ctypes.c_ubyte.from_buffer(memory, start))
        self.__array_interface__ = {
            "version": 3,
            "shape": (size_bytes,),
            "typestr": "|u1",
            "data": (address, False),
        }

    def __del__(self) -> None:
        # Not `weakref.finalize`: as the interpreter ends it goes through all there are, while
        # threads may still make more.
        self._pages.take_back(self._memory, self._start, self._size_bytes)


def _pages_for(size_bytes: int) -> int:
    """Return how many huge pages arrays of a size share; 0 for a size that is to have none."""
    if not hasattr(mmap, "MADV_HUGEPAGE") or not _LEAST_BYTES <= size_bytes <= _MOST_BYTES:
        return 0
    for page_count in range(1, _MOST_PAGES + 1):
        all_bytes = page_count * _PAGE_BYTES
        if all_bytes >= size_bytes and all_bytes % size_bytes <= _MOST_LEFT * all_bytes:
            return page_count
    return 0


def _new_pages(count: int) -> _Place:
    """Return memory of the system, and where its first huge page begins. Raises OSError."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    memory = mmap.mmap(-1, (count + 1) * _PAGE_BYTES, flags=flags)
    address = ctypes.addressof(ctypes.c_ubyte.from_buffer(memory))
    with contextlib.suppress(OSError):  # a system that was built without them
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory, -address % _PAGE_BYTES
