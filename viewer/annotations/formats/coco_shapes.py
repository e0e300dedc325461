"""The shapes of COCO's annotations: outlines, run lengths, points and boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import shapely

from viewer.annotations.formats.coco_runs import region_of_runs
from viewer.annotations.formats.foreign_values import parsed_text, place_of, quoted
from viewer.annotations.formats.loose_geometry import corners_of, polygon_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from shapely.geometry.base import BaseGeometry

_BAD = (ValueError, TypeError, KeyError, IndexError, OverflowError, shapely.errors.ShapelyError)
_FEWEST = 6
"""Numbers of an outline."""


def shape_of(told: dict[str, Any], tell: Callable[[str], object]) -> BaseGeometry:
    """Return the finest shape that can be read: the outline, else the points, else the box.

    Raises
    ------
    ValueError
        There is none.
    """
    trouble: list[str] = []
    for read, key in ((_outline, "segmentation"), (_points, "keypoints"), (_box, "bbox")):
        value = parsed_text(told.get(key))
        if value in (None, "", [], {}, [[]]):
            continue
        try:
            shape = read(value, tell)
        except _BAD as error:
            trouble.append(str(error) if type(error) is ValueError else f"its {key} is torn")
            continue
        if trouble:
            tell(f"{trouble[0]}: its {'box' if read is _box else 'points'} was taken")
        return shape
    raise ValueError(trouble[0] if trouble else "it has neither outline nor box")


def _outline(told: Any, tell: Callable[[str], object]) -> BaseGeometry:
    if isinstance(told, dict):
        return region_of_runs(told)
    if not isinstance(told, list | tuple):
        raise ValueError(f"its outline {quoted(told)} is no list")
    if not isinstance(parsed_text(told[0]), list | tuple | dict):
        told = [told]
    elif isinstance(told[0], list | tuple) and len(told[0]) == 2 and len(told) > 2:
        told = [told]  # corners one by one, as a list of pairs
    parts: list[shapely.Polygon] = []
    trouble = ""
    for number, each in enumerate(told, 1):
        try:
            parts.append(_ring(parsed_text(each), tell))
        except _BAD as error:
            trouble = str(error) if type(error) is ValueError else "its outline is torn"
            if len(told) > 1:
                tell(f"part {number} of {len(told)} was left out: {trouble}")
    if not parts:
        raise ValueError(trouble)
    if len(parts) == 1:
        return parts[0]
    whole = shapely.MultiPolygon(parts)
    if whole.is_valid or not all(part.is_valid for part in parts):
        return whole
    return shapely.union_all(parts)


def _ring(flat: Any, tell: Callable[[str], object]) -> shapely.Polygon:
    if flat and isinstance(flat[0], list | tuple | dict):
        corners = corners_of(flat, tell)
    else:
        if len(flat) < _FEWEST:
            raise ValueError("its outline has fewer than three corners")
        if len(flat) % 2:
            tell("the last number of its outline has no partner and was left out")
        corners = corners_of(list(zip(flat[::2], flat[1::2], strict=False)), tell)
    return polygon_of([[*corners, corners[0]]], tell)


def _points(told: Any, tell: Callable[[str], object]) -> BaseGeometry:
    seen = [
        (place_of(x), place_of(y))
        for x, y, mark in zip(told[::3], told[1::3], told[2::3], strict=True)
        if place_of(mark)
    ]
    del tell
    if not seen:
        raise ValueError("none of its points is marked as seen")
    return shapely.Point(seen[0]) if len(seen) == 1 else shapely.MultiPoint(seen)


def _box(told: Any, tell: Callable[[str], object]) -> BaseGeometry:
    if isinstance(told, dict):
        told = [told[key] for key in ("x", "y", "width", "height")]
    if len(told) != 4:
        raise ValueError(f"its box {quoted(told)} has not four numbers")
    x, y, width, height = (place_of(value) for value in told)
    if width == 0 or height == 0:
        raise ValueError("its box has no area")
    if width < 0 or height < 0:
        tell("its box was the wrong way round")
    x0, x1, y0, y1 = min(x, x + width), max(x, x + width), min(y, y + height), max(y, y + height)
    return shapely.box(x0, y0, x1, y1)
