"""Fewer corners on a border that moves no farther than asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from viewer.annotations.pixel_calibration import PixelCalibration

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    Places = NDArray[np.float64]
    """(n, 2) corners."""

_SQUARE = PixelCalibration()
_HALVINGS = 6


def simplified(
    shape: BaseGeometry, tolerance: float, calibration: PixelCalibration = _SQUARE
) -> BaseGeometry:
    """Return a shape with some of the corners, its border nowhere farther than `tolerance` off.

    Parameters
    ----------
    tolerance
        In the calibration's unit. Where borders would cross it is halved until they do not.
    """
    for halving in range(_HALVINGS):
        made = _thinned(shape, tolerance / 2**halving, calibration)
        if made.is_valid:
            return made
    return shape


def _thinned(shape: BaseGeometry, tolerance: float, calibration: PixelCalibration) -> BaseGeometry:
    match shape:
        case shapely.Polygon():
            return _polygon(shape, tolerance, calibration)
        case shapely.LineString():
            return shapely.LineString(_line(shapely.get_coordinates(shape), tolerance, calibration))
        case shapely.MultiPolygon():
            parts = [_polygon(part, tolerance, calibration) for part in shape.geoms]
            return shapely.MultiPolygon(parts)
        case shapely.MultiLineString():
            lines = [shapely.get_coordinates(part) for part in shape.geoms]
            return shapely.MultiLineString([_line(each, tolerance, calibration) for each in lines])
        case _:
            return shape


def _polygon(
    shape: shapely.Polygon, tolerance: float, calibration: PixelCalibration
) -> shapely.Polygon:
    outer, *inner = [
        _line(shapely.get_coordinates(ring), tolerance, calibration)
        for ring in (shape.exterior, *shape.interiors)
    ]
    return shapely.Polygon(outer, inner)


def _line(places: Places, tolerance: float, calibration: PixelCalibration) -> Places:
    """Return the corners of a line, or of a ring, that stay.

    A ring is cut at two corners that stick out, wherever it happens to begin: a corner on a
    straight edge stays for no such reason.
    """
    is_ring = len(places) > 3 and bool((places[0] == places[-1]).all())
    in_units = places * calibration.pixel
    if not is_ring:
        return places[_corners_kept(in_units, tolerance)]
    around, in_units = places[:-1], in_units[:-1]
    first = int(np.hypot(*(in_units - in_units.mean(0)).T).argmax())
    around, in_units = np.roll(around, -first, axis=0), np.roll(in_units, -first, axis=0)
    far = int(np.hypot(*(in_units - in_units[0]).T).argmax())
    if far == 0:
        return places
    there = _corners_kept(in_units[: far + 1], tolerance)
    back = _corners_kept(np.concatenate([in_units[far:], in_units[:1]]), tolerance)
    kept = np.concatenate([there[:-1], back[:-1]])
    if kept.sum() < 3:
        kept[_farthest_from_line(in_units, in_units[0], in_units[far])] = True
    if kept.all():
        return places
    left = around[kept]
    return np.concatenate([left, left[:1]])


def _corners_kept(places: Places, tolerance: float) -> NDArray[np.bool_]:
    """Return which corners of an open line stay; the ends do (Douglas and Peucker)."""
    if len(places) < 3:
        return np.ones(len(places), bool)
    line = shapely.simplify(shapely.LineString(places), tolerance, preserve_topology=False)
    left = shapely.get_coordinates(line)
    # Corners as complex numbers can be looked up.
    return np.isin(places @ (1, 1j), left @ (1, 1j))


def _farthest_from_line(places: Places, a: Places, b: Places) -> int:
    along = b - a
    across = np.abs(along[0] * (places[:, 1] - a[1]) - along[1] * (places[:, 0] - a[0]))
    return int(across.argmax())
