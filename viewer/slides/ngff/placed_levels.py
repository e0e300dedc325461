"""Which levels of an OME-Zarr show all of the full size, by what the file says of their places.

Levels are shown as the full size made smaller. One that is padded, cropped, moved or smaller along
one side alone would put tissue elsewhere at some zooms.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from viewer.slides.ngff.images import NgffImage, NgffLevel

LEVELS_LEFT_OUT = (
    "A smaller level of this file does not lie over the whole image, by its scale, translation or "
    "sides: it is made from the full size instead."
)
_ROUNDED_PX = 2
"""Pixels of a level by which halving with remainders may change where it ends."""
_ROUNDED = 0.01
"""The share of a side by which scales are rounded."""


def with_placed_levels(image: NgffImage) -> tuple[NgffImage, str]:
    """Return an image with the levels that show all of its full size, and a note on others."""
    first, *smaller = image.levels
    sides = [image.axes.index(axis) for axis in "xy"]
    # Scales that are all alike tell of no level; only what shapes tell is left.
    is_told = any(each.scale[at] != first.scale[at] for each in smaller for at in sides)
    kept = [each for each in smaller if _is_placed(first, each, sides, is_told=is_told)]
    if len(kept) == len(smaller):
        return image, ""
    return replace(image, levels=(first, *kept)), LEVELS_LEFT_OUT


def _is_placed(first: NgffLevel, level: NgffLevel, sides: list[int], *, is_told: bool) -> bool:
    by_shape = [_steps(first, level, at) for at in sides]
    if max(least for least, _ in by_shape) > min(most for _, most in by_shape):
        return False
    return all(_is_over(first, level, at, is_told=is_told) for at in sides)


def _steps(first: NgffLevel, level: NgffLevel, at: int) -> tuple[float, float]:
    """Return the least and most full-size pixels that one of a level may be, by its shape."""
    whole, side = first.array.shape[at], level.array.shape[at]
    return whole / (side + _ROUNDED_PX), whole / max(side - _ROUNDED_PX, 0.5)


def _is_over(first: NgffLevel, level: NgffLevel, at: int, *, is_told: bool) -> bool:
    """Return whether a level begins and ends with the full size along an axis."""
    whole, side = first.array.shape[at], level.array.shape[at]
    unit, told = first.scale[at], level.scale[at]
    if not (0 < unit < math.inf and 0 < told < math.inf):
        return True
    step = told / unit if is_told else whole / side
    off_px = max(_ROUNDED_PX * step, _ROUNDED * whole)
    begins_px = (level.translation[at] - first.translation[at]) / unit
    # Writers tell where a level begins, or the middle of its first pixel.
    return abs(side * step - whole) <= off_px and abs(begins_px - (step - 1) / 2) <= off_px
