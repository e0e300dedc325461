"""Aperio ImageScope's XML: regions in layers; a layer's name is the class."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

import shapely
from shapely import affinity

from viewer.annotations.annotation import NO_COLOUR, Annotation, AnnotationClass, repaired
from viewer.annotations.formats.export_warnings import each_alone
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.formats.xml_files import parsed, write_xml
from viewer.colors import rgb_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry

_POLYGON, _ELLIPSE, _LINES = "0", "2", ("3", "4")
_DEPTHS = {"Annotations": 0, "Annotation": 1, "Regions": 2}
_SEGMENTS = 16
"""Of a quarter of an ellipse that the file tells by two corners."""


def read_imagescope(path: Path, problems: list[Problem]) -> Iterator[Annotation]:
    """Reads a file; holes (NegativeROA) are cut out of the region that they lie in.

    Raises
    ------
    AnnotationFileError
        The file is no XML of ImageScope.
    """
    root = parsed(path, problems, _DEPTHS, ("Region",))
    if root.tag != "Annotations":
        raise AnnotationFileError(
            f"{path.name} is no XML of ImageScope: it begins with {root.tag}."
        )
    numbers = itertools.count(1)
    for layer in root.iterfind("Annotation"):
        colour = _colour(layer.get("LineColor"))
        name = layer.get("Name", "")
        in_class = AnnotationClass(name, colour) if name else None
        own = None if in_class or colour == NO_COLOUR else colour
        yield from _layer(layer, in_class, own, numbers, problems)


def write_imagescope(path: Path, annotations: Iterable[Annotation]) -> list[Problem]:
    """Writes a layer a class; gives what the format cannot hold, such as points.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    problems: list[Problem] = []
    root = Xml.Element("Annotations")
    layers: dict[AnnotationClass, Xml.Element] = {}
    ids = itertools.count(1)
    for number, annotation in each_alone(annotations, problems, ("name", "colour")):
        in_class = annotation.shown_as or AnnotationClass("", annotation.shown_colour)
        if annotation.shown_as is not None and annotation.colour is not None:
            problems.append(Problem(number, "its own colour, which this format has not"))
        if in_class not in layers:
            layers[in_class] = _new_layer(root, in_class, len(layers) + 1)
        parts = shapely.get_parts(annotation.geometry).tolist()
        if len(parts) > 1:
            problems.append(Problem(number, "that its parts belong together"))
        for part in parts:
            if not _write_part(layers[in_class], ids, annotation.name, part):
                problems.append(Problem(number, "a point, which this format has not"))
    write_xml(path, root)
    return problems


def _new_layer(root: Xml.Element, in_class: AnnotationClass, number: int) -> Xml.Element:
    """The holder of its regions."""
    told = {
        "Id": str(number), "Name": in_class.name, "Type": "4", "Visible": "1",
        "LineColor": str(_packed(in_class.colour)),
    }  # fmt: skip
    layer = Xml.SubElement(root, "Annotation", told)
    Xml.SubElement(layer, "Attributes")
    return Xml.SubElement(layer, "Regions")


def _write_part(regions: Xml.Element, ids: Iterator[int], name: str, part: BaseGeometry) -> bool:
    """Whether the format has a place for it."""
    if isinstance(part, shapely.Polygon):
        for ring, negative in [(part.exterior, "0"), *((hole, "1") for hole in part.interiors)]:
            _region(regions, ids, _POLYGON, name, list(ring.coords)[:-1], negative)
        return True
    if isinstance(part, shapely.LineString):
        _region(regions, ids, _LINES[1], name, list(part.coords), "0")
        return True
    return False


@dataclass(slots=True)
class _Drawn:
    """A region with the holes that belong to it."""

    geometry: BaseGeometry
    name: str
    holes: list[BaseGeometry] = field(default_factory=list)


def _layer(
    layer: Xml.Element,
    in_class: AnnotationClass | None,
    colour: str | None,
    numbers: Iterator[int],
    problems: list[Problem],
) -> Iterator[Annotation]:
    drawn: list[_Drawn] = []
    early: list[tuple[int, BaseGeometry]] = []
    for region in layer.iterfind("Regions/Region"):
        number = next(numbers)
        try:
            geometry = _geometry(region)
            if not geometry.is_valid:
                geometry = repaired(geometry)
                problems.append(Problem(number, "its edges crossed", is_repaired=True))
        except (ValueError, TypeError, shapely.errors.ShapelyError) as error:
            problems.append(Problem(number, str(error)))
            continue
        if region.get("NegativeROA") != "1":
            drawn.append(_Drawn(geometry, region.get("Text", "")))
        elif not _cut(geometry, reversed(drawn)):
            early.append((number, geometry))
    for number, hole in early:
        if not _cut(hole, iter(drawn)):
            problems.append(Problem(number, "a hole that lies in no region"))
    for each in drawn:
        geometry = each.geometry
        if each.holes:
            geometry = geometry.difference(shapely.union_all(each.holes))
        if not geometry.is_empty:
            yield Annotation(geometry, shown_as=in_class, name=each.name, colour=colour)


def _cut(hole: BaseGeometry, regions: Iterator[_Drawn]) -> bool:
    """Gives the hole to the first region that it lies in; whether there is one."""
    inside = hole.representative_point()
    found = next((each for each in regions if each.geometry.contains(inside)), None)
    if found is not None:
        found.holes.append(hole)
    return found is not None


def _geometry(region: Xml.Element) -> BaseGeometry:
    corners = [
        (float(vertex.get("X", "nan")), float(vertex.get("Y", "nan")))
        for vertex in region.iterfind("Vertices/Vertex")
    ]
    if not all(value == value and abs(value) < 1e9 for corner in corners for value in corner):
        raise ValueError("its coordinates are no numbers")
    kind = region.get("Type", _POLYGON)
    if kind in _LINES:
        return shapely.LineString(corners)
    if kind == _ELLIPSE and len(corners) == 2:
        (x0, y0), (x1, y1) = corners
        circle = shapely.Point(0, 0).buffer(1, quad_segs=_SEGMENTS)
        wide = affinity.scale(circle, abs(x1 - x0) / 2, abs(y1 - y0) / 2, origin=(0, 0))
        return affinity.translate(wide, (x0 + x1) / 2, (y0 + y1) / 2)
    return shapely.Polygon(corners)


def _region(
    regions: Xml.Element,
    ids: Iterator[int],
    kind: str,
    name: str,
    corners: list[tuple[float, ...]],
    negative: str,
) -> None:
    number = str(next(ids))
    told = {"Id": number, "Type": kind, "Text": name, "NegativeROA": negative, "DisplayId": number}
    region = Xml.SubElement(regions, "Region", told)
    Xml.SubElement(region, "Attributes")
    vertices = Xml.SubElement(region, "Vertices")
    for x, y, *_ in corners:
        Xml.SubElement(vertices, "Vertex", {"X": f"{x:.2f}", "Y": f"{y:.2f}", "Z": "0"})


def _colour(told: str | None) -> str:
    """From a decimal integer in the order 0xBBGGRR."""
    try:
        value = int(told or "")
    except ValueError:
        return NO_COLOUR
    return f"#{value & 255:02x}{value >> 8 & 255:02x}{value >> 16 & 255:02x}"


def _packed(colour: str) -> int:
    red, green, blue = rgb_of(colour)
    return red | green << 8 | blue << 16
