"""The most recently used pictures, bounded in bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from viewer.slides.source import RgbImage

Key = TypeVar("Key", bound=Hashable)


class ByteLru(Generic[Key]):
    """Keeps pictures until all together take more than `most_bytes`; for use by many threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._images: OrderedDict[Key, RgbImage] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        return self._bytes

    def get(self, key: Key) -> RgbImage | None:
        with self._lock:
            image = self._images.get(key)
            if image is not None:
                self._images.move_to_end(key)
            return image

    def put(self, key: Key, image: RgbImage) -> None:
        with self._lock:
            self._forget(key)
            self._images[key] = image
            self._bytes += image.nbytes
            while self._bytes > self._most_bytes:
                self._forget(next(iter(self._images)))

    def clear(self) -> None:
        with self._lock:
            self._images.clear()
            self._bytes = 0

    def _forget(self, key: Key) -> None:
        image = self._images.pop(key, None)
        if image is not None:
            self._bytes -= image.nbytes
