"""Regions of XML: corners with decimal points or commas, and the shapes that they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import shapely
from shapely import affinity

from viewer.annotations.formats.foreign_values import number_of
from viewer.annotations.formats.loose_geometry import corners_of, polygon_of
from viewer.annotations.formats.problems import Problem, repair_teller
from viewer.annotations.sound_geometry import is_sound, repaired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.formats.loose_geometry import Corner
    from viewer.annotations.formats.lxml_elements import XmlElement

_SEGMENTS = 16
"""Of a quarter of an ellipse that the file tells by two corners."""


def corners_in(
    places: Iterable[XmlElement], tell: Callable[[str], object], order: str = ""
) -> list[Corner]:
    """Return the corners of elements with X and Y, in the order of an attribute where one has it.

    Raises
    ------
    ValueError
        There are none, or they are no places.
    """
    placed = list(places)
    if not placed:
        raise ValueError("it has no coordinates")
    if order:
        try:
            placed.sort(key=lambda each: number_of(each.get(order)))
        except ValueError:
            tell("the order of its corners was not read: they are taken as they stand")
    return corners_of([[_value(each, "X"), _value(each, "Y")] for each in placed], tell)


def _value(place: XmlElement, name: str) -> str | None:
    return place.get(name, place.get(name.lower()))


def box_of(corners: list[Corner]) -> BaseGeometry:
    """Return the box around corners, of which two are enough. Raises ValueError."""
    (x0, y0), (x1, y1) = _extent(corners)
    if x0 == x1 or y0 == y1:
        raise ValueError("its box has no area")
    return shapely.box(x0, y0, x1, y1)


def ellipse_of(corners: list[Corner]) -> BaseGeometry:
    """Return the ellipse in the box around corners. Raises ValueError."""
    (x0, y0), (x1, y1) = _extent(corners)
    if x0 == x1 or y0 == y1:
        raise ValueError("its ellipse has no area")
    circle = shapely.Point(0, 0).buffer(1, quad_segs=_SEGMENTS)
    wide = affinity.scale(circle, (x1 - x0) / 2, (y1 - y0) / 2, origin=(0, 0))
    return affinity.translate(wide, (x0 + x1) / 2, (y0 + y1) / 2)


def points_of(corners: list[Corner]) -> BaseGeometry:
    """Return a point, or several."""
    return shapely.Point(corners[0]) if len(corners) == 1 else shapely.MultiPoint(corners)


def line_of(corners: list[Corner], tell: Callable[[str], object]) -> BaseGeometry:
    """Return a line; of a single corner a point, which is reported."""
    if len(set(corners)) > 1:
        return shapely.LineString(corners)
    tell("a line of one corner, which is a point now")
    return shapely.Point(corners[0])


def region_of(corners: list[Corner]) -> BaseGeometry:
    """Return the region within corners, which these formats do not close. Raises ValueError."""
    return polygon_of([[*corners, corners[0]]], lambda _: None)


def _extent(corners: list[Corner]) -> tuple[Corner, Corner]:
    if len(corners) < 2:
        raise ValueError("its box has one corner only")
    xs, ys = zip(*corners, strict=True)
    return (min(xs), min(ys)), (max(xs), max(ys))


def sound_geometry(
    element: XmlElement,
    geometry_in: Callable[[XmlElement, Callable[[str], object]], BaseGeometry],
    number: int,
    problems: list[Problem],
) -> BaseGeometry | None:
    """Return the valid geometry of an element; None where it has none, which is said.

    Parameters
    ----------
    geometry_in
        Reads it, given what to call with the reason of each repair; raises ValueError.
    """
    tell = repair_teller(number, problems)
    try:
        geometry = geometry_in(element, tell)
        if not is_sound(geometry):
            geometry = repaired(geometry)
            tell("its edges crossed")
    except (ValueError, shapely.errors.ShapelyError) as error:
        problems.append(Problem(number, str(error)))
        return None
    return geometry
