"""Aperio ImageScope's XML: regions in layers; a layer's name is the class."""

from __future__ import annotations

import itertools
import tempfile
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as Xml

import numpy as np
import shapely

from viewer.annotations.annotation import NO_COLOR, Annotation, AnnotationClass
from viewer.annotations.formats.export_warnings import each_alone
from viewer.annotations.formats.foreign_values import color_of, flag_of
from viewer.annotations.formats.problems import AnnotationFileError, Problem, Problems
from viewer.annotations.formats.xml_files import parsed, written, xml_lines
from viewer.annotations.formats.xml_places import (
    box_of,
    corners_in,
    ellipse_of,
    line_of,
    points_of,
    region_of,
    sound_geometry,
)
from viewer.annotations.overlapping import connected
from viewer.annotations.shape_numbers import hole_counts, outer_rings, part_counts
from viewer.colors import rgb_of
from viewer.limits import OVERLAPS, LimitError
from viewer.plain_text import shown_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.formats.lxml_elements import XmlElement

_POLYGON, _RULER = "0", "4"
_OWNER = "ParentRegionId"
"""Ties a hole written here to its region, by Id; ImageScope passes over what it does not know."""

_HOLES = "Its regions and holes"
_REGIONS_AT_ONCE = 64
_MOST_CUTS, _USUAL_CUTS = 100_000, 16
"""Of holes from regions: each hole lies in a few, however many there are."""
_DEPTHS = {"Annotations": 0, "Annotation": 1, "Regions": 2}


def read_imagescope(path: Path, problems: list[Problem]) -> Iterator[Annotation]:
    """Read a file, also HALO's; holes (NegativeROA) are cut out of all that they touch.

    A hole that names its region, as those written here do, is cut out of that region only.

    Raises
    ------
    AnnotationFileError
        The file is no XML of ImageScope.
    """
    root = parsed(path, problems, _DEPTHS, ("Region",), "Vertices")
    if root.tag != "Annotations":
        raise AnnotationFileError(
            f"{path.name} is no XML of ImageScope: it begins with {root.tag}."
        )
    numbers = itertools.count(1)
    for layer in root.iterfind("Annotation"):
        color = _color(layer.get("LineColor"))
        name = shown_line(layer.get("Name", "").strip() or _description(layer))
        in_class = AnnotationClass(name, color) if name else None
        own = None if in_class or color == NO_COLOR else color
        yield from _layer(layer, in_class, own, numbers, problems)


def _description(element: XmlElement) -> str:
    """Return what stands in an attribute called description, of a layer or a region."""
    for each in element.iterfind("Attributes/Attribute"):
        if each.get("Name", "").strip().lower() == "description":
            return each.get("Value", "").strip()
    return ""


