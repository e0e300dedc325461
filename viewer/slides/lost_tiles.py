"""Stored tiles that could not be read, which levels that are made of them remember."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec

from viewer.slides.errors import TileError

if TYPE_CHECKING:
    from viewer.slides.channels import ImagePlane
    from viewer.slides.derived.halving import Place

_MOST_LOST = 10_000


class ShownValues(msgspec.Struct, frozen=True):
    """Which values of a tile count.

    Attributes
    ----------
    channels
        Empty for all, and on a slide of RGB.
    plane
        None for all planes.
    """

    channels: tuple[int, ...] = ()
    plane: ImagePlane | None = None

    def touches(self, channels: tuple[int, ...], plane: tuple[int, int]) -> bool:
        """Return whether any of them lies in channels of a focal plane and time point."""
        shares = not self.channels or not channels or not {*self.channels}.isdisjoint(channels)
        own = self.plane
        if own is None:
            return shares
        return shares and plane[1] == own.t and (own.is_projection or plane[0] == own.z)


EVERY_VALUE = ShownValues()

_Read = tuple[tuple[int, ...], tuple[int, int]]
"""Channels that were read together, and their focal plane and time point."""


class LostTiles:
    """Remembers which tiles are lost, and in which channels; threads may share it.

    Of channels that were read together each may be the lost one, so they are taken for lost until
    all of them could be read.
    """

    def __init__(self) -> None:
        self._lost: dict[Place, dict[_Read, str]] = {}
        self._lock = threading.Lock()

    def add(
        self, place: Place, channels: tuple[int, ...], plane: tuple[int, int], reason: str
    ) -> None:
        """Note that a tile could not be read."""
        with self._lock:
            if place in self._lost or len(self._lost) < _MOST_LOST:
                self._lost.setdefault(place, {})[channels, plane] = reason

    def remove(self, place: Place, channels: tuple[int, ...], plane: tuple[int, int]) -> None:
        """Note that a tile could be read."""
        if place not in self._lost:
            return
        with self._lock:
            found = self._lost.get(place, {})
            for read in [*found]:
                if read[1] == plane and {*read[0]} <= {*channels}:
                    del found[read]
            if not found:
                self._lost.pop(place, None)

    def within(
        self, level: int, columns: range, rows: range, values: ShownValues
    ) -> list[TileError]:
        """Return the tiles of a part of a level that are lost."""
        if not self._lost:
            return []
        with self._lock:
            places = [
                (place, [reason for read, reason in found.items() if values.touches(*read)])
                for place, found in self._lost.items()
                if place[0] == level and place[1] in columns and place[2] in rows
            ]
        return [TileError(*place, reasons[0]) for place, reasons in places if reasons]
