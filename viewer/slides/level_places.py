"""Whether a smaller level shows all of the full size, by what the file says of its pixels.

Levels are shown as the full size made smaller. One that is padded, cropped, moved or smaller along
one side alone would put tissue elsewhere at some zooms.
"""

from __future__ import annotations

LEVELS_LEFT_OUT = (
    "A smaller level of this file does not lie over the whole image, by its pixel size, place or "
    "sides: it is made from the full size instead."
)
_ROUNDED_PX = 2
"""Pixels of a level by which halving with remainders may change where it ends."""
_ROUNDED = 0.01
"""The share of a side by which sizes of pixels are rounded."""


def has_one_step(whole_px: tuple[int, int], level_px: tuple[int, int]) -> bool:
    """Return whether width and height are made smaller alike, but for remainders."""
    steps = [_steps(whole, side) for whole, side in zip(whole_px, level_px, strict=True)]
    return max(least for least, _ in steps) <= min(most for _, most in steps)


def is_over(whole_px: int, side_px: int, step: float, begins_px: float | None = None) -> bool:
    """Return whether a level begins and ends with the full size along an axis.

    Parameters
    ----------
    step
        Full-size pixels that one of the level is.
    begins_px
        Where it begins in the full size, or the middle of its first pixel: writers tell either.
    """
    off_px = max(_ROUNDED_PX * step, _ROUNDED * whole_px)
    is_moved = begins_px is not None and abs(begins_px - (step - 1) / 2) > off_px
    return not is_moved and abs(side_px * step - whole_px) <= off_px


def _steps(whole_px: int, side_px: int) -> tuple[float, float]:
    """Return the least and most full-size pixels that one of a level may be, by its shape."""
    off_px = max(_ROUNDED_PX, _ROUNDED * side_px)
    return whole_px / (side_px + off_px), whole_px / max(side_px - off_px, 0.5)
