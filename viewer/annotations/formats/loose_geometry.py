"""Geometries as GeoJSON should not have them: what is sound in them is kept, the rest is named.

Shapely refuses a geometry as a whole for one bad number. Here each ring and part stands alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import shapely
from shapely.geometry import mapping

from viewer.annotations.formats.foreign_values import parsed_text, place_of, quoted
from viewer.untyped import is_list, is_mapping, is_sequence

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Tell = Callable[[str], object]
Corner = tuple[float, float]

_NAMES = {
    name.lower(): name
    for name in (
        "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon",
        "GeometryCollection", "LinearRing",
    )
}  # fmt: skip
_KINDS_BY_DEPTH = ("Point", "MultiPoint", "Polygon", "MultiPolygon")
_MOST_DEPTH = 32
_FEWEST_IN_A_ROW = 6
"""Numbers of an outline that lists no pairs."""
_MOST_BAD_SHARE = 0.1
"""Of the corners of a ring: with more of them bad it is no shape any more."""


def loose_geometry(stated: object, tell: Tell) -> BaseGeometry:
    """Return the geometry of an object of GeoJSON, or of its coordinates alone.

    Parameters
    ----------
    tell
        Takes what was left out or repaired.

    Raises
    ------
    ValueError
        Nothing of it is a place, or it is of no known type.
    """
    return _geometry(stated, tell, 0)


def polygon_of(rings: list[list[Corner]], tell: Tell) -> shapely.Polygon:
    """Return the region within the first ring and without the others.

    Raises
    ------
    ValueError
        The first ring has fewer than three corners.
    """
    outline, *holes = rings
    if len(set(outline)) < 3:
        raise ValueError("its outline has fewer than three corners")
    sound: list[list[Corner]] = []
    for hole in holes:
        if len(set(hole)) < 3:
            tell("a hole of fewer than three corners was left out")
        else:
            sound.append(hole)
    if outline[0] != outline[-1]:
        tell("its outline was not closed")
    return shapely.Polygon(outline, sound)


def corners_of(stated: object, tell: Tell) -> list[Corner]:
    """Return the places of a list; a few bad ones among many are left out and reported.

    Raises
    ------
    ValueError
        Most of them are no places.
    """
    stated = parsed_text(stated)
    if not is_sequence(stated):
        raise ValueError(f"{quoted(stated)} is no list of places")
    corners: list[Corner] = []
    trouble: list[str] = []
    has_more = False
    for each in stated:
        try:
            corner, has_third = _corner(each)
        except ValueError as error:
            trouble.append(str(error))
            continue
        has_more = has_more or has_third
        corners.append(corner)
    if trouble and (not corners or len(trouble) > max(1, _MOST_BAD_SHARE * len(stated))):
        raise ValueError(f"its coordinates are no numbers: {trouble[0]}")
    if trouble:
        tell(f"{len(trouble)} of its {len(stated)} corners were left out: {trouble[0]}")
    if has_more:
        tell("its third coordinates were dropped")
    return corners


def _corner(stated: object) -> tuple[Corner, bool]:
    stated = parsed_text(stated)
    if is_mapping(stated):
        lowered = {str(key).lower(): value for key, value in stated.items()}
        stated = [lowered.get("x"), lowered.get("y")]
    if isinstance(stated, str):
        stated = (
            stated.replace(";", " ").split()
            if " " in stated or ";" in stated
            else stated.split(",")
        )
    if not is_sequence(stated) or len(stated) < 2:
        raise ValueError(f"{quoted(stated)} is no place")
    return (place_of(stated[0]), place_of(stated[1])), len(stated) > 2


def _geometry(stated: object, tell: Tell, depth: int) -> BaseGeometry:
    if depth > _MOST_DEPTH:
        raise ValueError("it is nested too deep")
    stated = _unwrapped(stated)
    if is_list(stated):
        return _of_coordinates("", stated, tell)
    if not is_mapping(stated):
        raise ValueError(f"{quoted(stated)} is no geometry")
    if isinstance(stated.get("geometry"), dict | str) and "coordinates" not in stated:
        return _geometry(stated["geometry"], tell, depth + 1)
    named = stated.get("type") or ""
    kind = _NAMES.get(str(named).strip().lower(), "")
    if named and not kind:
        raise ValueError(f"its type {quoted(named)} is none of a geometry")
    parts = parsed_text(stated.get("geometries"))
    if is_list(parts) and (kind == "GeometryCollection" or "coordinates" not in stated):
        return _collection(parts, tell, depth)
    if "coordinates" not in stated:
        raise ValueError("it has no coordinates")
    return _of_coordinates(kind, parsed_text(stated["coordinates"]), tell)


def _unwrapped(stated: object) -> object:
    """Return what a text holds: JSON, or well-known text."""
    stated = parsed_text(stated)
    if not isinstance(stated, str):
        return list(stated) if is_sequence(stated) else stated
    try:
        return mapping(shapely.from_wkt(stated.strip()))
    except (shapely.errors.ShapelyError, ValueError):
        raise ValueError(f"{quoted(stated)} is no geometry") from None


def _collection(stated: list[object], tell: Tell, depth: int) -> BaseGeometry:
    parts: list[BaseGeometry] = []
    for number, each in enumerate(stated, 1):
        try:
            part = _geometry(each, tell, depth + 1)
        except ValueError as error:
            tell(f"part {number} of {len(stated)} was left out: {error}")
        else:
            parts.append(part)
    if not parts:
        raise ValueError("none of its parts is a place")
    return parts[0] if len(parts) == 1 else shapely.GeometryCollection(parts)


def _of_coordinates(kind: str, coordinates: object, tell: Tell) -> BaseGeometry:
    """By the depth of the lists, which tells more than the name of the kind."""
    if coordinates in ([], [[]], [[[]]], None):
        raise ValueError("its geometry is empty")
    depth = 0 if is_mapping(coordinates) else _depth(coordinates)
    stated: list[object] = (
        list(coordinates) if depth and is_sequence(coordinates) else [coordinates]
    )
    if depth <= 1 and kind in ("", "Point"):
        return shapely.Point(_corner(stated if depth else stated[0])[0])
    if depth <= 1:
        tell(f"a {kind} of one place")
        return shapely.Point(_corner(stated if depth else stated[0])[0])
    if not kind:
        kind = _KINDS_BY_DEPTH[min(depth, 4) - 1]
        tell(f"it has no type and was taken for a {kind}")
    if kind in ("Point", "MultiPoint"):
        flat = _flattened(stated, depth - 2)
        corners = corners_of(flat, tell)
        return shapely.Point(corners[0]) if len(corners) == 1 else shapely.MultiPoint(corners)
    if kind in ("LineString", "LinearRing", "MultiLineString"):
        lines: list[object] = _flattened(stated, depth - 3) if depth >= 3 else [stated]
        return _united(_each(lines, lambda each: _line(each, tell), tell))
    if depth == 2 and (rings := _in_a_row(stated)):
        stated, depth = rings, 3
        tell("its numbers stood in a row and were taken in pairs")
    if depth == 2:
        stated = [stated]
        depth = 3
        tell("its list of corners lay one level too high")
    if depth == 3 and kind == "MultiPolygon":
        tell("its lists lay one level too high")
    if depth >= 4 and kind == "Polygon":
        tell("it holds several polygons")
    polygons: list[object] = [stated] if depth == 3 else _flattened(stated, depth - 4)
    return _united(_each(polygons, lambda each: _polygon(each, tell), tell))


def _depth(stated: object) -> int:
    """Of the first list that goes down to numbers."""
    stated = parsed_text(stated)
    if is_mapping(stated):
        return 1 if {str(key).lower() for key in stated} >= {"x", "y"} else 0
    if not is_sequence(stated):
        return 0
    return 1 + max((_depth(each) for each in stated[:_MOST_LOOKED_AT]), default=0)


_MOST_LOOKED_AT = 3


def _in_a_row(stated: list[object]) -> list[object]:
    """Pairs of the rings that are x, y, x, y and so on; none where one is otherwise."""
    rings: list[object] = []
    for each in stated:
        if not is_list(each) or len(each) < _FEWEST_IN_A_ROW or len(each) % 2:
            return []
        rings.append([[x, y] for x, y in zip(each[::2], each[1::2], strict=True)])
    return rings


def _flattened(stated: list[object], levels: int) -> list[object]:
    for _ in range(max(0, levels)):
        stated = [inner for each in stated for inner in (each if is_sequence(each) else [each])]
    return stated


def _each(
    stated: list[object], read: Callable[[object], BaseGeometry], tell: Tell
) -> list[BaseGeometry]:
    parts: list[BaseGeometry] = []
    trouble = ""
    for number, each in enumerate(stated, 1):
        try:
            part = read(each)
        except ValueError as error:
            if len(stated) > 1:
                tell(f"part {number} of {len(stated)} was left out: {error}")
            trouble = str(error)
        else:
            parts.append(part)
    if not parts:
        raise ValueError(trouble or "its geometry is empty")
    return parts


def _united(parts: list[BaseGeometry]) -> BaseGeometry:
    if len(parts) == 1:
        return parts[0]
    regions = [part for part in parts if isinstance(part, shapely.Polygon)]
    lines = [part for part in parts if isinstance(part, shapely.LineString)]
    if len(regions) == len(parts):
        return shapely.MultiPolygon(regions)
    if len(lines) == len(parts):
        return shapely.MultiLineString(lines)
    return shapely.GeometryCollection(parts)


def _line(stated: object, tell: Tell) -> BaseGeometry:
    corners = corners_of(stated, tell)
    if len(corners) > 1:
        return shapely.LineString(corners)
    tell("a line of one corner, which is a point now")
    return _of_few(corners)


def _polygon(stated: object, tell: Tell) -> BaseGeometry:
    stated = parsed_text(stated)
    if not is_sequence(stated) or not stated:
        raise ValueError("its geometry is empty")
    outline = corners_of(stated[0], tell)
    rings = [outline]
    for number, each in enumerate(stated[1:], 1):
        try:
            rings.append(corners_of(each, tell))
        except ValueError as error:
            tell(f"hole {number} was left out: {error}")
    return polygon_of(rings, tell)


def _of_few(corners: list[Corner]) -> BaseGeometry:
    """Of one or two places."""
    apart = list(dict.fromkeys(corners))
    if not apart:
        raise ValueError("its geometry is empty")
    return shapely.Point(apart[0]) if len(apart) == 1 else shapely.LineString(apart)
