"""Channels at levels that are made here: stored values halved as the pictures of RGB slides are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.slides.errors import SlideAwayError, SlideLostError, TileError
from viewer.slides.halving import halved_values
from viewer.slides.hatching import hatch_values

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from numpy.typing import NDArray

    from viewer.slides.byte_lru import ByteLru
    from viewer.slides.channels import Axes
    from viewer.slides.level_store import LevelStore
    from viewer.slides.source import Level
    from viewer.slides.turns import Turns

Place = tuple[int, int, int]
"""Level, column and row."""
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
            store = self._store() if self._is_dear(place) else None
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

    def _is_dear(self, place: Place) -> bool:
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
        _, column, row = place
        finer = self._levels[finer_index]
        x_px, y_px = 2 * column * finer.tile_width_px, 2 * row * finer.tile_height_px
        width = min(2 * finer.tile_width_px, finer.width_px - x_px)
        height = min(2 * finer.tile_height_px, finer.height_px - y_px)
        canvas = np.empty((len(channels), height, width), self._axes.dtype)
        reasons: list[str] = []  # not the errors, which would hold the canvas
        tiles_read, is_sound = 0, True
        for dy in range(0, height, finer.tile_height_px):
            for dx in range(0, width, finer.tile_width_px):
                part = canvas[:, dy : dy + finer.tile_height_px, dx : dx + finer.tile_width_px]
                below = (finer_index, 2 * column + (dx > 0), 2 * row + (dy > 0))
                try:
                    part[:], part_is_sound = self._read(below, channels, plane)
                    tiles_read += 1
                    is_sound = is_sound and part_is_sound
                except (SlideLostError, SlideAwayError):
                    raise
                except TileError as error:
                    reasons.append(error.reason)
                    self._hatch(part, channels)
        if not tiles_read:
            raise TileError(*place, reasons[0])
        return halved_values(canvas), is_sound and not reasons

    def _hatch(self, part: NDArray[Any], channels: Iterable[int]) -> None:
        for values, channel in zip(part, channels, strict=True):
            known = self._axes.channels
            hatch_values(values, known[channel].value_range if known else (120, 190))
