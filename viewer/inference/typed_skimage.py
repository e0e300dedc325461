# pyright: basic
# (scikit-image brings no types)
"""The functions of scikit-image that are used, with their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from skimage import color, draw, feature, filters, measure, segmentation

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from viewer.slides.source import RgbImage

    Floats = NDArray[np.float64]
    Labels = NDArray[np.int32]


def watershed(heights: NDArray[np.floating], markers: Labels, mask: NDArray[np.bool_]) -> Labels:
    """Return the basins (height, width) of a mask that are flooded from numbered markers."""
    return np.asarray(segmentation.watershed(heights, markers, mask=mask), np.int32)


def expand_labels(labels: Labels, distance_px: float) -> Labels:
    """Return labels grown by a distance where nothing else is."""
    distance: Any = distance_px  # taken to be an int, as the default is
    return segmentation.expand_labels(labels, distance)


def inner_boundaries(labels: Labels) -> NDArray[np.bool_]:
    """Return the pixels of labels that touch another label or none."""
    return segmentation.find_boundaries(labels, mode="inner")


def find_contours(image: NDArray[np.floating], level: float) -> list[Floats]:
    """Return the lines (k, 2) at a level of an image, as rows and columns."""
    return measure.find_contours(image, level)


def pixels_in(
    rows: ArrayLike, columns: ArrayLike, shape: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns of the pixels within a polygon."""
    return draw.polygon(rows, columns, shape)


def peak_local_max(image: Floats, distance_px: int, least_share: float) -> NDArray[np.intp]:
    """Return rows and columns (n, 2) of peaks, also at the sides, of a share of the highest."""
    return feature.peak_local_max(
        image, min_distance=distance_px, threshold_rel=least_share, exclude_border=False
    )


def threshold_otsu(values: Floats) -> float:
    """Return the threshold that parts values best into two (Otsu 1979)."""
    return float(filters.threshold_otsu(values))


def rgb2hed(picture: RgbImage) -> Floats:
    """Return the densities (height, width, 3) of hematoxylin, eosin and DAB."""
    return color.rgb2hed(picture)


def rgb2lab(picture: RgbImage) -> Floats:
    """Return the colors (height, width, 3) in CIELAB."""
    return color.rgb2lab(picture)
