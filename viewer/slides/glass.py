"""What the pixels of an overview are: glass, padding, ink, or tissue.

The glass of a slide is known by its own colors: bright or gray, nearly neutral, and flat, often in
more than one shade where a scanner put several areas side by side. Padding is pure black or pure
white without any noise. Ink has hues that no stain has, or is dark, neutral and flat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec
import numpy as np

from viewer.slides.window_sums import window_sums

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage

    Plane = NDArray[np.float32]
    Mask = NDArray[np.bool_]
    Shade = tuple[NDArray[np.float32], float]
    """A color (3,) and the noise round it."""

Channel = TypeVar("Channel", np.uint8, np.float32)

_WHITE, _BLACK = 254, 4
_NEARLY_BLACK = 12
_PADDING_STD = 1.0
_FLAT_SIDE = 5
"""Of the squares in which pixels are compared, pixels."""
_FLAT_STD = 4.0
"""Of 5 x 5 pixels of glass, in gray values: noise and compression."""
_INK_STD = 12.0
_INK_EDGE_PX = 3
_DARK_LIGHT = 64.0
"""Median of what is no padding, below which a slide is fluorescence: its ground is dark."""
_MIN_GLASS_LIGHT = 150.0
_MIN_GLASS_SHARE = 0.002
"""Of the pixels, for a shade to count as one of glass."""
_MAX_NEUTRAL = 10
"""Largest minus smallest channel of glass; more only where it is tinted, never toward pink."""
_MAX_TINTED = 28
_MAX_PINK = 6
_SAME_HUE = 2.0
"""Largest tint between two shades of glass on one slide, gray values."""
_MIN_TOLERANCE = 4.0
_SIGMAS = 3.5
_TISSUE_DENSITY = 0.02
"""Optical density beyond the glass's that is tissue where it is not textured."""
_EMPTY_OTHER_SHARE = 0.02
_EMPTY_TINT = 1.6
"""Mean difference of a cell's channels from those of glass that noise does not explain."""
_BYTES = np.arange(256, dtype=np.float32)
"""All values of a channel: what depends on that alone is worked out for these."""


class Overview(msgspec.Struct, frozen=True):
    """The pixels (height, width, 3), and the classes of them, each (height, width).

    Attributes
    ----------
    is_excluded
        Padding and ink.
    shades
        The colors of glass and the noise of each, brightest first.
    is_dark_ground
        Whether the slide is fluorescence.
    """

    pixels: RgbImage
    is_glass: Mask
    is_excluded: Mask
    is_tissue: Mask
    shades: tuple[Shade, ...] = ()
    is_dark_ground: bool = False


def overview_classes(picture: RgbImage) -> Overview:
    """Tell glass, padding, ink and tissue in a picture of low magnification."""
    # Channel by channel in memory, and each in bytes: so NumPy goes through them soonest.
    pixels = np.moveaxis(np.ascontiguousarray(np.moveaxis(picture, 2, 0)), 0, 2)
    light = _light(pixels)
    deviation = _local_std(light)
    padding = _padding(pixels, deviation)
    rest = light[~padding]
    if not rest.size:
        return Overview(pixels, ~padding, padding, ~padding)
    has_bright = float((rest > _MIN_GLASS_LIGHT).mean()) > 0.01
    if float(np.median(rest)) < _DARK_LIGHT and not has_bright:
        return _fluorescence(pixels)
    # On a bright ground no tissue is black: so thin or ragged padding is found too.
    padding |= _largest(pixels) <= _NEARLY_BLACK
    ink = _ink(pixels, deviation) & ~padding
    excluded = padding | ink
    shades, is_glass = _glass_shades(pixels, light, deviation, excluded)
    # The edge of a stroke mixes ink with glass to the colors of tissue.
    is_tissue = ~is_glass & ~excluded & ~_near_to(ink, 1) & _is_dense(pixels, shades)
    return Overview(pixels, is_glass & ~excluded, excluded, is_tissue, tuple(shades))


