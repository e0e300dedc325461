"""Channels of a slide as the colors that a model is fed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from viewer.slides.composites import ChannelDisplay, composite
from viewer.slides.lent_source import LentSource
from viewer.slides.lost_tiles import EVERY_VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.slides.channels import Color
    from viewer.slides.errors import TileError
    from viewer.slides.lost_tiles import ShownValues
    from viewer.slides.source import RgbImage, SlideSource

_GRAY: tuple[Color, ...] = ((255, 255, 255),)
_RGB: tuple[Color, ...] = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


def as_fed(source: SlideSource, names: Sequence[str]) -> SlideSource:
    """Return a slide whose tiles are the channels of these names; the slide itself for none.

    Each is stretched from its `value_range` to 0 to 255, one channel as gray, three as red, green
    and blue.

    Parameters
    ----------
    names
        Of channels that the slide has.
    """
    return ChannelColors(source, names) if names else source


class ChannelColors(LentSource):
    """One or three channels of a slide as colors; the slide is closed by who opened it."""

    def __init__(self, source: SlideSource, names: Sequence[str]) -> None:
        super().__init__(source)
        known = [channel.name for channel in source.info.axes.channels]
        self._channels = tuple(known.index(name) for name in names)
        channels = [source.info.axes.channels[index] for index in self._channels]
        colors = _GRAY if len(channels) == 1 else _RGB
        self._displays = [
            ChannelDisplay(color, *channel.value_range)
            for channel, color in zip(channels, colors, strict=True)
        ]

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        values = self._source.read_channels(level, column, row, self._channels)
        return composite(values, self._displays)

    def lost_in(
        self, level: int, column: int, row: int, values: ShownValues = EVERY_VALUE
    ) -> list[TileError]:
        return super().lost_in(level, column, row, replace(values, channels=self._channels))
