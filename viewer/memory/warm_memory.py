"""Memory for tiles that the system has given already, before they come.

The system gives a page of memory when it is first written to, and clears it: for a JPEG tile of
256 px that takes half as long as its decoding (100 and 200 us). So threads that read tiles for the
screen, where somebody waits, have some ready from when they were idle. Once a cache is full it
costs nothing, as the memory of tiles that go is given to those that come. Where the system has huge
pages they lie there: these are given in a seventh of the time, and painted from faster.
"""

from __future__ import annotations

import threading
from collections import deque
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from viewer.memory.huge_pages import HugePages

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LIMIT_BYTES = 32 << 20
"""For the tiles of a view: 1920 x 1080 pixels take 14 MB of 256 px tiles, 3840 x 2160 40 MB."""

_AT_ONCE = 8


class WarmMemory:
    """Arrays of one size, the one that was asked for last; for any thread."""

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._pages = HugePages()
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._ready: deque[NDArray[np.uint8]] = deque()
        self._lock = threading.Lock()

    @property
    def is_short(self) -> bool:
        """Return whether `add` is to be called when there is time."""
        return 0 < (len(self._ready) + 1) * self._size_bytes <= self._limit_bytes

    def take(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return an array to be filled, from what is ready if there is any of its size."""
        size_bytes = prod(shape)
        with self._lock:
            if size_bytes != self._size_bytes:
                self._ready.clear()
                self._size_bytes = size_bytes
            memory = self._ready.pop() if self._ready else None
        if memory is None:
            memory = self._pages.array(size_bytes)
        return memory.reshape(shape)

    def add(self) -> None:
        """Have the system give the memory of a few more arrays, if there are to be more."""
        for _ in range(_AT_ONCE):
            if not self.is_short:
                return
            memory = self._pages.array(self._size_bytes)
            memory.fill(0)
            with self._lock:
                if memory.nbytes == self._size_bytes and self.is_short:
                    self._ready.append(memory)


class _OfThread(threading.local):
    memory: WarmMemory | None = None


_of_thread = _OfThread()
for_screen = WarmMemory()
"""What all threads that read tiles for the screen share."""


def use(memory: WarmMemory) -> None:
    """Let `warm_pixels` of this thread take what it returns from `memory`."""
    _of_thread.memory = memory


def warm_pixels(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return an array for pixels, to be filled, from what this thread uses."""
    memory = _of_thread.memory
    return np.empty(shape, np.uint8) if memory is None else memory.take(shape)
