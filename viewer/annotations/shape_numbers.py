"""Numbers of many shapes at once, by functions of shapely whose types its stubs leave open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from shapely import lib

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    Shapes = NDArray[np.object_]


def areas(shapes: Shapes) -> NDArray[np.float64]:
    """Return the area of each; NaN for None."""
    return lib.area(shapes)


def lengths(shapes: Shapes) -> NDArray[np.float64]:
    """Return the length of each line and the perimeter of each region; NaN for None."""
    return lib.length(shapes)


def dimensions(shapes: Shapes) -> NDArray[np.int32]:
    """Return 2 for each region, 1 for a line, 0 for points; -1 for an empty collection and None."""
    return lib.get_dimensions(shapes)


def dimension(shape: BaseGeometry) -> int:
    """Return 2 for a region, 1 for a line, 0 for points; -1 for an empty collection."""
    return int(lib.get_dimensions(shape))


def largest_dimension(shapes: BaseGeometry | Shapes) -> int:
    """Return the most dimensions that any of the shapes has; -1 without any."""
    return int(np.max(lib.get_dimensions(shapes), initial=-1))


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


def bounds_of_all(
    shapes: Sequence[BaseGeometry] | Shapes,
) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of all together; NaN without any."""
    bounds = lib.bounds(shapes)
    x0, y0 = np.fmin.reduce(bounds[:, :2], initial=np.nan).tolist()
    x1, y1 = np.fmax.reduce(bounds[:, 2:], initial=np.nan).tolist()
    return x0, y0, x1, y1


def boxes_of(bounds: NDArray[np.float64]) -> Shapes:
    """Return (n,) rectangles of (n, 4) left, top, right and bottom."""
    left, top, right, bottom = (bounds[:, side] for side in range(4))
    return shapely.box(left, top, right, bottom)


def shortest_lines(shapes: Shapes, other: BaseGeometry) -> Shapes:
    """Return the shortest line from each to another shape; None for what is empty."""
    return lib.shortest_line(shapes, other)


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
