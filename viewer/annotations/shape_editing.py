"""What hands do to shapes: pure functions from geometries to geometries, level-0 pixels."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import shapely
from shapely import affinity
from shapely.ops import split as split_geometry

from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.annotations.shape_numbers import areas, dimension, lengths, shortest_lines
from viewer.annotations.sound_geometry import repaired
from viewer.errors import CoverslipError
from viewer.geometry import Point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    _Edit = Callable[[list[Point]], list[Point]]

_ELLIPSE_SEGMENTS = 32
"""Of a quarter; the area of 128 corners is within a twentieth of a percent of the ellipse's."""
_CIRCLE_SEGMENTS = 16
_SQUARE = PixelCalibration()
_SLIVER_PX = 0.005
"""Regions less than about twice as wide are what rounding leaves: no file holds them."""
_PER_PX = 1024.0
_RIGHT_ANGLE = 1e-3
"""How far from 1 the share of the smallest turned rectangle may be that a rectangle fills."""


class EmptyShapeError(CoverslipError):
    """Nothing would be left of a shape."""

    def __str__(self) -> str:
        return "Nothing would be left of it."


class TooThinError(EmptyShapeError):
    """A shape is thinner than a screen pixel."""

    def __str__(self) -> str:
        return "Thinner than a screen pixel: nothing was drawn. Zoom in to draw it."


# New shapes ----------------------------------------------------------------------------------


def ellipse(a: Point, b: Point) -> shapely.Polygon:
    """Return the ellipse in the box with opposite corners `a` and `b`; its bounds are that box."""
    circle = shapely.Point(0, 0).buffer(1.0, quad_segs=_ELLIPSE_SEGMENTS)
    sized = affinity.scale(circle, abs(b.x - a.x) / 2, abs(b.y - a.y) / 2, origin=(0, 0))
    return affinity.translate(sized, (a.x + b.x) / 2, (a.y + b.y) / 2)


def polygon(corners: Sequence[Point]) -> BaseGeometry:
    """Return the region within a line that is drawn round it, crossings mended.

    Raises
    ------
    EmptyShapeError
        The corners enclose nothing.
    """
    if len(corners) < 3:
        raise EmptyShapeError
    return _region(shapely.Polygon(_on_grid(corners)))


def brush_mark(
    places: Sequence[Point], radius: float, calibration: PixelCalibration = _SQUARE
) -> BaseGeometry:
    """Return what a round brush leaves along a line; its radius is in the calibration's unit."""
    line = shapely.LineString(places) if len(places) > 1 else shapely.Point(places[0])
    return grown(line, radius, calibration)


# Shapes and shapes ---------------------------------------------------------------------------


def merged(shapes: Iterable[BaseGeometry]) -> BaseGeometry:
    """Return all that any of them covers; lines and points as they are, in one shape."""
    pieces = [part for shape in shapes for part in parts(shape)]
    if pieces and max(map(dimension, pieces)) < 2:
        return _together(pieces)
    return _kept(shapely.union_all(pieces))


def without(shape: BaseGeometry, others: Iterable[BaseGeometry]) -> BaseGeometry:
    """Return what the others do not cover. Raises EmptyShapeError."""
    return _kept(shapely.difference(shape, shapely.union_all(list(others))))


def common(shapes: Iterable[BaseGeometry]) -> BaseGeometry:
    """Return what all of them cover. Raises EmptyShapeError."""
    return _kept(shapely.intersection_all(list(shapes)))


def split_by(shape: BaseGeometry, line: shapely.LineString) -> list[BaseGeometry]:
    """Return the pieces that a line cuts a region into; one where it does not go right through.

    Together they cover what the region does.
    """
    pieces: list[BaseGeometry] = []
    for part in parts(shape):
        cut = [piece for piece in split_geometry(part, line).geoms if not piece.is_empty]
        # Rings that touch themselves can lose pieces on the way.
        lost = part.difference(shapely.union_all(cut))
        pieces += [*cut, *(piece for piece in parts(lost) if isinstance(piece, shapely.Polygon))]
    kept: list[BaseGeometry] = []
    for piece in pieces:
        with suppress(EmptyShapeError):
            kept.append(_kept(piece))
    return kept


def parts(shape: BaseGeometry) -> list[BaseGeometry]:
    """Return each part of a shape by itself."""
    return shapely.get_parts(shape).tolist()


def without_holes(shape: BaseGeometry) -> BaseGeometry:
    """Return the shape with its holes filled; what has none, such as a line, as it is."""
    pieces = parts(shape)
    if not any(isinstance(part, shapely.Polygon) and part.interiors for part in pieces):
        return shape
    return merged(
        shapely.Polygon(part.exterior) if isinstance(part, shapely.Polygon) else part
        for part in pieces
    )