def write_imagescope(path: Path, annotations: Iterable[Annotation]) -> list[Problem]:
    """Write a layer a class; return what the format cannot hold, such as points.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    problems = Problems()
    places: dict[AnnotationClass, list[tuple[int, int]]] = {}
    ids = itertools.count(1)
    # The regions of a class stand together, but come mixed: they wait in a file.
    with tempfile.TemporaryFile() as waiting, xml_lines(path, "Annotations") as file:
        for number, annotation in each_alone(annotations, problems, ("name", "color")):
            in_class = annotation.shown_as or AnnotationClass("", annotation.color or NO_COLOR)
            if annotation.shown_as is not None and annotation.color is not None:
                problems.append(Problem(number, "its own color, which this format cannot hold"))
            parts = shapely.get_parts(annotation.geometry).tolist()
            if len(parts) > 1:
                problems.append(Problem(number, "that its parts belong together"))
            regions = Xml.Element("Regions")
            for part in parts:
                if not _write_part(regions, ids, annotation.name, part):
                    problems.append(Problem(number, "a point, which this format cannot hold"))
            data = b"".join(written(each, 3) for each in regions)
            places.setdefault(in_class, []).append((waiting.tell(), len(data)))
            waiting.write(data)
        for number, (in_class, parts) in enumerate(places.items(), 1):
            stated = {
                "Id": str(number), "Name": in_class.name, "Type": "4", "Visible": "1",
                "LineColor": str(_packed(in_class.color)),
            }  # fmt: skip
            opening = written(Xml.Element("Annotation", stated), 1)
            file.write(opening.removesuffix(b" />\n") + b">\n")
            file.write(b"    <Attributes />\n    <Regions>\n")
            for begin, length in parts:
                waiting.seek(begin)
                file.write(waiting.read(length))
            file.write(b"    </Regions>\n  </Annotation>\n")
    return problems


def _write_part(regions: Xml.Element, ids: Iterator[int], name: str, part: BaseGeometry) -> bool:
    """Return whether the format has a place for it."""
    if isinstance(part, shapely.Polygon):
        owner = _region(regions, ids, _POLYGON, name, list(part.exterior.coords)[:-1])
        for hole in part.interiors:
            _region(regions, ids, _POLYGON, name, list(hole.coords)[:-1], owner)
        return True
    if isinstance(part, shapely.LineString):
        _region(regions, ids, _RULER, name, list(part.coords))
        return True
    return False


class _Drawn(NamedTuple):
    geometry: BaseGeometry
    number: int
    name: str
    id: str


class _Hole(NamedTuple):
    geometry: BaseGeometry
    number: int
    owner: str
    """The Id of the region it belongs to; empty where the file ties it to none."""


def _layer(
    layer: XmlElement,
    in_class: AnnotationClass | None,
    color: str | None,
    numbers: Iterator[int],
    problems: list[Problem],
) -> Iterator[Annotation]:
    drawn: list[_Drawn] = []
    holes: list[_Hole] = []
    for region in layer.iterfind("Regions/Region"):
        number = next(numbers)
        geometry = sound_geometry(region, _geometry, number, problems)
        if geometry is None:
            continue
        if _is_negative(region):
            holes.append(_Hole(geometry, number, region.get(_OWNER, "").strip()))
        else:
            text = region.get("Text", "").strip() or _description(region)
            drawn.append(_Drawn(geometry, number, shown_line(text), region.get("Id", "").strip()))
    try:
        for geometry, name in _without(drawn, holes, problems):
            yield Annotation(geometry, shown_as=in_class, name=name, color=color)
    except LimitError as error:
        raise AnnotationFileError(str(error)) from error


def _without(
    drawn: list[_Drawn], holes: list[_Hole], problems: list[Problem]
) -> Iterator[tuple[BaseGeometry, str]]:
    """The regions of a layer, each without its own holes and all free ones that it touches."""
    touching: dict[int, list[BaseGeometry]] = {}
    found: set[int] = set()
    for index, hole in _touching(drawn, holes):
        touching.setdefault(index, []).append(holes[hole].geometry)
        found.add(hole)
    for number, each in enumerate(holes):
        if number not in found:
            problems.append(Problem(each.number, "a hole that lies in no region"))
    for index, (geometry, number, name, _) in enumerate(drawn):
        if index in touching:
            geometry = _cut(geometry, touching[index])
        if geometry.is_empty:
            problems.append(Problem(number, "negative regions cut all of it away"))
        else:
            yield geometry, name


def _cut(region: BaseGeometry, holes: list[BaseGeometry]) -> BaseGeometry:
    """Return a region without holes. Raises LimitError.

    Those within it that touch no others become its inner rings as they are: to unite a hundred
    thousand and to cut them out takes half a minute.
    """
    shapes = np.array(holes, dtype=object)
    groups = [shapes[numbers] for numbers in connected(shapes, _HOLES)]
    united = [each[0] if len(each) == 1 else shapely.union_all(each) for each in groups]
    apart = np.array(united, dtype=object)
    shapely.prepare(region)
    is_ring = shapely.contains_properly(region, apart)
    is_ring &= (part_counts(apart) == 1) & (hole_counts(apart) == 0)
    left = region if is_ring.all() else region.difference(shapely.union_all(apart[~is_ring]))
    rings = outer_rings(shapely.get_parts(apart[is_ring]))
    tree = shapely.STRtree(rings)
    parts = [part for part in shapely.get_parts(left).tolist() if isinstance(part, shapely.Polygon)]
    for number, part in enumerate(parts):
        inside = tree.query(part, predicate="contains_properly")
        if len(inside):
            holes_of_part = [*part.interiors, *rings[inside].tolist()]
            parts[number] = shapely.Polygon(part.exterior, holes_of_part)
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _touching(drawn: list[_Drawn], holes: list[_Hole]) -> Iterator[tuple[int, int]]:
    """Yield the numbers of a region and of each hole that is cut out of it. Raises LimitError."""
    by_owner: dict[str, list[int]] = {}
    for number, hole in enumerate(holes):
        by_owner.setdefault(hole.owner, []).append(number)
    regions = [index for index, each in enumerate(drawn) if each.geometry.area]
    by_id: dict[str, list[int]] = {}
    for index in regions:
        by_id.setdefault(drawn[index].id, []).append(index)
    count, most = 0, _MOST_CUTS + _USUAL_CUTS * (len(drawn) + len(holes))
    for owner, numbers in by_owner.items():
        own = by_id.get(owner, []) if owner else regions
        if not own:
            continue
        shapes, cut = (
            np.array([each.geometry for each in some], dtype=object)
            for some in ([drawn[index] for index in own], [holes[number] for number in numbers])
        )
        tree = shapely.STRtree(cut)
        for begin in range(0, len(own), _REGIONS_AT_ONCE):
            some = shapes[begin : begin + _REGIONS_AT_ONCE]
            count += tree.query(some).shape[1]
            if count > most:
                raise LimitError(OVERLAPS.sentence(_HOLES, count))
            for region, hole in tree.query(some, predicate="intersects").T.tolist():
                yield own[begin + region], numbers[hole]


def _is_negative(region: XmlElement) -> bool:
    try:
        return flag_of(region.get("NegativeROA"))
    except ValueError:
        return False


def _geometry(region: XmlElement, tell: Callable[[str], object]) -> BaseGeometry:
    """By the type: numbers are ImageScope's, words HALO's, which calls its corners V."""
    places = [*region.iterfind("Vertices/Vertex"), *region.iterfind("Vertices/V")]
    corners = corners_in(places, tell)
    match region.get("Type", _POLYGON).strip().lower():
        case "1" | "rectangle" if len(corners) == 2:
            return box_of(corners)
        case "2" | "ellipse" if len(corners) == 2:
            return ellipse_of(corners)
        case "3" | "4" | "arrow" | "ruler" | "line" | "polyline" | "freehandline":
            return line_of(corners, tell)
        case "5" | "counter" | "pin" | "point" | "points" | "text":
            return points_of(corners)
        case _ if len(set(corners)) == 1:
            tell("a region of one place, which is a point now")
            return points_of(corners[:1])
        case _:
            return region_of(corners)


def _region(
    regions: Xml.Element,
    ids: Iterator[int],
    kind: str,
    name: str,
    corners: list[tuple[float, ...]],
    owner: str = "",
) -> str:
    """Write a region, or a hole where it has an owner; return its Id."""
    number = str(next(ids))
    negative = "1" if owner else "0"
    stated = {
        "Id": number,
        "Type": kind,
        "Text": name,
        "NegativeROA": negative,
        "DisplayId": number,
    }
    if owner:
        stated[_OWNER] = owner
    region = Xml.SubElement(regions, "Region", stated)
    Xml.SubElement(region, "Attributes")
    vertices = Xml.SubElement(region, "Vertices")
    for x, y, *_ in corners:
        Xml.SubElement(vertices, "Vertex", {"X": f"{x:.2f}", "Y": f"{y:.2f}", "Z": "0"})
    return number


def _color(stated: str | None) -> str:
    """From a decimal integer in the order 0xBBGGRR; other spellings as they are."""
    text = (stated or "").strip()
    try:
        value = int(float(text))
    except (ValueError, OverflowError):
        try:
            return color_of(text)[0] or NO_COLOR
        except ValueError:
            return NO_COLOR
    return f"#{value & 255:02x}{value >> 8 & 255:02x}{value >> 16 & 255:02x}"


def _packed(color: str) -> int:
    red, green, blue = rgb_of(color)
    return red | green << 8 | blue << 16
