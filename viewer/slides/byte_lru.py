"""The most recently used pictures and values, bounded in bytes."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cachetools import LRUCache

if TYPE_CHECKING:
    from numpy.typing import NDArray

Key = TypeVar("Key", bound=Hashable)


class ByteLru(Generic[Key]):
    """Keeps pictures until all together take more than `most_bytes`; for use by many threads.

    A picture that alone takes more is not kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self._images: LRUCache[Key, NDArray[Any]] = LRUCache(most_bytes, lambda image: image.nbytes)
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        return int(self._images.currsize)

    def get(self, key: Key) -> NDArray[Any] | None:
        with self._lock:
            return self._images.get(key)

    def put(self, key: Key, image: NDArray[Any]) -> None:
        with self._lock:
            if image.nbytes <= self._images.maxsize:
                self._images[key] = image
            else:
                self._images.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._images.clear()