def grown(
    shape: BaseGeometry, distance: float, calibration: PixelCalibration = _SQUARE
) -> BaseGeometry:
    """Return the shape grown on all sides, or shrunk by a negative distance.

    The distance is in the calibration's unit. Raises EmptyShapeError.
    """
    if calibration.has_square_pixels:
        px = distance / calibration.mean_pixel
        return _kept(shape.buffer(px, quad_segs=_CIRCLE_SEGMENTS))
    in_units = calibration.to_units(shape).buffer(distance, quad_segs=_CIRCLE_SEGMENTS)
    return _kept(calibration.to_pixels(in_units))


def wide_parts(shape: BaseGeometry, least_px: float) -> BaseGeometry:
    """Return the parts of a new shape that are at least so wide somewhere, or so long if lines.

    Raises
    ------
    TooThinError
        There are none.
    """
    pieces = parts(shape)
    kept = [piece for piece in pieces if _is_wide(piece, least_px)]
    if not kept:
        raise TooThinError
    return shape if len(kept) == len(pieces) else _together(kept)


def moved(shape: BaseGeometry, dx: float, dy: float) -> BaseGeometry:
    """Return the shape in another place, valid there too: rounding can make borders cross."""
    return mended(affinity.translate(shape, dx, dy))


def mended(shape: BaseGeometry) -> BaseGeometry:
    """Return the shape itself where it is valid, else the same place without crossing borders."""
    return shape if shape.is_valid else _kept(shape)


# Corners -------------------------------------------------------------------------------------


class Vertex(msgspec.Struct, frozen=True):
    """Which corner of a shape: its part, the ring of that (0 is the outer one), its place there."""

    part: int
    ring: int
    index: int


def corners_of(shape: BaseGeometry) -> list[tuple[Vertex, Point]]:
    """Return all corners; the last of a ring, which repeats the first, is left out."""
    return [
        (Vertex(number, ring, index), Point(x, y))
        for number, part in enumerate(parts(shape))
        for ring, (places, _) in enumerate(_rings(part))
        for index, (x, y) in enumerate(places)
    ]


def with_corner(shape: BaseGeometry, which: Vertex, place: Point) -> BaseGeometry:
    """Return the shape with a corner elsewhere; edges that cross then are mended."""
    return _edited(shape, which, lambda places: _put(places, which.index, place))


def with_new_corner(shape: BaseGeometry, after: Vertex, place: Point) -> BaseGeometry:
    """Return the shape with one more corner behind another."""
    at = after.index + 1
    return _edited(shape, after, lambda places: [*places[:at], place, *places[at:]])


def without_corner(shape: BaseGeometry, which: Vertex) -> BaseGeometry:
    """Return it with one corner less; a hole of three corners goes. Raises EmptyShapeError."""
    at = which.index
    return _edited(shape, which, lambda places: [*places[:at], *places[at + 1 :]])


def nearest_edge(shape: BaseGeometry, place: Point) -> tuple[Vertex, Point, float]:
    """Return the corner that the nearest edge begins at, its nearest point, and the distance."""
    best: tuple[Vertex, Point, float] | None = None
    for number, part in enumerate(parts(shape)):
        for ring, (places, is_closed) in enumerate(_rings(part)):
            line = np.array([*places, places[0]] if is_closed else places, float)
            index, nearest, distance = _nearest_on(line, place)
            if best is None or distance < best[2]:
                best = Vertex(number, ring, index), nearest, distance
    assert best is not None
    return best


def snapped(place: Point, shapes: Iterable[BaseGeometry], reach: float) -> Point:
    """Return the nearest point of a border within `reach`, else the place itself."""
    borders = np.array([shape.boundary if shape.area > 0 else shape for shape in shapes], object)
    if not len(borders):
        return place
    ways = shortest_lines(borders, shapely.Point(place))
    nearest = ways[int(lengths(ways).argmin())]
    (x, y), _ = nearest.coords
    return Point(x, y) if nearest.length <= reach else place


def is_rectangle(shape: BaseGeometry) -> bool:
    """Return whether it has four right angles, turned or not."""
    if not isinstance(shape, shapely.Polygon) or shapely.count_coordinates(shape) != 5:
        return False
    around = shape.minimum_rotated_rectangle.area
    return around > 0 and abs(shape.area / around - 1.0) < _RIGHT_ANGLE


# ---------------------------------------------------------------------------------------------


