"""Maps of nucleus, edge and depth cut into single objects with outlines and measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from viewer.annotations.shape_numbers import areas
from viewer.inference.basins import joined
from viewer.inference.typed_skimage import find_contours, rgb2hed, watershed
from viewer.overlays.objects import Objects
from viewer.typed.scipy import (
    binary_fill_holes,
    find_objects,
    gaussian_filter,
    label,
    maximum_filter,
    means_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.geometry import Box, Size
    from viewer.slides.source import RgbImage

_LEAST_PROBABILITY = 0.45
_LEAST_DEPTH = 0.25
_DOME_HEIGHT = 0.15
_EDGE_WEIGHT = 0.3
_DEPTH_SMOOTH_PX = 1.4
"""These five were chosen on fields that the bundled model was trained on, not on those it is
measured on."""
_LEAST_PX = 20
_TOLERANCE_PX = 0.35
"""Of the simplified outlines."""
_SMOOTH_PX = 0.8
_NUCLEUS_UM2 = (6.0, 300.0)
"""From a small lymphocyte cut off center to a large tumor nucleus."""
_GIANT_UM2, _GIANT_SOLIDITY, _GIANT_ECCENTRICITY = 1700.0, 0.9, 0.95
"""Up to 46 um across: giant nuclei, and those of fields whose pixel size is guessed too large. They
have to be rounder than most folds and keratin."""
_LEAST_CONFIDENCE = 0.65
"""Of training fields' objects below it, fewer than four in ten were nuclei."""
_LEAST_SOLIDITY = 0.8
_MOST_ECCENTRICITY = 0.98
"""An axis five times the other; fibroblasts' nuclei are about as thin. Tried by eye on one slide of
skin: 0.7 and 0.99 also outline a few more nuclei that touch there, and much more keratin."""

AREA, ECCENTRICITY, HEMATOXYLIN = "Area um2", "Eccentricity", "Haematoxylin OD mean"
CONFIDENCE = "Confidence"
"""Mean probability of nucleus over the pixels of an object."""


def labeled(maps: NDArray[np.float32]) -> NDArray[np.int32]:
    """int32 (h, w): objects from (3, h, w) probabilities of nucleus, edge, depth.

    Watershed over the depth from its domes, as in Naylor et al. 2018 (distance regression). A dome
    stands out above the saddle to the next, so that one nucleus of uneven depth stays one, and two
    small ones that touch are two.
    """
    mask = binary_fill_holes(maps[0] > _LEAST_PROBABILITY)
    ridges = maps[2] - _EDGE_WEIGHT * maps[1]
    depth = np.asarray(gaussian_filter(ridges, _DEPTH_SMOOTH_PX), np.float32)
    peaks, _ = label((depth == maximum_filter(depth, 3)) & mask)
    labels = joined(watershed(-depth, peaks, mask), depth, _is_dome)
    sizes = np.bincount(labels.ravel())
    is_small = sizes < _LEAST_PX
    is_small[0] = False
    labels[is_small[labels]] = 0
    return labels


def _is_dome(low: np.float32, _high: np.float32, saddle: np.float32) -> bool:
    """Return whether the lower of two peaks is a dome of its own."""
    return float(low) - float(saddle) >= _DOME_HEIGHT and float(low) > _LEAST_DEPTH


def clear_outside(labels: NDArray[np.int32], box: Box, slide: Size) -> None:
    """Clear objects, in place, where a block reaches beyond the slide.

    Parameters
    ----------
    box, slide
        What `labels` cover, and the slide's size; level-0 pixels.
    """
    height, width = map(int, labels.shape)
    x = box.x0 + (np.arange(width) + 0.5) * box.width / width
    y = box.y0 + (np.arange(height) + 0.5) * box.height / height
    labels[(y < 0) | (y >= slide.height)] = 0
    labels[:, (x < 0) | (x >= slide.width)] = 0


def objects_of(
    labels: NDArray[np.int32],
    inside_map: NDArray[np.float32] | None,
    picture: RgbImage,
    box: Box,
    core: Box,
    pixel_um: float,
    classes: NDArray[np.uint8] | int = 0,
    *,
    are_nuclei: bool = True,
    features: NDArray[np.float16] | None = None,
) -> Objects:
    """Return the objects whose middle lies in a block, whole also where they reach beyond it.

    Parameters
    ----------
    labels, inside_map, picture
        Of the block with its margin: int32 (h, w), probabilities of being inside an object (h, w),
        where they are known, and uint8 (rows, columns, 3).
    box, core
        What they cover, and the block alone; level-0 pixels.
    pixel_um
        Micrometers per pixel of `labels`.
    classes
        Of each number of `labels`, or of all.
    are_nuclei
        Whether what cannot be a nucleus by its shape is left out.
    features
        Of each number of `labels`, from 0, which are kept with the objects.
    """
    numbers = np.flatnonzero(np.bincount(labels.ravel()))
    numbers = numbers[numbers > 0]
    if not len(numbers):
        return Objects.none()
    shape = _moments(labels, numbers)
    scale = box.width / labels.shape[1]
    centroids = np.stack([shape["x"], shape["y"]], 1) * scale + (box.x0, box.y0)
    slack = scale  # a pixel: what is counted twice for it, the map of objects tells
    inside = (
        (centroids[:, 0] >= core.x0 - slack)
        & (centroids[:, 0] < core.x1 + slack)
        & (centroids[:, 1] >= core.y0 - slack)
        & (centroids[:, 1] < core.y1 + slack)
    )
    rings = _outlines(labels, numbers[inside])
    counts = np.array([len(ring) for ring in rings], np.int64)
    points = np.concatenate(rings) if rings else np.zeros((0, 2))
    taken = numbers[inside]
    measured: dict[str, NDArray[np.floating]] = {
        AREA: shape["area"][inside] * pixel_um**2,
        ECCENTRICITY: shape["eccentricity"][inside],
        HEMATOXYLIN: means_of(_hematoxylin(picture, labels.shape), labels, taken),
    }
    if inside_map is not None:
        measured[CONFIDENCE] = means_of(inside_map, labels, taken)
    objects = Objects(
        (points * scale + (box.x0, box.y0)).astype(np.float32),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
        centroids[inside].astype(np.float32),
        np.full(len(taken), classes, np.uint8) if isinstance(classes, int) else classes[taken],
        {name: np.asarray(each, np.float32).reshape(-1) for name, each in measured.items()},
        features=None if features is None else features[taken],
    )
    return objects.taken(_is_plausible(objects)) if are_nuclei else objects


