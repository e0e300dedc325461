"""Outlines of the areas of equal value in a picture of labels, along the edges of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Shapes = NDArray[np.object_]


def outlines_of(labels: NDArray[Any]) -> tuple[Shapes, NDArray[Any]]:
    """Polygons of the areas that hang together by edges, and their values; 0 is background.

    Parameters
    ----------
    labels
        (height, width); the polygons are in its pixels, the top left corner at 0, 0.
    """
    padded = np.pad(labels, 1)
    differs_above = padded[:-1, 1:-1] != padded[1:, 1:-1]
    differs_left = padded[1:-1, :-1] != padded[1:-1, 1:]
    is_corner = _touches(differs_above, 1) & _touches(differs_left, 0)
    across = _segments(differs_above, is_corner)
    down = _segments(differs_left.T, is_corner.T)[:, :, ::-1]
    if not len(across):
        return np.zeros(0, object), np.zeros(0, labels.dtype)
    lines = shapely.linestrings(np.concatenate([across, down]).astype(float))
    faces = shapely.get_parts(shapely.polygonize(np.asarray(lines)))
    inside = np.floor(shapely.get_coordinates(shapely.point_on_surface(faces))).astype(int)
    values = labels[inside[:, 1], inside[:, 0]]
    return faces[values != 0], values[values != 0]


def joined(shapes: list[BaseGeometry]) -> BaseGeometry:
    """One region of the parts that met at the edges of tiles, without corners on straight edges."""
    return shapely.simplify(shapely.union_all(shapes), 0.0)


def _touches(edges: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """At which of the corners of pixels an edge begins or ends."""
    none = np.zeros_like(edges.take([0], axis))
    return np.concatenate([none, edges], axis) | np.concatenate([edges, none], axis)


def _segments(edges: NDArray[np.bool_], is_corner: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n, 2, 2) begin and end, x and y, of edges between corners in a row."""
    rows, begins = np.nonzero(edges & is_corner[:, :-1])
    _, ends = np.nonzero(edges & is_corner[:, 1:])
    return np.stack([np.stack([begins, rows], 1), np.stack([ends + 1, rows], 1)], 1)