def empty_cells(overview: Overview, mean: Callable[[Plane], Plane]) -> Mask:
    """Return the cells that are surely empty: glass, padding or ink, and nothing else.

    Parameters
    ----------
    mean
        The means of a plane's pixels over the cells of a grid.
    """
    other = mean((~(overview.is_glass | overview.is_excluded)).astype(np.float32))
    excluded = mean(overview.is_excluded.astype(np.float32))
    share = np.maximum(1 - excluded, 1e-6)
    left = (~overview.is_excluded).astype(np.float32)
    planes = [mean(overview.pixels[..., i] * left) / share for i in range(3)]
    colors = np.stack(planes, -1).astype(np.float32)
    tint = np.full(other.shape, 0.0 if overview.is_dark_ground else np.inf, np.float32)
    for color, _ in overview.shades:
        tint = np.minimum(tint, _tint(colors - color))
    is_glass = (other <= _EMPTY_OTHER_SHARE * share) & (tint <= _EMPTY_TINT)
    return is_glass | (excluded >= 1 - _EMPTY_OTHER_SHARE)


def _padding(pixels: RgbImage, deviation: Plane) -> Mask:
    """Return what is pure black or white, without noise."""
    is_black, is_white = _largest(pixels) <= _BLACK, _smallest(pixels) >= _WHITE
    return (is_black | is_white) & (deviation <= _PADDING_STD)


def _fluorescence(pixels: RgbImage) -> Overview:
    """Light on a dark ground: what is brighter than the ground's own noise."""
    strongest = _largest(pixels).astype(np.float32)
    low = strongest[strongest <= np.median(strongest)]
    ground = float(np.percentile(low, 20))
    noise = float(1.4826 * np.median(np.abs(low - np.median(low))))
    is_ground = strongest <= ground + max(_MIN_TOLERANCE / 2, _SIGMAS * noise)
    nothing = np.zeros(is_ground.shape, bool)
    return Overview(pixels, is_ground, nothing, ~is_ground, is_dark_ground=True)


def _ink(pixels: RgbImage, deviation: Plane) -> Mask:
    """Pen on glass: green, blue, red or black without the texture of tissue."""
    red, green, blue = _signed(pixels)
    lightest, darkest = _largest(pixels), _smallest(pixels)
    is_green = (green > red + 25) & (green > blue + 12)
    is_blue = (blue > red + 60) & (blue > green + 35) & (red < 110)
    is_red = (red > green + 115) & (red > blue + 100)
    is_black = (lightest < 70) & (lightest - darkest < 22)
    is_hued = is_green | is_blue | is_red | is_black
    # No stain is green; the other hues are ink where they are flat, and beside that.
    core = is_green | is_hued & (deviation < _INK_STD)
    return core | is_hued & _near_to(core, _INK_EDGE_PX)


def _glass_shades(
    pixels: RgbImage, light: Plane, deviation: Plane, excluded: Mask
) -> tuple[list[Shade], Mask]:
    """Return the colors (3,) of the slide's glass, brightest first, with the noise of each.

    And the pixels that are near one of them.
    """
    spread = _largest(pixels) - _smallest(pixels)
    red, green, blue = _signed(pixels)
    fits = (deviation <= _FLAT_STD) & ~excluded & (light >= _MIN_GLASS_LIGHT)
    fits &= (spread <= _MAX_TINTED) & (red + blue - 2 * green <= 2 * _MAX_PINK)
    neutral = fits & (spread <= _MAX_NEUTRAL)
    shades: list[Shade] = []
    is_glass = np.zeros(light.shape, bool)
    for chosen in (neutral, fits):
        left = chosen
        while (found := _brightest_shade(pixels, light, left, excluded)) is not None:
            near = _near(pixels, found)
            left = left & ~near
            # Another scan area may be brighter or darker; of another hue is only a faint stain.
            if not shades or _tint(found[0] - shades[0][0]) <= _SAME_HUE:
                shades.append(found)
                is_glass |= near
        if shades:
            break
    return shades, is_glass


def _brightest_shade(pixels: RgbImage, light: Plane, chosen: Mask, excluded: Mask) -> Shade | None:
    """Return the brightest mode among the chosen pixels that is common enough, or None."""
    counts = np.bincount(light[chosen].astype(np.uint8), minlength=256)
    wide = np.convolve(counts, np.ones(5, int), "same")
    least = max(_MIN_GLASS_SHARE * float((~excluded).sum()), 20.0)
    common = np.flatnonzero(wide >= least)
    if not common.size:
        return None
    # Climb from the brightest common value to the top of its mode.
    top = int(common[-1])
    while top > 0 and wide[top - 1] > wide[top]:
        top -= 1
    near = chosen & (np.abs(light - top) <= 3)
    if not near.any():
        return None
    often = [np.bincount(pixels[..., channel][near], minlength=256) for channel in range(3)]
    color = np.array([_median(_BYTES, each) for each in often], np.float32)
    away = np.abs(_BYTES - color[:, np.newaxis]).ravel()
    return color, float(1.4826 * _median(away, np.concatenate(often)))


