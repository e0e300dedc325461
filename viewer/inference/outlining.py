"""Outlines of a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from viewer.inference.typed_skimage import find_contours
from viewer.typed.scipy import find_objects, gaussian_filter, label

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMOOTH_PX = 0.7
_TOLERANCE_PX = 0.35
_LEAST_PX = 9


def outlines(mask: NDArray[np.bool_]) -> list[list[tuple[float, float]]]:
    """Return the outer rings of the pieces of a mask, x and y in pixels, the largest first."""
    labels, _ = label(mask)
    rings: list[NDArray[np.float64]] = []
    for number, place in find_objects(labels):
        piece = np.pad((labels[place] == number).astype(np.float32), 2)
        if piece.sum() < _LEAST_PX:
            continue
        smooth = find_contours(gaussian_filter(piece, _SMOOTH_PX), 0.5)
        longest = max(smooth or find_contours(piece, 0.5), key=len)
        shift = (place[1].start - 1.5, place[0].start - 1.5)
        ring = shapely.LinearRing(longest[:, ::-1] + shift).simplify(_TOLERANCE_PX)
        rings.append(shapely.get_coordinates(ring)[:-1])
    rings.sort(key=lambda ring: -shapely.Polygon(ring).area)
    return [[(float(x), float(y)) for x, y in ring] for ring in rings]
