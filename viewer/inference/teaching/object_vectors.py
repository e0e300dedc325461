"""What is known of each object as a row of numbers: measurements, outline and pooled features."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from viewer.overlays.object_map import outline_areas
from viewer.overlays.objects import UNLIKE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.overlays.objects import Objects

FEATURES_VERSION = 1
"""Of all that makes the numbers; raised with every change of them. What was taught on others is
refused."""
POOLED = "Feature "
"""Before the numbers of the features that are pooled in each object."""
_LEFT_OUT = (UNLIKE, "Classification probability")
"""Measurements that say nothing of an object itself."""
_LEAST_AREA = 1e-3
_OUTLINE = ("Outline: Circularity", "Outline: Length ratio")
_AREAS = ("Area um2", "Nucleus: Area µm^2", "Cell: Area µm^2")
"""Measurements that are told by their logarithm, too: of sizes, ratios count."""


def object_vectors(objects: Objects) -> tuple[list[str], NDArray[np.float32]]:
    """Return the name of each of d numbers, and the numbers (n, d); NaN where one is not known."""
    columns = {
        name: column for name, column in objects.measurements.items() if name not in _LEFT_OUT
    }
    for name in _AREAS:
        if name in columns:
            columns[f"Log {name}"] = np.log(np.maximum(columns[name], _LEAST_AREA))
    columns |= dict(zip(_OUTLINE, _of_outlines(objects), strict=True))
    if objects.features is not None:
        columns |= {
            f"{POOLED}{index}": column for index, column in enumerate(objects.features.T, 1)
        }
    vectors = np.stack([np.asarray(each, np.float32) for each in columns.values()], 1)
    vectors[~np.isfinite(vectors)] = np.nan
    return list(columns), vectors


def _of_outlines(objects: Objects) -> tuple[NDArray[np.floating], ...]:
    """Return (n,) circularity, and the ratio of the shorter axis to the longer.

    Neither hangs on the pixel size.
    """
    counts = np.diff(objects.starts)
    if not len(objects) or not counts.all():
        nothing = np.full(len(objects), np.nan, np.float32)
        return nothing, nothing
    areas = np.maximum(outline_areas(objects), 1e-6)
    points = objects.points.astype(np.float64)
    firsts = objects.starts[:-1]
    following = np.roll(points, -1, 0)
    following[objects.starts[1:] - 1] = points[firsts]
    lengths = np.add.reduceat(np.hypot(*(following - points).T), firsts)
    circularity = 4 * math.pi * areas / np.maximum(lengths, 1e-6) ** 2
    middles = np.add.reduceat(points, firsts) / counts[:, None]
    x, y = (points - np.repeat(middles, counts, 0)).T
    xx, yy, xy = (np.add.reduceat(each, firsts) / counts for each in (x * x, y * y, x * y))
    half, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    ratio = np.sqrt(np.maximum(half - spread, 0) / np.maximum(half + spread, 1e-9))
    return circularity, ratio
