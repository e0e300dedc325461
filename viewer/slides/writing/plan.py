"""What is converted: which part of a slide, in which levels, tiles and planes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from viewer.slides.readers.jpeg_tiles import stored_jpeg_tiles
from viewer.slides.writing.errors import WritingError

if TYPE_CHECKING:
    from typing import Any

    from viewer.slides.channels import Channel
    from viewer.slides.source import Level, SlideSource

OWN_TILE_PX = 512
_STORED_TILE_PX = range(64, 2049)
_TILE_STEP_PX = 16
"""TIFF has tiles of multiples of this."""
SMALLEST_PX = 1024
"""A pyramid ends at a level whose longer side is at most this."""
DEFAULT_QUALITY = 90


class Region(NamedTuple):
    """A part of a slide in whole level-0 pixels."""

    x: int
    y: int
    width: int
    height: int


class Plane(NamedTuple):
    """One picture of a slide: a channel, or all colors where `channel` is None."""

    channel: int | None
    z: int
    t: int


class ConvertOptions(msgspec.Struct, frozen=True):
    """What the user asks for.

    Attributes
    ----------
    region
        None for the whole slide.
    channels
        Names, or numbers from 0; empty for all.
    z
        Focal planes from 0; empty for all.
    quality
        Of JPEG, 1 to 100, for what cannot be copied.
    image
        Which image of a file that holds several.
    mpp_um
        Micrometers per pixel of a slide that tells none.
    """

    region: Region | None = None
    channels: tuple[str, ...] = ()
    z: tuple[int, ...] = ()
    quality: int = DEFAULT_QUALITY
    image: int | None = None
    mpp_um: float | None = None


class OutLevel(msgspec.Struct, frozen=True):
    """A level of what is written.

    Attributes
    ----------
    stored
        The level of the slide that it shows; None where it is made by halving the one before.
    downsample
        Level-0 pixels per pixel.
    """

    width_px: int
    height_px: int
    tile_width_px: int
    tile_height_px: int
    stored: int | None
    downsample: float

    @property
    def columns(self) -> int:
        return math.ceil(self.width_px / self.tile_width_px)

    @property
    def rows(self) -> int:
        return math.ceil(self.height_px / self.tile_height_px)

    @property
    def tiles(self) -> int:
        return self.columns * self.rows


class ConvertPlan(msgspec.Struct, frozen=True):
    """All that decides what is written.

    Attributes
    ----------
    origin
        The level-0 pixel of the slide at the top left.
    channels
        Those that are written, empty for RGB.
    dtype
        Of the values that are written.
    is_by_channel
        Whether all planes of a channel come before the next; else channels are innermost, then z.
    """

    levels: tuple[OutLevel, ...]
    planes: tuple[Plane, ...]
    origin: tuple[int, int]
    channels: tuple[Channel, ...]
    z_count: int
    t_count: int
    dtype: np.dtype[Any]
    quality: int
    is_whole: bool
    is_by_channel: bool = False

    def place_of(self, plane: int) -> tuple[int, int, int]:
        """Return channel, z and t of a plane, each as counted in what is written."""
        channels = max(len(self.channels), 1)
        if self.is_by_channel:
            c, z = divmod(plane, self.z_count)
            return c, z, 0
        rest, c = divmod(plane, channels)
        t, z = divmod(rest, self.z_count)
        return c, z, t

    @property
    def is_rgb(self) -> bool:
        return not self.channels

    @property
    def tiles(self) -> int:
        return len(self.planes) * sum(level.tiles for level in self.levels)


def convert_plan(source: SlideSource, options: ConvertOptions) -> ConvertPlan:
    """Return what to write of a slide. Raises WritingError where the slide lacks what is wanted."""
    base = source.levels[0]
    region = _region(source, options.region)
    is_whole = region == Region(0, 0, base.width_px, base.height_px)
    axes = source.info.axes
    indexes = _channel_indexes(source, options.channels)
    planes_z = _z_planes(source, options.z)
    planes = tuple(
        Plane(channel, z, t)
        for t in range(axes.t_count)
        for z in planes_z
        for channel in (indexes or (None,))
    )
    return ConvertPlan(
        levels=_levels(source, region, is_whole=is_whole),
        planes=planes,
        origin=(region.x, region.y),
        channels=tuple(axes.channels[index] for index in indexes),
        z_count=len(planes_z),
        t_count=axes.t_count,
        dtype=np.result_type(*(np.dtype(axes.channels[index].dtype) for index in indexes))
        if indexes
        else np.dtype(np.uint8),
        quality=options.quality,
        is_whole=is_whole,
    )


def _region(source: SlideSource, wanted: Region | None) -> Region:
    base = source.levels[0]
    if wanted is None:
        return Region(0, 0, base.width_px, base.height_px)
    x, y = max(wanted.x, 0), max(wanted.y, 0)
    right = min(wanted.x + wanted.width, base.width_px)
    bottom = min(wanted.y + wanted.height, base.height_px)
    if right <= x or bottom <= y:
        raise WritingError(
            f"The region lies outside of the slide, which has {base.width_px:,} x "
            f"{base.height_px:,} pixels."
        )
    return Region(x, y, right - x, bottom - y)


def _channel_indexes(source: SlideSource, wanted: tuple[str, ...]) -> tuple[int, ...]:
    names = [channel.name for channel in source.info.axes.channels]
    if not wanted:
        return tuple(range(len(names)))
    if not names:
        raise WritingError("The slide is RGB: it has no channels to choose from.")
    found: list[int] = []
    for each in wanted:
        if each in names:
            found.append(names.index(each))
        elif each.isdecimal() and int(each) < len(names):
            found.append(int(each))
        else:
            raise WritingError(f'The slide has no channel "{each}": it has {", ".join(names)}.')
    return tuple(dict.fromkeys(found))


def _z_planes(source: SlideSource, wanted: tuple[int, ...]) -> tuple[int, ...]:
    count = source.info.axes.z_count
    for z in wanted:
        if not 0 <= z < count:
            planes = "one plane, number 0" if count == 1 else f"planes 0 to {count - 1}"
            raise WritingError(f"The slide has no plane {z}: it has {planes}.")
    return tuple(sorted(set(wanted))) or tuple(range(count))


def _levels(source: SlideSource, region: Region, *, is_whole: bool) -> tuple[OutLevel, ...]:
    stored = [
        (index, level)
        for index, level in enumerate(source.levels)
        if level.stored_tiles_per_tile == 1 and (is_whole or index == 0)
    ]
    has_jpeg = stored_jpeg_tiles(source)
    levels: list[OutLevel] = []
    for index, level in stored:
        size = (level.width_px, level.height_px) if is_whole else (region.width, region.height)
        tile = _tile_px(level, is_kept=has_jpeg[index] is not None)
        levels.append(OutLevel(*size, *tile, index, level.downsample))
    while max(levels[-1].width_px, levels[-1].height_px) > SMALLEST_PX:
        last = levels[-1]
        size = (-(-last.width_px // 2), -(-last.height_px // 2))
        tile = (last.tile_width_px, last.tile_height_px)
        levels.append(OutLevel(*size, *tile, None, last.downsample * 2))
    return tuple(levels)


def _tile_px(level: Level, *, is_kept: bool) -> tuple[int, int]:
    """Return the tiles of a level: the slide's own where they are copied or of a good size."""
    sides = (level.tile_width_px, level.tile_height_px)
    if is_kept and all(s in _STORED_TILE_PX and s % _TILE_STEP_PX == 0 for s in sides):
        return sides
    return (OWN_TILE_PX, OWN_TILE_PX)