def _hematoxylin(picture: RgbImage, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the density of hematoxylin at each pixel of a label map of a shape."""
    return rgb2hed(resampled(picture, shape))[..., 0]


def resampled(picture: RgbImage, shape: tuple[int, ...]) -> RgbImage:
    """Return a picture with a pixel for each of a label map's, the nearest one."""
    if picture.shape[:2] == shape:
        return picture
    rows, columns = (
        np.minimum((np.arange(side) + 0.5) * whole / side, whole - 1).astype(np.intp)
        for side, whole in zip(shape, picture.shape[:2], strict=True)
    )
    return picture[rows[:, np.newaxis], columns]


def _moments(
    labels: NDArray[np.int32], numbers: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Area, centroid (pixel centers at halves) and eccentricity of the ellipse of same moments."""
    rows, columns = np.nonzero(labels)
    which = labels[rows, columns]
    y, x = rows + 0.5, columns + 0.5

    def sums(values: NDArray[np.floating[Any]] | None = None) -> NDArray[np.float64]:
        return np.bincount(which, values, int(numbers[-1]) + 1)[numbers].astype(float)

    area = sums()
    mean_x, mean_y = sums(x) / area, sums(y) / area
    xx = sums(x * x) / area - mean_x**2 + 1 / 12
    yy = sums(y * y) / area - mean_y**2 + 1 / 12
    xy = sums(x * y) / area - mean_x * mean_y
    middle, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    ratio = np.clip((middle - spread) / (middle + spread), 0.0, 1.0)
    return {"area": area, "x": mean_x, "y": mean_y, "eccentricity": np.sqrt(1.0 - ratio)}


def _outlines(labels: NDArray[np.int32], numbers: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """Per object its outer ring (k, 2) as x, y in pixels, not closed."""
    places = dict(find_objects(labels))
    rings: list[NDArray[np.float64]] = []
    for number in numbers.tolist():
        rows, columns = places[number]
        mask = np.pad((labels[rows, columns] == number).astype(np.float32), 2)
        # Steps of whole pixels would make outlines ragged; the thinnest objects would vanish.
        smooth = find_contours(gaussian_filter(mask, _SMOOTH_PX), 0.5)
        longest = max(smooth or find_contours(mask, 0.5), key=len)
        rings.append(longest[:, ::-1] + (columns.start - 1.5, rows.start - 1.5))
    simpler = shapely.simplify([shapely.LineString(ring) for ring in rings], _TOLERANCE_PX)
    counts = np.bincount(labels.ravel(), minlength=int(numbers[-1]) + 1 if len(numbers) else 1)
    return [
        _of_area(shapely.get_coordinates(line)[:-1], float(counts[number]))
        for number, line in zip(numbers.tolist(), simpler, strict=True)
    ]


def _of_area(ring: NDArray[np.float64], area: float) -> NDArray[np.float64]:
    """Return a ring (k, 2) scaled round its middle to an area: smoothing takes off some of it."""
    polygon = shapely.Polygon(ring)
    if not polygon.area:
        return ring
    middle = shapely.get_coordinates(polygon.centroid)
    return middle + (ring - middle) * np.sqrt(area / polygon.area)


def _is_plausible(objects: Objects) -> NDArray[np.bool_]:
    """(n,) whether the shape can be a nucleus: folds and keratin are large, thin or ragged."""
    area_um2 = objects.measurements[AREA]
    polygons = np.array([shapely.Polygon(objects.outline(i)) for i in range(len(objects))])
    solidity = areas(polygons) / np.maximum(areas(shapely.convex_hull(polygons)), 1e-9)
    eccentricity = objects.measurements[ECCENTRICITY]
    low_um2, high_um2 = _NUCLEUS_UM2
    is_usual = (solidity >= _LEAST_SOLIDITY) & (eccentricity <= _MOST_ECCENTRICITY)
    is_round = (solidity >= _GIANT_SOLIDITY) & (eccentricity <= _GIANT_ECCENTRICITY)
    is_giant = (area_um2 > high_um2) & (area_um2 <= _GIANT_UM2) & is_round
    is_sure = objects.measurements[CONFIDENCE] >= _LEAST_CONFIDENCE
    return is_sure & (area_um2 >= low_um2) & ((area_um2 <= high_um2) & is_usual | is_giant)
