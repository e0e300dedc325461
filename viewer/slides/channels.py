"""What a slide has beyond color: channels, focal planes, points in time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from viewer.slides.errors import TileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage, SlideSource

Color = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

STORED_TYPES = (
    "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
    "float16", "float32", "float64",
)  # fmt: skip
"""Types of samples that channels may have; single bits are given as uint8."""

MOST_CHANNELS = 4096
_MOST_SHOWN_AT_FIRST, _FEW_SHOWN = 8, 4
_COLORS: tuple[Color, ...] = (
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255),
    (255, 128, 0), (128, 255, 128), (128, 128, 255), (255, 128, 192), (255, 255, 255),
)  # fmt: skip
_DYES: tuple[tuple[str, Color], ...] = (
    (r"DAPI|Hoechst|\bH33\d\d\d|DRAQ", (0, 0, 255)),
    (r"FITC|GFP|Cy\s?2\b|488|Opal\s?520|Fluorescein", (0, 255, 0)),
    (r"YFP|Opal\s?540", (255, 255, 0)),
    (r"TRITC|RFP|Cy\s?3\b|5[5-6]\d\b|mCherry|Rhodamine|Opal\s?570", (255, 128, 0)),
    (r"Texas\s?Red|594|Opal\s?6[0-3]0", (255, 0, 0)),
    (r"Cy\s?5\b|64\d\b|Opal\s?6[5-9]0", (255, 0, 255)),
    (r"Cy\s?7\b|7[5-9]\d\b", (255, 255, 255)),
)
"""Colors in which channels of these dyes are usually shown."""


_NAMED_COLORS: dict[str, Color] = {
    "red": (255, 0, 0),
    "r": (255, 0, 0),
    "green": (0, 255, 0),
    "g": (0, 255, 0),
    "blue": (0, 0, 255),
    "b": (0, 0, 255),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
    "yellow": (255, 255, 0),
}

_TELLS_NOTHING = re.compile(
    r"(channel|chan|ch|c|colou?r|component|band|sample|rgb|r|g|b|red|green|blue)?[\s:_#.-]*[\d:]*",
    re.IGNORECASE,
)
"""Names that the colors of a picture have, or that programs give where nobody named a channel."""


class Channel(msgspec.Struct, frozen=True):
    """One channel of a slide.

    Attributes
    ----------
    name
        No two channels of a slide have the same.
    color
        In which it is shown at first.
    dtype
        The type of the stored samples, one of `STORED_TYPES`.
    value_range
        The smallest and largest stored value, as far as opening has looked; shown as black and as
        the full color at first.
    is_on
        Whether the file has it shown at first.
    """

    name: str
    color: Color
    dtype: str
    value_range: tuple[float, float]
    is_on: bool = True


class ImagePlane(msgspec.Struct, frozen=True):
    """Which focal plane and time point is looked at, counted from 0.

    Attributes
    ----------
    is_projection
        Whether the largest value of all focal planes is shown instead of one plane.
    """

    z: int = 0
    t: int = 0
    is_projection: bool = False


FIRST_PLANE = ImagePlane()


class Axes(msgspec.Struct, frozen=True):
    """The channels, focal planes and time points of a slide.

    Attributes
    ----------
    channels
        Empty where the slide is RGB. An RGB slide may have planes and time points too.
    """

    channels: tuple[Channel, ...] = ()
    z_count: int = 1
    z_spacing_um: float | None = None
    t_count: int = 1
    t_interval_s: float | None = None

    @property
    def is_rgb(self) -> bool:
        """Return whether tiles are colors, against values of channels."""
        return not self.channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of values that `read_channels` gives: one that holds all channels'."""
        if not self.channels:
            return np.dtype(np.uint8)
        return np.result_type(*(np.dtype(channel.dtype) for channel in self.channels))

    @property
    def has_planes(self) -> bool:
        """Return whether there is more than the one plane that `read_tile` gives."""
        return self.z_count > 1 or self.t_count > 1

    @property
    def has_pages(self) -> bool:
        """Return whether there are several channels, planes or time points."""
        return self.has_planes or len(self.channels) > 1

    @property
    def first_shown(self) -> tuple[int, ...]:
        """Return the channels that are shown at first: all of a few, the first of many.

        What the file has off is left out, unless that is all.
        """
        every = range(len(self.channels))
        shown = [index for index in every if self.channels[index].is_on] or every
        return tuple(shown[: None if len(shown) <= _MOST_SHOWN_AT_FIRST else _FEW_SHOWN])


def too_many_channels(count: int) -> str:
    """Return the end of a sentence on a slide with more channels than can be shown."""
    return f"{count:,} channels, more than the {MOST_CHANNELS:,} that can be shown"


def usual_color(name: str, index: int, count: int) -> Color:
    """Return the color of a channel whose file gives none: by its name, else by its place."""
    if (named := _NAMED_COLORS.get(name.strip().casefold())) is not None:
        return named
    for pattern, color in _DYES:
        if re.search(pattern, name, re.IGNORECASE):
            return color
    return (255, 255, 255) if count == 1 else _COLORS[index % len(_COLORS)]


def names_stains(names: Sequence[str]) -> bool:
    """Return whether channels are named as stains are, so that they are no colors of a picture."""
    told = [name.strip().casefold() for name in names]
    is_told = len(set(told)) == len(told) and not any(map(_TELLS_NOTHING.fullmatch, told))
    return is_told or any(
        re.search(pattern, name, re.IGNORECASE) for pattern, _ in _DYES for name in told
    )


def distinct_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return names for channels, none empty and none twice, whatever the file calls them."""
    found: dict[str, None] = {}
    for index, given in enumerate(names):
        name = " ".join(given.split()) or f"Channel {index + 1}"
        plain, number = name, 2
        while name in found:
            name, number = f"{plain} ({number})", number + 1
        found[name] = None
    return tuple(found)


def rgb_channels(
    source: SlideSource, tile: tuple[int, int, int], channels: Sequence[int], z: int, t: int
) -> NDArray[Any]:
    """Return red, green and blue of a tile as channels 0, 1 and 2, uint8 (count, height, width).

    It is the `read_channels` of readers whose slides are RGB and have one plane.

    Parameters
    ----------
    tile
        Level, column and row.

    Raises
    ------
    TileError
        The tile cannot be read.
    """
    if z or t:
        raise TileError(*tile, "the slide has one plane")
    return as_channels(source.read_tile(*tile), channels)


def as_channels(rgb: RgbImage, channels: Sequence[int]) -> NDArray[Any]:
    """Return some of the colors of a picture, (count, height, width), C-contiguous."""
    return np.ascontiguousarray(np.moveaxis(rgb[..., list(channels)], 2, 0))
