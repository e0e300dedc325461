"""Numbers of many shapes at once, by functions of shapely whose types its stubs leave open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from shapely import lib

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    Shapes = NDArray[np.object_]


def type_ids(shapes: Shapes) -> NDArray[np.int32]:
    """Return the `shapely.GeometryType` of each; -1 for None."""
    return lib.get_type_id(shapes)


def part_counts(shapes: Shapes) -> NDArray[np.int32]:
    """Return how many parts each has; 0 for None."""
    return lib.get_num_geometries(shapes)


def hole_counts(shapes: Shapes) -> NDArray[np.int32]:
    """Return how many holes each region has; 0 for what is none."""
    return lib.get_num_interior_rings(shapes)


def place_counts(shapes: Shapes) -> NDArray[np.int32]:
    """Return how many places each is made of; 0 for None."""
    return lib.get_num_coordinates(shapes)


def bounds_of(shapes: Shapes) -> NDArray[np.float64]:
    """Return (n, 4) left, top, right and bottom of each; NaN for None and what is empty."""
    return lib.bounds(shapes)


def first_parts(shapes: Shapes) -> Shapes:
    """Return the first part of each; None for what has none."""
    return lib.get_geometry(shapes, 0)


def outer_rings(shapes: Shapes) -> Shapes:
    """Return the ring around each region; None for what is none."""
    return lib.get_exterior_ring(shapes)


def laid_on_grid(geometry: BaseGeometry, grid_px: float) -> BaseGeometry:
    """Return the same place with x and y alone, which are whole numbers of the grid's size.

    Raises
    ------
    shapely.errors.ShapelyError
        Its edges cross so that it cannot be laid on the grid.
    """
    return lib.set_precision(lib.force_2d(geometry), grid_px, np.intc(0))
