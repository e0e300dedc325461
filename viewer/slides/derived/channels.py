"""Channels at levels that are made here: stored values halved as the pictures of RGB slides are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.slides.derived.halving import Place, fill_from_below, halved_values, size_below
from viewer.slides.hatching import hatch_values

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from numpy.typing import NDArray

    from viewer.slides.byte_lru import ByteLru
    from viewer.slides.channels import Axes
    from viewer.slides.derived.level_store import LevelStore
    from viewer.slides.source import Level
    from viewer.slides.turns import Turns

Plane = tuple[int, int]
"""Focal plane and time point."""

KEPT_ON_DISK_FROM = 64
"""Stored tiles per tile from which a derived tile is worth a file of its own."""


class ChannelHalving:
    """Makes tiles of a level from those of the next finer one, and keeps what was made last.

    Parameters
    ----------
    levels
        All of the slide, stored and made.
    read
        Gives channels of a tile of any level, and whether they are sound: without a patch for
        values that cannot be read.
    memory, turns
        Shared with the pictures of the same slide.
    store
        Gives the slide's files in the cache, for tiles that take long to make.
    """

    def __init__(
        self,
        levels: tuple[Level, ...],
        axes: Axes,
        read: Callable[[Place, tuple[int, ...], Plane], tuple[NDArray[Any], bool]],
        memory: ByteLru[Hashable],
        turns: Turns[Hashable],
        store: Callable[[], LevelStore | None],
    ) -> None:
        self._levels = levels
        self._axes = axes
        self._read = read
        self._memory = memory
        self._turns = turns
        self._store = store

    def read(
        self, place: Place, finer: int, channels: tuple[int, ...], plane: Plane
    ) -> tuple[NDArray[Any], bool]:
        """Return values (channels, height, width) and whether they are sound. Raises TileError."""
        with self._turns.turn((place, plane)):
            kept = {channel: self._memory.get((place, plane, channel)) for channel in channels}
            store = self._store() if self._is_expensive(place) else None
            missing = tuple(channel for channel, values in kept.items() if values is None)
            if store is not None:
                for channel in missing:
                    kept[channel] = self._from_store(store, place, plane, channel)
                missing = tuple(channel for channel in missing if kept[channel] is None)
            is_sound = True
            if missing:
                made, is_sound = self._halved(place, finer, missing, plane)
                for channel, values in zip(missing, made, strict=True):
                    kept[channel] = values
                    if is_sound:
                        # A copy, so that one channel in memory does not hold all the others.
                        own = values if len(missing) == 1 else values.copy()
                        self._memory.put((place, plane, channel), own)
                        if store is not None:
                            level = self._levels[place[0]]
                            store.put_values(level, (*place[1:], channel, *plane), own)
            found = [values for each in channels if (values := kept[each]) is not None]
            return np.stack(found), is_sound

    def _is_expensive(self, place: Place) -> bool:
        return self._levels[place[0]].stored_tiles_per_tile >= KEPT_ON_DISK_FROM

    def _from_store(
        self, store: LevelStore, place: Place, plane: Plane, channel: int
    ) -> NDArray[Any] | None:
        level, column, row = place
        at = (column, row, channel, *plane)
        values = store.get_values(self._levels[level], at, self._axes.dtype)
        if values is not None:
            self._memory.put((place, plane, channel), values)
        return values

    def _halved(
        self, place: Place, finer_index: int, channels: tuple[int, ...], plane: Plane
    ) -> tuple[NDArray[Any], bool]:
        finer = self._levels[finer_index]
        canvas = np.empty((len(channels), *size_below(place, finer)), self._axes.dtype)

        def take(below: Place, part: NDArray[Any]) -> bool:
            values, is_sound = self._read(below, channels, plane)
            part[:] = np.moveaxis(values, 0, -1)
            return is_sound

        def hatch(part: NDArray[Any]) -> None:
            self._hatch(np.moveaxis(part, -1, 0), channels)

        pixels = np.moveaxis(canvas, 0, -1)
        is_sound = fill_from_below(place, finer_index, finer, pixels, take, hatch)
        return halved_values(canvas), is_sound

    def _hatch(self, part: NDArray[Any], channels: Iterable[int]) -> None:
        for values, channel in zip(part, channels, strict=True):
            known = self._axes.channels
            hatch_values(values, known[channel].value_range if known else (120, 190))
