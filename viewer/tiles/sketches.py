"""Tiles made of thousands of stored ones, which are shown as sketches until all of them is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.slides.source import becoming_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from threading import Condition

    from viewer.slides.source import RgbImage, SlideSource
    from viewer.tiles.cache import TileKey

SKETCH = -1
"""Older than any look: what is painted until the tile itself is made."""
_FIRST_SKETCHES = 2
"""So many times sketches come before all else, until there is something to be seen everywhere."""


class Sketch(msgspec.Struct):
    """A tile that is made bit by bit.

    Attributes
    ----------
    last
        The sharpest picture of it, and the look that it was prepared for.
    """

    steps: Iterator[RgbImage | None]
    last: RgbImage | None = None
    look_version: int = SKETCH
    count: int = 0


class Sketches:
    """The tiles of a slide's coarser levels that take long; each is in one worker's hands.

    Parameters
    ----------
    lock
        Held by whoever calls anything but `step`.
    """

    def __init__(self, source: SlideSource, lock: Condition) -> None:
        self._source = source
        self._lock = lock
        self._begun: dict[TileKey, Sketch] = {}

    @property
    def are_shown(self) -> bool:
        """Return whether there is a sketch to be seen, which becomes denser."""
        return any(each.last is not None for each in self._begun.values())

    def forget_others(self, requested: Container[TileKey]) -> None:
        """Forget tiles that are not asked for any more, but for the coarsest level."""
        top = len(self._source.levels) - 1
        for key in [key for key in self._begun if key.level < top and key not in requested]:
            del self._begun[key]

    def clear(self) -> None:
        """Forget all tiles."""
        self._begun.clear()

    def step(self, key: TileKey) -> Sketch | None:
        """Work a moment on a tile; None once it can be read."""
        with self._lock:
            sketch = self._begun.get(key)
            if sketch is None:
                sketch = self._begun[key] = Sketch(becoming_of(self._source, *key))
        try:
            picture = next(sketch.steps)
        except BaseException as error:
            with self._lock:
                self._begun.pop(key, None)
            if isinstance(error, StopIteration):
                return None
            raise
        sketch.count += 1
        if picture is not None:
            sketch.last, sketch.look_version = picture, SKETCH
        return sketch

    def turn_of(self, sketch: Sketch, wanted: Sequence[TileKey]) -> int:
        """Return where among the wanted a tile goes on, of which workers take the last.

        Sketches take turns, and after their first ones one tile of those that are wanted whole.
        """
        top = len(self._source.levels) - 1
        at = len(wanted)
        for place, other in enumerate(wanted):
            if other.level == top or other in self._begun:
                at = place
                break
        is_one_in = any(other.level < top for other in self._begun)
        return max(0, at - (sketch.count >= _FIRST_SKETCHES and not is_one_in))
