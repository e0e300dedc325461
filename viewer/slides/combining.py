"""Slides of the same field as one slide, each of them a channel or several."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace as replace_fields

from viewer.slides.channels import Axes, Channel, distinct_names, usual_color
from viewer.slides.composites import composite, first_displays
from viewer.slides.errors import SlideError, SlideLostError, TileError, UnsupportedSlideError
from viewer.slides.identity import SlideIdentity
from viewer.slides.lost_tiles import EVERY_VALUE
from viewer.slides.region import read_level
from viewer.slides.slide_key import combined_key
from viewer.slides.source import gone_of, lost_in
from viewer.slides.tile_windows import paste_values, touched

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.channels import Color
    from viewer.slides.lost_tiles import ShownValues
    from viewer.slides.source import Level, RgbImage, SlideInfo, SlideSource
    from viewer.slides.tile_windows import Window

_MOST_LOOKED_AT_PX = 2 << 20
_RGB = (0, 1, 2)


def open_combined(paths: Sequence[Path]) -> CombinedSource:
    """Open slides of the same field as one slide of channels.

    Raises
    ------
    SlideError
        One of them does not open, or they have not the same size.
    """
    from viewer.slides.opener import open_slide

    sources: list[SlideSource] = []
    try:
        for path in paths:
            sources.append(open_slide(path))
        return CombinedSource(sources)
    except BaseException:
        for source in sources:
            source.close()
        raise


class CombinedSource:
    """Channels of several slides; a slide of RGB is one channel, the brightest of its colors.

    Raises
    ------
    UnsupportedSlideError
        There are fewer than two slides, or their sizes, planes or time points differ.
    """

    def __init__(self, sources: Sequence[SlideSource]) -> None:
        self._sources = tuple(sources)
        _check_alike(self._sources)
        first = self._sources[0]
        self.path = first.path
        self.levels: tuple[Level, ...] = tuple(
            level
            for level in first.levels
            if all(_same_level(source, level) is not None for source in self._sources)
        )
        # Of each channel: its slide, and its number there; None for the brightest color.
        self._places: list[tuple[SlideSource, int | None]] = []
        channels: list[Channel] = []
        for source in self._sources:
            found = _channels_of(source)
            is_rgb = source.info.axes.is_rgb
            self._places += [(source, None if is_rgb else index) for index in range(len(found))]
            channels += found
        names = distinct_names([channel.name for channel in channels])
        axes = replace_fields(
            first.info.axes,
            channels=tuple(
                replace_fields(channel, name=name)
                for channel, name in zip(channels, names, strict=True)
            ),
        )
        self.info: SlideInfo = _info(self._sources, axes)
        self._displays = tuple(each for each in first_displays(axes) if each.shown)

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        values = self.read_channels(level, column, row, self.info.axes.first_shown)
        return composite(values, self._displays)

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[Any]:
        grid = self.levels[level]
        width, height = grid.tile_size_px(column, row)
        values = np.empty((len(channels), height, width), self.info.axes.dtype)
        for out, channel in zip(values, channels, strict=True):
            source, number = self._places[channel]
            wanted = _RGB if number is None else (number,)
            left, top = column * grid.tile_width_px, row * grid.tile_height_px
            own = _same_level(source, grid)
            assert own is not None  # `levels` has only such

            def read(at: int, x: int, y: int, source: SlideSource = source,
                     wanted: tuple[int, ...] = wanted) -> NDArray[Any]:  # fmt: skip
                return source.read_channels(at, x, y, wanted, z, t)

            try:
                part = _window(source.levels[own], own, (left, top, width, height), read)
            except SlideLostError:
                raise
            except TileError as error:
                reason = f"{source.path.name}: {error.reason}"
                raise TileError(level, column, row, reason) from error
            out[:] = part.max(0)
        return values

    def lost_in(
        self, level: int, column: int, row: int, values: ShownValues = EVERY_VALUE
    ) -> list[TileError]:
        """Return why parts of a tile are hatched that one of the slides made of others."""
        grid = self.levels[level]
        width, height = grid.tile_size_px(column, row)
        left, top = column * grid.tile_width_px, row * grid.tile_height_px
        errors: list[TileError] = []
        for channel in values.channels or range(len(self._places)):
            source, number = self._places[channel]
            own = _same_level(source, grid)
            assert own is not None  # `levels` has only such
            wanted = replace_fields(values, channels=() if number is None else (number,))
            side = source.levels[own]
            for y in touched(top, height, side.tile_height_px):
                for x in touched(left, width, side.tile_width_px):
                    for error in lost_in(source, own, x, y, wanted):
                        reason = f"{source.path.name}: {error.reason}"
                        errors.append(TileError(level, column, row, reason))
        return list({str(error): error for error in errors}.values())

    def read_associated(self, name: str) -> RgbImage:
        return self._sources[0].read_associated(name)

    @property
    def gone(self) -> str:
        """Return a sentence where a file of them is not in its place any more, else ""."""
        return next((gone for source in self._sources if (gone := gone_of(source))), "")

    def close(self) -> None:
        for source in self._sources:
            source.close()


class _CombinedIdentity(SlideIdentity):
    """A key made of those of all slides; nothing of an earlier version has it."""

    def __init__(self, infos: Sequence[SlideInfo]) -> None:
        self._infos = tuple(infos)

    @property
    def key(self) -> str:
        return combined_key([info.identity for info in self._infos])

    @property
    def part(self) -> str:
        return self.key  # none of the slides alone

    @property
    def former_names(self) -> tuple[str, ...]:
        return ()

    def learn(self) -> None:
        for info in self._infos:
            info.learn_identity()

    def check(self) -> None:
        for info in self._infos:
            info.check_identity()


def _check_alike(sources: Sequence[SlideSource]) -> None:
    if len(sources) < 2:
        path = sources[0].path if sources else None
        assert path is not None
        raise UnsupportedSlideError(path, "Give two slides or more to combine as channels.")
    first = sources[0]
    size = (first.levels[0].width_px, first.levels[0].height_px)
    for other in sources[1:]:
        other_size = (other.levels[0].width_px, other.levels[0].height_px)
        if other_size != size:
            raise UnsupportedSlideError(
                other.path,
                f"{other.path.name} is {other_size[0]:,} x {other_size[1]:,} px and "
                f"{first.path.name} {size[0]:,} x {size[1]:,} px: only slides of the same field, "
                "pixel by pixel, are combined.",
            )
        counts = [(each.info.axes.z_count, each.info.axes.t_count) for each in (first, other)]
        if counts[0] != counts[1]:
            raise UnsupportedSlideError(
                other.path,
                f"{other.path.name} and {first.path.name} have different numbers of focal planes "
                "or time points, so they cannot be combined.",
            )


def _same_level(source: SlideSource, level: Level) -> int | None:
    size = (level.width_px, level.height_px)
    return next(
        (i for i, own in enumerate(source.levels) if (own.width_px, own.height_px) == size), None
    )


def _channels_of(source: SlideSource) -> list[Channel]:
    info = source.info
    name = source.path.name.split(".")[0]
    if not info.axes.is_rgb:
        many = len(info.axes.channels) > 1
        return [
            replace_fields(channel, name=f"{name} {channel.name}" if many else name)
            for channel in info.axes.channels
        ]
    return [Channel(name, _pseudo_color(source, name), "uint8", (0.0, 255.0))]


def _pseudo_color(source: SlideSource, name: str) -> Color:
    """Return the color that a slide of one dye is shown in."""
    smallest = source.levels[-1]
    if smallest.width_px * smallest.height_px > _MOST_LOOKED_AT_PX:
        return usual_color(name, 0, 2)
    try:
        picture = read_level(source, len(source.levels) - 1).reshape(-1, 3)
    except (SlideError, TileError):
        return usual_color(name, 0, 2)
    brightness = picture.max(1)
    bright = picture[brightness >= np.percentile(brightness, 99)].mean(0)
    if bright.max() - bright.min() <= 0.2 * bright.max():
        return usual_color(name, 0, 2)
    red, green, blue = (round(255 * part / bright.max()) for part in bright.tolist())
    return red, green, blue


def _info(sources: Sequence[SlideSource], axes: Axes) -> SlideInfo:
    infos = [source.info for source in sources]
    names = ", ".join(source.path.name for source in sources)
    notes = [note for info in infos for note in info.notes]
    if any(info.icc_profile for info in infos):
        notes.append("The slides' ICC profiles are left out: channels have colors of their own.")
    return replace(
        infos[0],
        reader=f"{infos[0].reader}, {len(sources)} slides combined",
        axes=axes,
        notes=(f"Combined as channels: {names}.", *dict.fromkeys(notes)),
        display_range=None,
        icc_profile=None,
        images=(),
        naming=_CombinedIdentity(infos),
    )


def _window(
    level: Level,
    index: int,
    window: Window,
    read: Callable[[int, int, int], NDArray[Any]],
) -> NDArray[Any]:
    """Return values of a window of a level, from the tiles in it."""
    left, top, width, height = window
    picture: NDArray[Any] | None = None
    for row in touched(top, height, level.tile_height_px):
        for column in touched(left, width, level.tile_width_px):
            tile = read(index, column, row)
            if picture is None:
                picture = np.empty((tile.shape[0], height, width), tile.dtype)
            x, y = column * level.tile_width_px - left, row * level.tile_height_px - top
            paste_values(picture, tile, x, y)
    assert picture is not None  # a window touches at least one tile
    return picture