def _median(values: Plane, counts: NDArray[np.int64]) -> np.float32:
    """Return the median of values of which each is there so many times."""
    order = np.argsort(values)
    ends = counts[order].cumsum()
    middles = np.searchsorted(ends, [(ends[-1] - 1) // 2, ends[-1] // 2], "right")
    return values[order[middles]].mean(dtype=np.float32)


def _near(pixels: RgbImage, shade: Shade) -> Mask:
    color, noise = shade
    tolerance = max(_MIN_TOLERANCE, _SIGMAS * noise)
    is_near = np.ones(pixels.shape[:2], bool)
    for channel, value in enumerate(color):
        steps = np.flatnonzero(np.abs(_BYTES - value) <= tolerance + 1).astype(np.uint8)
        is_near &= (pixels[..., channel] >= steps[0]) & (pixels[..., channel] <= steps[-1])
    return is_near


def _tint(difference: Plane) -> Plane:
    """Return how far a difference of colors (..., 3) is from one of brightness alone."""
    return _largest(np.abs(difference - _mean(difference)[..., None]))


def _is_dense(pixels: RgbImage, shades: list[Shade]) -> Mask:
    """Return what absorbs more than glass does; all where the slide shows no glass."""
    if not shades:
        return np.ones(pixels.shape[:2], bool)
    is_dense = np.zeros(pixels.shape[:2], bool)
    for channel, value in enumerate(shades[-1][0]):
        density = np.log10(np.maximum(value, 1) / np.maximum(_BYTES, 1))
        is_dense |= pixels[..., channel] < np.count_nonzero(density > _TISSUE_DENSITY)
    return is_dense


# NumPy reduces a last axis of three slowly: several times as slowly as channel by channel.


def _largest(colors: NDArray[Channel]) -> NDArray[Channel]:
    """Return the largest channel of colors (..., 3)."""
    return np.maximum(np.maximum(colors[..., 0], colors[..., 1]), colors[..., 2])


def _smallest(colors: NDArray[Channel]) -> NDArray[Channel]:
    """Return the smallest channel of colors (..., 3)."""
    return np.minimum(np.minimum(colors[..., 0], colors[..., 1]), colors[..., 2])


def _mean(colors: Plane) -> Plane:
    """Return the mean channel of colors (..., 3)."""
    return (colors[..., 0] + colors[..., 1] + colors[..., 2]) / np.float32(3)


def _light(pixels: RgbImage) -> Plane:
    """Return the mean channel of pixels (height, width, 3)."""
    sums = np.add(pixels[..., 0], pixels[..., 1], dtype=np.uint16)
    sums += pixels[..., 2]
    return sums.astype(np.float32) / np.float32(3)


def _signed(pixels: RgbImage) -> NDArray[np.int16]:
    """Return the channels (3, height, width) as numbers that can be taken from one another."""
    return np.moveaxis(pixels, 2, 0).astype(np.int16)


def _local_std(light: Plane) -> Plane:
    """Return the standard deviation of 5 x 5 pixels around each."""
    mean, square = _box_mean(light), _box_mean(light * light)
    return np.sqrt(np.maximum(square - mean * mean, 0))


def _near_to(mask: Mask, radius: int) -> Mask:
    """Return the pixels within `radius` of one that is set."""
    down = mask.copy()
    for step in range(1, radius + 1):
        down[step:] |= mask[:-step]
        down[:-step] |= mask[step:]
    near = down.copy()
    for step in range(1, radius + 1):
        near[:, step:] |= down[:, :-step]
        near[:, :-step] |= down[:, step:]
    return near


def _box_mean(values: Plane) -> Plane:
    padded = np.pad(values.astype(np.float64), _FLAT_SIDE // 2, mode="edge")
    return (window_sums(padded, _FLAT_SIDE, _FLAT_SIDE) / _FLAT_SIDE**2).astype(np.float32)