def _kept(shape: BaseGeometry) -> BaseGeometry:
    """As it may stay: valid, of one kind, not empty."""
    if shape.is_empty:
        raise EmptyShapeError
    if not shape.is_valid or shape.geom_type == "GeometryCollection":
        try:
            shape = repaired(shape)
        except ValueError as error:
            raise EmptyShapeError from error
    return _without_slivers(shape)


def _without_slivers(shape: BaseGeometry) -> BaseGeometry:
    """Without regions that have no width but for rounding. Raises EmptyShapeError."""
    if shape.is_empty:
        raise EmptyShapeError
    if dimension(shape) < 2:
        return shape
    pieces = shapely.get_parts(shape)
    is_solid = areas(pieces) > _SLIVER_PX * lengths(pieces)
    if is_solid.all():
        return shape
    if not is_solid.any():
        raise EmptyShapeError
    return _together(pieces[is_solid].tolist())


def _is_wide(part: BaseGeometry, least_px: float) -> bool:
    match dimension(part):
        case 0:
            return True
        case 1:
            return part.length >= least_px
        case _:
            # The widest circle inside has at least the radius area / perimeter.
            if not part.is_valid:
                return False
            half = least_px / 2 * (1 - 1e-3)  # a shape just as wide keeps something
            return part.area > half * part.length or not part.buffer(-half).is_empty


def _region(shape: BaseGeometry) -> BaseGeometry:
    kept = _kept(shape)
    if dimension(kept) < 2:
        raise EmptyShapeError
    return kept


def _rings(part: BaseGeometry) -> list[tuple[list[Point], bool]]:
    """Corners of each ring or line of one part, and whether the line is closed."""
    if isinstance(part, shapely.Polygon):
        rings = (part.exterior, *part.interiors)
        return [([Point(x, y) for x, y, *_ in ring.coords][:-1], True) for ring in rings]
    return [([Point(x, y) for x, y, *_ in part.coords], False)]


def _on_grid(places: Sequence[Point]) -> NDArray[np.float64]:
    """Return (n, 2) to a thousandth of a pixel: geometry fails with corners that hardly differ."""
    return np.round(np.asarray(places, float) * _PER_PX) / _PER_PX


def _edited(shape: BaseGeometry, which: Vertex, edit: _Edit) -> BaseGeometry:
    before = parts(shape)
    part = before[which.part]
    rings = [places for places, _ in _rings(part)]
    rings[which.ring] = edit(rings[which.ring])
    on_grid = [_on_grid(places) for places in rings if places]
    others = [*before[: which.part], *before[which.part + 1 :]]
    match part:
        case shapely.Polygon():
            outer, *holes = on_grid
            if len(outer) < 3:
                raise EmptyShapeError
            new = _region(shapely.Polygon(outer, [hole for hole in holes if len(hole) > 2]))
        case shapely.LineString():
            if len(rings[0]) < 2:
                raise EmptyShapeError
            new = shapely.LineString(on_grid[0])
        case _:
            new = shapely.Point(rings[0][0]) if rings[0] else None
    if new is None:
        if not others:
            raise EmptyShapeError
        return _together(others)
    if not others:
        return new
    return _together([*before[: which.part], new, *before[which.part + 1 :]])


def _together(pieces: list[BaseGeometry]) -> BaseGeometry:
    """Parts as one shape, in their order where they do not overlap."""
    pieces = [piece for each in pieces for piece in parts(each)]
    if len(pieces) == 1:
        return pieces[0]
    join = _JOINED[pieces[0].geom_type]
    return _kept(join(np.array(pieces, dtype=object)))


_JOINED: dict[str, Callable[[Any], BaseGeometry]] = {
    "Polygon": shapely.multipolygons,
    "LineString": shapely.multilinestrings,
    "Point": shapely.multipoints,
}


def _put(places: list[Point], index: int, place: Point) -> list[Point]:
    return [*places[:index], place, *places[index + 1 :]]


def _nearest_on(line: NDArray[np.float64], place: Point) -> tuple[int, Point, float]:
    """Of a polyline (n, 2): index of the edge, nearest point, distance."""
    if len(line) == 1:
        (x, y) = line[0].tolist()
        return 0, Point(x, y), math.hypot(x - place.x, y - place.y)
    starts, along = line[:-1], np.diff(line, axis=0)
    lengths = np.maximum((along**2).sum(1), 1e-12)
    share = np.clip(((place - starts) * along).sum(1) / lengths, 0.0, 1.0)
    nearest = starts + share[:, None] * along
    distances = np.hypot(*(nearest - place).T)
    index = int(distances.argmin())
    x, y = nearest[index].tolist()
    return index, Point(x, y), float(distances[index])
