"""Aperio ImageScope's XML: regions in layers; a layer's name is the class."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

import shapely
from shapely import affinity

from viewer.annotations.annotation import NO_COLOUR, Annotation, AnnotationClass, repaired
from viewer.annotations.asap import parsed, write_xml
from viewer.annotations.reading import AnnotationFileError, Problem
from viewer.colours import rgb_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry

_POLYGON, _ELLIPSE, _LINES = "0", "2", ("3", "4")
_SEGMENTS = 16
"""Of a quarter of an ellipse that the file tells by two corners."""


def read_imagescope(path: Path, problems: list[Problem]) -> Iterator[Annotation]:
    """Reads a file; holes (NegativeROA) are cut out of the region that they lie in.

    Raises
    ------
    AnnotationFileError
        The file is no XML of ImageScope.
    """
    root = parsed(path)
    if root.tag != "Annotations":
        raise AnnotationFileError(
            f"{path.name} is no XML of ImageScope: it begins with {root.tag}."
        )
    numbers = itertools.count(1)
    for layer in root.iterfind("Annotation"):
        colour = _colour(layer.get("LineColor"))
        name = layer.get("Name", "")
        in_class = AnnotationClass(name, colour) if name else None
        yield from _layer(layer, in_class, None if in_class else colour, numbers, problems)


def write_imagescope(path: Path, annotations: Iterable[Annotation]) -> list[Problem]:
    """Writes a layer a class; gives what the format cannot hold, such as points.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    problems: list[Problem] = []
    root = Xml.Element("Annotations")
    layers: dict[str, Xml.Element] = {}
    ids = itertools.count(1)
    for number, annotation in enumerate(annotations, 1):
        in_class = annotation.shown_as or AnnotationClass("", annotation.colour or NO_COLOUR)
        if in_class.name not in layers:
            told = {
                "Id": str(len(layers) + 1), "Name": in_class.name, "Type": "4", "Visible": "1",
                "LineColor": str(_packed(in_class.colour)),
            }  # fmt: skip
            layer = Xml.SubElement(root, "Annotation", told)
            Xml.SubElement(layer, "Attributes")
            layers[in_class.name] = Xml.SubElement(layer, "Regions")
        for part in shapely.get_parts(annotation.geometry).tolist():
            if isinstance(part, shapely.Polygon):
                rings = [(part.exterior, "0"), *((hole, "1") for hole in part.interiors)]
                for ring, negative in rings:
                    corners = list(ring.coords)[:-1]
                    _region(
                        layers[in_class.name], ids, _POLYGON, annotation.name, corners, negative
                    )
            elif isinstance(part, shapely.LineString):
                corners = list(part.coords)
                _region(layers[in_class.name], ids, _LINES[1], annotation.name, corners, "0")
            else:
                problems.append(Problem(number, "a point, which this format has not"))
    write_xml(path, root)
    return problems


def _layer(
    layer: Xml.Element,
    in_class: AnnotationClass | None,
    colour: str | None,
    numbers: Iterator[int],
    problems: list[Problem],
) -> Iterator[Annotation]:
    regions: list[tuple[BaseGeometry, str]] = []
    holes: list[BaseGeometry] = []
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
        if region.get("NegativeROA") == "1":
            holes.append(geometry)
        else:
            regions.append((geometry, region.get("Text", "")))
    for geometry, name in regions:
        inside = [hole for hole in holes if geometry.contains(hole.representative_point())]
        if inside:
            geometry = geometry.difference(shapely.union_all(inside))
        if not geometry.is_empty:
            yield Annotation(geometry, shown_as=in_class, name=name, colour=colour)


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
