"""One lock a place, for as long as somebody works on it or waits for it."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

Place = TypeVar("Place", bound=Hashable)


class Turns(Generic[Place]):
    """Lets threads that want the same tile wait for the first of them."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[Place, tuple[threading.Lock, int]] = {}

    @contextmanager
    def turn(self, place: Place) -> Generator[None]:
        """Hold the place's lock; other places are not held up."""
        with self._guard:
            lock, users = self._locks.get(place) or (threading.Lock(), 0)
            self._locks[place] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._locks[place]
                if users == 1:
                    del self._locks[place]
                else:
                    self._locks[place] = (lock, users - 1)
