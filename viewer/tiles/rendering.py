"""Slides of channels and planes as pictures: values are read once, and shown as often as adjusted.

RGB slides at their first plane do not come here: their tiles are pictures already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from viewer.slides.channels import FIRST_PLANE, ImagePlane
from viewer.slides.composites import ChannelDisplay, composite, first_displays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage, SlideInfo, SlideSource
    from viewer.tiles.cache import TileCache, TileKey
    from viewer.tiles.display import DisplaySettings

_RED_GREEN_BLUE = (0, 1, 2)
_PROJECTED = -1
"""Stands for the plane of maxima among kept values."""
_NEIGHBORS = (1, -1)


class Rendering(msgspec.Struct, frozen=True):
    """What of a slide is shown, and how its channels are; no displays for an RGB slide."""

    displays: tuple[ChannelDisplay, ...] = ()
    plane: ImagePlane = FIRST_PLANE

    @property
    def channels(self) -> tuple[int, ...]:
        """Return the channels that are read."""
        if not self.displays:
            return _RED_GREEN_BLUE
        return tuple(index for index, each in enumerate(self.displays) if each.shown)

    def reads_as(self, other: Rendering | None) -> bool:
        """Return whether another needs the same values of the slide."""
        return other is not None and (self.channels, self.plane) == (other.channels, other.plane)


def rendering_of(info: SlideInfo, look: DisplaySettings, plane: ImagePlane) -> Rendering | None:
    """Return how tiles are rendered; None where they are shown as they are read."""
    axes = info.axes
    if axes.is_rgb:
        return None if plane == FIRST_PLANE else Rendering((), plane)
    is_fitting = len(look.channels) == len(axes.channels)
    return Rendering(look.channels if is_fitting else first_displays(axes), plane)


class ValueTiles:
    """Stored values of one slide, kept within the bound of the tiles; for worker threads."""

    def __init__(self, source: SlideSource, cache: TileCache[Any], token: int) -> None:
        self._source = source
        self._cache = cache
        self._token = token

    def picture(self, key: TileKey, rendering: Rendering) -> RgbImage:
        """Return a tile as it is shown, uint8 (height, width, 3).

        Raises
        ------
        TileError
            One of the channels that are shown cannot be read.
        """
        channels = rendering.channels
        if not channels:
            width, height = self._source.levels[key.level].tile_size_px(key.column, key.row)
            return np.zeros((height, width, 3), np.uint8)
        values = self.read(key, channels, rendering.plane)
        if not rendering.displays:
            return np.ascontiguousarray(np.stack(values, axis=2))
        return composite(values, [rendering.displays[channel] for channel in channels])

    def read(self, key: TileKey, channels: Sequence[int], plane: ImagePlane) -> list[NDArray[Any]]:
        """Return the values of some channels, each (height, width). Raises TileError."""
        z = _PROJECTED if plane.is_projection else plane.z
        kept = {c: self._cache.values(self._token, (key, c, z, plane.t)) for c in channels}
        missing = tuple(channel for channel, values in kept.items() if values is None)
        if missing:
            for channel, values in zip(missing, self._stored(key, missing, plane), strict=True):
                # A copy, so that one channel that is kept does not hold the others.
                own = values.copy() if len(missing) > 1 else values
                kept[channel] = own
                self._cache.put_values(self._token, (key, channel, z, plane.t), own)
        return [values for channel in channels if (values := kept[channel]) is not None]

    def read_neighbors(self, key: TileKey, rendering: Rendering) -> None:
        """Read the planes above and below, which are likely to be looked at next.

        Raises TileError.
        """
        plane, count = rendering.plane, self._source.info.axes.z_count
        if plane.is_projection:
            return
        for step in _NEIGHBORS:
            if 0 <= plane.z + step < count:
                self.read(key, rendering.channels, ImagePlane(plane.z + step, plane.t))

    def close(self) -> None:
        """Forget all values."""
        self._cache.drop_slide(self._token)

    def _stored(self, key: TileKey, channels: tuple[int, ...], plane: ImagePlane) -> NDArray[Any]:
        if not plane.is_projection:
            return self._source.read_channels(*key, channels, plane.z, plane.t)
        highest = self._source.read_channels(*key, channels, 0, plane.t)
        for z in range(1, self._source.info.axes.z_count):
            values = self._source.read_channels(*key, channels, z, plane.t)
            # Of floats, NaN is no value.
            highest = np.fmax(highest, values)
        return highest
