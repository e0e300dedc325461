"""Decoded chunks that are kept a while, each decoded once however many threads want it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from viewer.slides.byte_lru import ByteLru
from viewer.slides.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray


class KeptChunks:
    """Keeps those that were used last, bounded in bytes; for use by many threads."""

    def __init__(self, most_bytes: int) -> None:
        self._kept = ByteLru[Hashable](most_bytes)
        self._turns = Turns[Hashable]()

    def get(self, place: Hashable, decode: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return the chunk of a place; where it is not kept it is decoded, by one thread alone."""
        chunk = self._kept.get(place)
        if chunk is not None:
            return chunk
        with self._turns.turn(place):
            chunk = self._kept.get(place)
            if chunk is None:
                chunk = decode()
                self._kept.put(place, chunk)
            return chunk

    def has_all(self, places: Iterable[Hashable]) -> bool:
        """Return whether the chunks of all these places are kept at this moment."""
        return self._kept.has_all(places)

    def clear(self) -> None:
        """Forget what is kept."""
        self._kept.clear()
