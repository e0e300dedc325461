"""Which tile a slide's process reads next, while the window takes over the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    Place = tuple[int, int, int]


class ReadAhead:
    """Tiles that will be read in this order, by so many threads that take turns.

    The tile after one is that which the same thread is likely to ask for next, so that no thread
    waits for what was begun for another. Each is named once. May be used by many threads.
    """

    def __init__(self, tiles: Sequence[Place] = (), threads: int = 1) -> None:
        self._tiles = tiles
        self._threads = threads
        self._places = {tile: place for place, tile in enumerate(tiles)}

    def after(self, tile: Place) -> Place | None:
        """Return the tile to be read after one that is asked for now; None where there is none."""
        place = self._places.pop(tile, None)
        if place is None or place + self._threads >= len(self._tiles):
            return None
        following = self._tiles[place + self._threads]
        return following if following in self._places else None
