"""Values of channels as one RGB picture: each in its color, all added up."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.slides.channels import Axes, Channel, Color
    from viewer.slides.source import RgbImage

_GAMMA_STEPS = 4096
_LEAST_SPAN, _MOST_SPAN = 1e-37, 1e37
"""Between the values that are shown as black and as the full color, in 32 bits."""
_EXACT_IN_FLOAT32 = ("uint8", "int8", "uint16", "int16", "float16", "float32")


class ChannelDisplay(msgspec.Struct, frozen=True):
    """How one channel is shown.

    Attributes
    ----------
    low, high
        The stored values that are shown as black and as the full color.
    gamma
        Shares between both are raised to 1 / gamma, so more than 1 lightens.
    """

    color: Color
    low: float
    high: float
    gamma: float = 1.0
    shown: bool = True

    @classmethod
    def first(cls, channel: Channel, *, shown: bool = True) -> ChannelDisplay:
        """Return how a channel is shown before anybody adjusts it."""
        return cls(channel.color, *channel.value_range, shown=shown)


def first_displays(axes: Axes) -> tuple[ChannelDisplay, ...]:
    """Return how all channels of a slide are shown before anybody adjusts them."""
    shown = axes.first_shown
    return tuple(
        ChannelDisplay.first(channel, shown=index in shown)
        for index, channel in enumerate(axes.channels)
    )


def composite(
    planes: Sequence[NDArray[Any]] | NDArray[Any], displays: Sequence[ChannelDisplay]
) -> RgbImage:
    """Return the picture of some channels, uint8 (height, width, 3).

    Parameters
    ----------
    planes
        Stored values of at least one channel, each (height, width) and all of one size.
    displays
        One a channel, whether it says that it is shown or not.
    """
    count = len(planes)
    height, width = planes[0].shape
    shares = np.empty((count, height * width), np.float32)
    for plane, display, share in zip(planes, displays, shares, strict=True):
        _share_of(plane.reshape(-1), display, share)
    if count == 1 and len(set(displays[0].color)) == 1:
        gray = (shares[0] * displays[0].color[0] + 0.5).astype(np.uint8)
        return np.repeat(gray.reshape(height, width, 1), 3, axis=2)
    colors = np.array([display.color for display in displays], np.float32)
    rgb = shares.T @ colors
    rgb += 0.5
    np.minimum(rgb, 255.0, out=rgb)
    return rgb.astype(np.uint8).reshape(height, width, 3)


def _share_of(plane: NDArray[Any], display: ChannelDisplay, out: NDArray[np.float32]) -> None:
    """Fill `out` with 0 for values up to `low` to 1 for values from `high` on; NaN counts as 0."""
    low, high = display.low, display.high
    kind = np.float32 if plane.dtype.name in _EXACT_IN_FLOAT32 else np.float64
    span = (high - low) or 1.0
    if _LEAST_SPAN < span < _MOST_SPAN:
        np.subtract(plane, kind(low), out=out, dtype=kind, casting="unsafe")
        np.multiply(out, np.float32(1 / span), out=out)
    else:  # of which 32 bits hold neither the differences nor the factor
        halves = plane.astype(np.float64) / 2 - low / 2
        np.divide(halves, high / 2 - low / 2 or 0.5, out=out, casting="unsafe")
    np.fmax(out, np.float32(0), out=out)
    np.fmin(out, np.float32(1), out=out)
    if display.gamma != 1.0:
        steps = (out * (_GAMMA_STEPS - 1) + 0.5).astype(np.intp)
        np.take(_gamma_table(display.gamma), steps, out=out, mode="clip")


@lru_cache(maxsize=64)
def _gamma_table(gamma: float) -> NDArray[np.float32]:
    return (np.linspace(0.0, 1.0, _GAMMA_STEPS) ** (1.0 / gamma)).astype(np.float32)
