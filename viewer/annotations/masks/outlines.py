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
    rows, columns = (np.flatnonzero(labels.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return np.zeros(0, object), np.zeros(0, labels.dtype)
    top, left = int(rows[0]), int(columns[0])
    labels = labels[top : rows[-1] + 1, left : columns[-1] + 1]
    padded = np.pad(labels, 1)
    differs_above = padded[:-1, 1:-1] != padded[1:, 1:-1]
    differs_left = padded[1:-1, :-1] != padded[1:-1, 1:]
    is_corner = _touches(differs_above, 1)
    is_corner &= _touches(differs_left, 0)
    across = _pairs(
        differs_above & is_corner[:, :-1], differs_above & is_corner[:, 1:], (0, 1), by_column=False
    )
    down = _pairs(
        differs_left & is_corner[:-1], differs_left & is_corner[1:], (1, 0), by_column=True
    )
    corners = np.concatenate([across, down]) + np.array((left, top))
    faces = shapely.get_parts(shapely.polygonize(np.asarray(shapely.linestrings(corners))))
    inside = shapely.get_coordinates(shapely.point_on_surface(faces)) - np.array((left, top))
    x, y = np.floor(inside).astype(int).T
    values = labels[y, x]
    return faces[values != 0], values[values != 0]


def joined(shapes: list[BaseGeometry]) -> BaseGeometry:
    """Return one region of the parts that met at edges of tiles, without corners on them."""
    return shapely.simplify(shapely.union_all(shapes), 0.0)


def _touches(edges: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """At which of the corners of pixels an edge begins or ends."""
    none = np.zeros_like(edges.take([0], axis))
    return np.concatenate([none, edges], axis) | np.concatenate([edges, none], axis)


def _pairs(
    begins: NDArray[np.bool_],
    ends: NDArray[np.bool_],
    step: tuple[int, int],
    *,
    by_column: bool,
) -> NDArray[np.float64]:
    """Return (n, 2, 2) begin and end, x and y, of the edges that run from corner to corner.

    In a row, or in a column, they begin and end in turn; an end lies a step behind its pixel.
    """
    found: list[NDArray[np.float64]] = []
    for marks, (down, right) in ((begins, (0, 0)), (ends, step)):
        row, column = np.divmod(np.flatnonzero(marks), marks.shape[1])
        if by_column:
            order = np.argsort(column, kind="stable")
            row, column = row[order], column[order]
        found.append(np.stack([column + right, row + down], 1).astype(np.float64))
    return np.stack(found, 1)
