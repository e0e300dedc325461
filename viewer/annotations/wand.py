"""The region of like color round a place, for the wand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from viewer.annotations.masks.outlines import outlines_of
from viewer.annotations.shape_editing import EmptyShapeError, merged
from viewer.annotations.shape_numbers import areas

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

_SMOOTHING_PX = 2.0
"""Stain varies from nucleus to nucleus; what is meant is the tissue."""
_NEAR_PX = 12
"""Half the side of the square whose colors tell how much the tissue varies."""
_LEAST_SPREAD, _MOST_SPREAD = 2.0, 24.0
"""Of 255; glass hardly varies, a border between two tissues does too much."""
_MOST_FILLED = 0.8
"""Share of the circle above which nothing but the circle bounds the region."""
_MODEST = 3.0
"""The highest sensitivity at which two kinds of tissue are told apart: more is asked for."""
_TISSUE_PX = 4.0
"""Smoothing in which the cells of a tissue are one color, and two tissues are still two."""
_APART = 20.0
"""Of 255, between the lighter and the darker half of a region, from which on it is of two kinds."""


class UnclearError(EmptyShapeError):
    """All that is in reach looks alike, though it is of two kinds."""


def wand_region(picture: NDArray[np.uint8], sensitivity: float) -> BaseGeometry:
    """Return what hangs together with the middle of a picture and looks like it.

    A place belongs to it whose smoothed color lies within `sensitivity` standard deviations of the
    color in the middle; the deviation is that of the colors near the middle. Holes are filled,
    and the region keeps within the circle in the picture, so that no straight border is made up.

    Parameters
    ----------
    picture
        (side, side, 3) uint8, an odd number of pixels a side.

    Returns
    -------
    BaseGeometry
        A polygon in pixels of the picture, whose corner is (0, 0); x to the right, y down.

    Raises
    ------
    EmptyShapeError
        Nothing but a speck looks like it.
    UnclearError
        The region fills the circle and yet goes across two kinds of tissue.
    """
    from viewer.typed.scipy import (
        binary_dilation,
        binary_fill_holes,
        binary_opening,
        gaussian_filter,
        label,
    )

    middle = len(picture) // 2
    plain = picture.astype(np.float32)
    sigmas = (_SMOOTHING_PX, _SMOOTHING_PX, 0)
    smooth = gaussian_filter(plain, sigmas, truncate=3.0)
    nearby = slice(middle - _NEAR_PX, middle + _NEAR_PX + 1)
    near = smooth[nearby, nearby].reshape(-1, 3)
    spread = np.clip(np.sqrt(near.var(0).sum()), _LEAST_SPREAD, _MOST_SPREAD)
    meant, reach = smooth[middle, middle], sensitivity * spread
    rows, columns = np.ogrid[: len(picture), : len(picture)]
    is_within = (rows - middle) ** 2 + (columns - middle) ** 2 < middle**2
    is_alike = (_distance(smooth, meant) <= reach) & is_within
    labels, _ = label(is_alike)
    found = labels == labels[middle, middle]
    fills_circle = found.sum() >= _MOST_FILLED * is_within.sum()
    if fills_circle and sensitivity <= _MODEST and _is_of_two_kinds(plain, found):
        raise UnclearError
    # Smoothing took the rim away: what is alike there by itself comes back.
    rim = binary_dilation(found, iterations=round(2 * _SMOOTHING_PX))
    found |= rim & (_distance(plain, meant) <= reach) & is_within
    mask = binary_fill_holes(found)
    opened = binary_opening(mask)
    return _outlined(opened if opened[middle, middle] else mask)


def _distance(picture: NDArray[np.float32], color: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (side, side) between each pixel's color and another."""
    return np.sqrt(((picture - color) ** 2).sum(2))


def _is_of_two_kinds(picture: NDArray[np.float32], region: NDArray[np.bool_]) -> bool:
    """Return whether a region's colors, smoothed within it, fall into two halves far apart."""
    from viewer.typed.scipy import gaussian_filter

    weight = gaussian_filter(region.astype(np.float32), _TISSUE_PX)
    inside = gaussian_filter(picture * region[..., None], (_TISSUE_PX, _TISSUE_PX, 0))
    colors = inside[region] / weight[region, None]
    centered = colors - colors.mean(0)
    _, axes = np.linalg.eigh(centered.T @ centered)
    along = np.sort(centered @ axes[:, -1])
    # Split where the halves differ most (Otsu 1979).
    counts = np.arange(1, len(along))
    sums = np.cumsum(along)[:-1]
    low, high = sums / counts, (along.sum() - sums) / (len(along) - counts)
    split = int((counts * (len(along) - counts) * (high - low) ** 2).argmax())
    return bool(high[split] - low[split] >= _APART)


def _outlined(mask: NDArray[np.bool_]) -> BaseGeometry:
    """Return the border through the middle of the edge between the pixels in and out."""
    faces, _ = outlines_of(mask.astype(np.uint8))
    if not len(faces):
        raise EmptyShapeError
    largest: shapely.Polygon = faces[areas(faces).argmax()]
    corners = shapely.get_coordinates(shapely.segmentize(largest.exterior, 1.0))
    return merged([shapely.Polygon((corners[:-1] + corners[1:]) / 2)])
