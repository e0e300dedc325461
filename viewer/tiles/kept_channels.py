"""How channels were adjusted last, by their names, for the next slide that has them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from viewer.access import make_folder
from viewer.files.atomic_write import atomic_write_bytes
from viewer.files.set_aside import kept_json
from viewer.folders import data_folder
from viewer.slides.composites import ChannelDisplay, first_displays
from viewer.tiles.display import GAMMA_RANGE

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.channels import Axes

_MOST_NAMES = 1000


class KeptChannel(msgspec.Struct):
    """The members of `ChannelDisplay`."""

    color: tuple[int, int, int]
    low: float
    high: float
    gamma: float = 1.0
    shown: bool = True
    dtype: str = ""

    def display(self) -> ChannelDisplay:
        """Return it for use. Raises ValueError where a number cannot be."""
        if not all(0 <= part <= 255 for part in self.color):
            raise ValueError(f"{self.color} is no color")
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"{self.low} to {self.high} is no range")
        if not GAMMA_RANGE[0] <= self.gamma <= GAMMA_RANGE[1]:
            raise ValueError(f"{self.gamma} is no gamma")
        return ChannelDisplay(self.color, self.low, self.high, self.gamma, self.shown)


def kept_channel(display: ChannelDisplay, dtype: str = "") -> KeptChannel:
    """Return a display as it is written."""
    return KeptChannel(
        display.color, display.low, display.high, display.gamma, display.shown, dtype
    )


def displays_by_name(axes: Axes) -> tuple[ChannelDisplay, ...] | None:
    """Return how channels of these names were adjusted last; None where none of them was.

    Ranges are taken over from channels of the same type of values only.
    """
    kept = _load()
    found = list(first_displays(axes))
    has_known = False
    for index, channel in enumerate(axes.channels):
        known = kept.get(channel.name)
        if known is None:
            continue
        try:
            display = known.display()
        except ValueError:
            continue
        if known.dtype != channel.dtype:
            low, high = channel.value_range
            display = replace(display, low=low, high=high)
        found[index], has_known = display, True
    if not has_known or not any(display.shown for display in found):
        return None
    return tuple(found)


def remember_channels(axes: Axes, displays: tuple[ChannelDisplay, ...]) -> None:
    """Keep how channels are adjusted, for the next slide with channels of their names.

    Raises
    ------
    OSError
        It cannot be written.
    """
    if len(displays) != len(axes.channels):
        return
    kept = _load()
    for channel, display in zip(axes.channels, displays, strict=True):
        kept.pop(channel.name, None)
        kept[channel.name] = kept_channel(display, channel.dtype)
    names = list(kept)[-_MOST_NAMES:]
    make_folder(_path().parent)
    atomic_write_bytes(_path(), msgspec.json.encode({name: kept[name] for name in names}))


def _load() -> dict[str, KeptChannel]:
    return kept_json(_path(), dict[str, KeptChannel], "How channels were adjusted") or {}


def _path() -> Path:
    return data_folder() / "display" / "channels.json"
