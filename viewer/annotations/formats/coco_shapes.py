"""The shapes of COCO's annotations: outlines, run lengths, points and boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import shapely

from viewer.annotations.formats.coco_runs import region_of_runs
from viewer.annotations.formats.foreign_values import parsed_text, place_of, quoted
from viewer.annotations.formats.loose_geometry import corners_of, polygon_of
from viewer.annotations.sound_geometry import is_sound
from viewer.untyped import is_mapping, is_sequence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shapely.geometry.base import BaseGeometry

_BAD = (ValueError, TypeError, KeyError, IndexError, OverflowError, shapely.errors.ShapelyError)
_FEWEST = 6
"""Numbers of an outline."""


def shape_of(stated: dict[str, object], tell: Callable[[str], object]) -> BaseGeometry:
    """Return the finest shape that can be read: the outline, else the points, else the box.

    Raises
    ------
    ValueError
        There is none.
    """
    trouble: list[str] = []
    for read, key in ((_outline, "segmentation"), (_points, "keypoints"), (_box, "bbox")):
        value = parsed_text(stated.get(key))
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


def _outline(stated: object, tell: Callable[[str], object]) -> BaseGeometry:
    if is_mapping(stated):
        return region_of_runs(stated)
    if not is_sequence(stated):
        raise ValueError(f"its outline {quoted(stated)} is no list")
    first = stated[0]
    if not isinstance(parsed_text(first), list | tuple | dict):
        stated = [stated]
    elif len(stated) > 2 and (is_mapping(first) or (is_sequence(first) and len(first) == 2)):
        stated = [stated]  # corners one by one, as a list of pairs
    parts: list[shapely.Polygon] = []
    trouble = ""
    for number, each in enumerate(stated, 1):
        try:
            parts.append(_ring(parsed_text(each), tell))
        except _BAD as error:
            trouble = str(error) if type(error) is ValueError else "its outline is torn"
            if len(stated) > 1:
                tell(f"part {number} of {len(stated)} was left out: {trouble}")
    if not parts:
        raise ValueError(trouble)
    if len(parts) == 1:
        return parts[0]
    whole = shapely.MultiPolygon(parts)
    if is_sound(whole) or not all(part.is_valid for part in parts):
        return whole
    return shapely.union_all(parts)


def _ring(stated: object, tell: Callable[[str], object]) -> shapely.Polygon:
    flat = _listed(stated)
    if flat and isinstance(flat[0], list | tuple | dict):
        corners = corners_of(flat, tell)
    else:
        if len(flat) < _FEWEST:
            raise ValueError("its outline has fewer than three corners")
        if len(flat) % 2:
            tell("the last number of its outline has no partner and was left out")
        corners = corners_of(list(zip(flat[::2], flat[1::2], strict=False)), tell)
    return polygon_of([[*corners, corners[0]]], tell)


def _listed(stated: object) -> Sequence[object]:
    if not is_sequence(stated):
        raise TypeError(f"{quoted(stated)} is no list")
    return stated


def _points(stated: object, tell: Callable[[str], object]) -> BaseGeometry:
    """Of x, y and mark in a row; of pairs or triples; what has no mark counts as seen."""
    listed = _listed(stated)
    if listed and isinstance(parsed_text(listed[0]), list | tuple | dict):
        corners = corners_of(listed, lambda _: None)  # of marks that came with them
    else:
        per_point = 3 if len(listed) % 3 == 0 else 2
        if len(listed) % per_point:
            tell("the last number of its points has no partner and was left out")
        points = [listed[at : at + per_point] for at in range(0, len(listed) - 1, per_point)]
        corners = (
            corners_of([point[:2] for point in points if _is_seen(point)], tell) if points else []
        )
    if not corners:
        raise ValueError("none of its points is marked as seen")
    return shapely.Point(corners[0]) if len(corners) == 1 else shapely.MultiPoint(corners)


def _is_seen(point: Sequence[object]) -> bool:
    return len(point) < 3 or bool(place_of(point[2]))


def _box(stated: object, tell: Callable[[str], object]) -> BaseGeometry:
    if is_mapping(stated):
        stated = _sides_of(stated)
    if not is_sequence(stated) or len(stated) != 4:
        raise ValueError(f"its box {quoted(stated)} has not four numbers")
    x, y, width, height = (place_of(value) for value in stated)
    if width == 0 or height == 0:
        raise ValueError("its box has no area")
    if width < 0 or height < 0:
        tell("its box was the wrong way round")
    x0, x1, y0, y1 = min(x, x + width), max(x, x + width), min(y, y + height), max(y, y + height)
    return shapely.box(x0, y0, x1, y1)


def _sides_of(stated: dict[str, object]) -> list[object]:
    """x, y, width and height of a box that names them, or its corners. Raises ValueError."""
    lowered = {str(key).lower(): value for key, value in stated.items()}

    def one_of(*names: str) -> object:
        found = next((lowered[name] for name in names if name in lowered), None)
        if found is None:
            raise ValueError(f"its box {quoted(stated)} tells no {names[0]}")
        return found

    x, y = one_of("x", "left", "xmin", "x0", "x1"), one_of("y", "top", "ymin", "y0", "y1")
    if any(name in lowered for name in ("width", "w")):
        return [x, y, one_of("width", "w"), one_of("height", "h")]
    x1 = one_of("right", "xmax", "x2", "x1")
    y1 = one_of("bottom", "ymax", "y2", "y1")
    return [x, y, place_of(x1) - place_of(x), place_of(y1) - place_of(y)]
