"""Which levels of an OME-Zarr lie over all of the full size, by its scales and translations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec.structs import replace

from viewer.slides.level_places import LEVELS_LEFT_OUT, has_one_step, is_over

if TYPE_CHECKING:
    from viewer.slides.ngff.images import NgffImage, NgffLevel


def with_placed_levels(image: NgffImage) -> tuple[NgffImage, str]:
    """Return an image with the levels that show all of its full size, and a note on others."""
    first, *smaller = image.levels
    x, y = image.axes.index("x"), image.axes.index("y")
    # Scales that are all alike tell of no level; only what shapes tell is left.
    is_told = any(each.scale[at] != first.scale[at] for each in smaller for at in (x, y))
    whole = first.array.shape
    kept = [
        each
        for each in smaller
        if has_one_step((whole[x], whole[y]), (each.array.shape[x], each.array.shape[y]))
        and all(_is_over(first, each, at, is_told=is_told) for at in (x, y))
    ]
    if len(kept) == len(smaller):
        return image, ""
    return replace(image, levels=(first, *kept)), LEVELS_LEFT_OUT


def _is_over(first: NgffLevel, level: NgffLevel, at: int, *, is_told: bool) -> bool:
    whole, side = first.array.shape[at], level.array.shape[at]
    unit, told = first.scale[at], level.scale[at]
    if not (0 < unit < math.inf and 0 < told < math.inf):
        return True
    begins_px = (level.translation[at] - first.translation[at]) / unit
    return is_over(whole, side, told / unit if is_told else whole / side, begins_px)
