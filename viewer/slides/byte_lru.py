"""The most recently used pictures and values, bounded in bytes."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cachetools import LRUCache

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

Key = TypeVar("Key", bound=Hashable)
Held = TypeVar("Held")


class SizedLru(Generic[Key, Held]):
    """Keeps what takes memory until all together take more than `most_bytes`; for many threads.

    What alone takes more is not kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self._held: LRUCache[Key, tuple[Held, int]] = LRUCache(most_bytes, lambda held: held[1])
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        return int(self._held.currsize)

    def get(self, key: Key) -> Held | None:
        with self._lock:
            held = self._held.get(key)
        return None if held is None else held[0]

    def has_all(self, keys: Iterable[Key]) -> bool:
        """Return whether all of these are kept at this moment."""
        with self._lock:
            return all(key in self._held for key in keys)

    def make_room(self, size_bytes: int) -> None:
        """Let go of what something of this size has no room beside; before it is decoded."""
        with self._lock:
            while self._held and self._held.currsize + size_bytes > self._held.maxsize:
                self._held.popitem()

    def put(self, key: Key, held: Held, size_bytes: int) -> None:
        """Keep what takes so many bytes."""
        with self._lock:
            if size_bytes <= self._held.maxsize:
                self._held[key] = held, size_bytes
            else:
                self._held.pop(key, None)

    def drop(self, key: Key) -> None:
        """Let go of what is kept under a key, if anything is."""
        with self._lock:
            self._held.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._held.clear()


class ByteLru(SizedLru[Key, "NDArray[Any]"]):
    """Keeps pictures, as `SizedLru`."""

    def put(self, key: Key, held: NDArray[Any], size_bytes: int | None = None) -> None:
        """Keep a picture; `size_bytes` is what it takes where it is a view of more."""
        super().put(key, held, held.nbytes if size_bytes is None else size_bytes)
