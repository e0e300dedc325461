"""Paths for Qt from shapes on the slide, many at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from PySide6.QtGui import QPainterPath

from viewer.annotations.kept_geometry import array_of
from viewer.canvas.fast_paths import open_path

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from viewer.geometry import View

    Shapes = NDArray[np.object_]

_TOLERANCE_PX = 0.4
"""How far a painted line may be from the drawn one."""
_POLYGON = 3


class Placing:
    """Where level-0 points land in a picture.

    Parameters
    ----------
    transform
        (m11, m12, m21, m22, dx, dy) in the order that QTransform takes.
    """

    def __init__(self, transform: tuple[float, float, float, float, float, float]) -> None:
        m11, m12, m21, m22, dx, dy = transform
        self._matrix = np.array([[m11, m12], [m21, m22]])
        self._shift = np.array([dx, dy])
        self.per_px = 1.0 / float(np.hypot(m11, m12))
        """Level-0 pixels a logical pixel of the picture."""

    @classmethod
    def of(cls, view: View) -> Placing:
        """On the screen, in logical pixels."""
        return cls(view.transform)

    def points(self, level0: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, 2) in the picture."""
        return level0 @ self._matrix + self._shift


def shapes_path(shapes: Shapes, placing: Placing) -> QPainterPath:
    """Return the borders of regions and the lines among shapes, as one path; points are left out.

    Filled by the winding rule it covers each region whatever others lie over it.
    """
    finer = shapely.simplify(shapes, _TOLERANCE_PX * placing.per_px, preserve_topology=False)
    # What would vanish is a speck: it stays as it is.
    parts = shapely.get_parts(np.where(shapely.is_empty(finer), shapes, finer))
    is_region = shapely.get_type_id(parts) == _POLYGON
    rings = shapely.get_rings(shapely.orient_polygons(parts[is_region]))
    others = parts[~is_region]
    lines = np.concatenate([rings, others[shapely.get_dimensions(others) == 1]])
    points, line_of = shapely.get_coordinates(lines, return_index=True)
    starts = np.searchsorted(line_of, np.arange(len(lines) + 1))
    path = open_path(placing.points(points), starts)
    path.setFillRule(QPainterPath().fillRule().WindingFill)
    return path


def shape_path(shape: BaseGeometry, view: View) -> QPainterPath:
    """Return one shape on the screen, in logical pixels."""
    return shapes_path(array_of([shape]), Placing.of(view))


def places_of(shapes: Shapes) -> NDArray[np.float64]:
    """Return (n, 2) the single points among shapes, level-0 pixels."""
    parts = shapely.get_parts(shapes)
    return shapely.get_coordinates(parts[shapely.get_dimensions(parts) == 0])
