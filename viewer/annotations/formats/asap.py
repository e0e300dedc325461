"""ASAP's XML: polygons, points, rectangles and lines in groups."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

import shapely

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.formats.export_warnings import each_alone
from viewer.annotations.formats.foreign_values import color_of
from viewer.annotations.formats.problems import (
    AnnotationFileError,
    Problem,
    Problems,
    repair_teller,
)
from viewer.annotations.formats.xml_files import parsed, written, xml_lines
from viewer.annotations.formats.xml_places import (
    box_of,
    corners_in,
    line_of,
    points_of,
    region_of,
    sound_geometry,
)
from viewer.annotations.sound_geometry import by_dimension
from viewer.plain_text import shown_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.formats.lxml_elements import XmlElement

_DEFAULT_COLOR = "#f4fa58"
_NO_GROUP = "None"
_MOST_AROUND = 50
"""Groups that name a class, of which each lies in the next; a file can have a hundred thousand."""
_DEPTHS = {"ASAP_Annotations": 0, "Annotations": 1, "AnnotationGroups": 1}


def read_asap(path: Path, problems: list[Problem]) -> Iterator[Annotation]:
    """Read a file; a group becomes the class of what belongs to it.

    Raises
    ------
    AnnotationFileError
        The file is no XML of ASAP.
    """
    root = parsed(path, problems, _DEPTHS, ("Annotation", "Group"), "Coordinates")
    if root.find("Annotations") is None:
        raise AnnotationFileError(f"{path.name} is no XML of ASAP: it has no Annotations in it.")
    colors, parents = _groups(root)
    for number, each in enumerate(root.iterfind("Annotations/Annotation"), 1):
        geometry = sound_geometry(each, _geometry, number, problems)
        if geometry is None:
            continue
        tell = repair_teller(number, problems)
        color = _color(each, tell)
        group = each.get("PartOfGroup", _NO_GROUP)
        lineage = _lineage(group, parents)
        if len(lineage) > _MOST_AROUND:
            tell(f"its class is named by the nearest {_MOST_AROUND} of its groups in one another")
            del lineage[0]
        in_class = None
        if lineage:
            in_class = AnnotationClass(shown_line(": ".join(lineage)), colors.get(group) or color)
        usual = _DEFAULT_COLOR if in_class is None else in_class.color
        own = None if color == usual else color
        name = shown_line(each.get("Name", ""))
        yield Annotation(geometry, shown_as=in_class, name=name, color=own)


def _groups(root: XmlElement) -> tuple[dict[str, str], dict[str, str]]:
    """Return the color of each group, and the group around it."""
    colors: dict[str, str] = {}
    parents: dict[str, str] = {}
    for group in root.iterfind("AnnotationGroups/Group"):
        name = group.get("Name", "")
        colors[name] = _color(group, lambda _: None)
        parents[name] = group.get("PartOfGroup", _NO_GROUP)
    return colors, parents


def _lineage(group: str, parents: dict[str, str]) -> list[str]:
    """Return a group and those around it, the outermost first; groups in a ring end it.

    Of more than `_MOST_AROUND` one more than that.
    """
    names: list[str] = []
    while group and group != _NO_GROUP and group not in names and len(names) <= _MOST_AROUND:
        names.append(group)
        group = parents.get(group, _NO_GROUP)
    return names[::-1]


def write_asap(path: Path, annotations: Iterable[Annotation]) -> list[Problem]:
    """Write what the format can hold; return what it cannot, such as holes.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    problems = Problems()
    classes: dict[str, str] = {}
    with xml_lines(path, "ASAP_Annotations") as file:
        file.write(b"  <Annotations>\n")
        for number, annotation in each_alone(annotations, problems, ("name", "color")):
            in_class = annotation.shown_as
            if in_class is not None and in_class.name == _NO_GROUP:
                told = 'its class "None", which here stands for no class'
                problems.append(Problem(number, told))
                in_class = None
            if in_class is not None:
                classes.setdefault(in_class.name, in_class.color)
            for each in _elements(annotation, in_class, number, problems):
                file.write(written(each, 2))
        file.write(b"  </Annotations>\n")
        groups = Xml.Element("AnnotationGroups")
        for name, color in classes.items():
            stated = {"Name": name, "PartOfGroup": _NO_GROUP, "Color": color.upper()}
            Xml.SubElement(Xml.SubElement(groups, "Group", stated), "Attributes")
        file.write(written(groups, 1))
    return problems


def _elements(
    annotation: Annotation,
    in_class: AnnotationClass | None,
    number: int,
    problems: list[Problem],
) -> Iterator[Xml.Element]:
    """Yield an annotation as the format has it, part by part."""
    color = annotation.color or (in_class.color if in_class else _DEFAULT_COLOR)
    parts = _parts(annotation.geometry)
    if len(parts) > 1:
        problems.append(Problem(number, "that its parts belong together"))
    for part in parts:
        kind, corners = _kind_and_corners(part)
        if getattr(part, "interiors", ()):
            problems.append(Problem(number, "its holes, which this format cannot hold"))
        stated = {
            "Name": annotation.name or f"Annotation {number}",
            "Type": kind,
            "PartOfGroup": in_class.name if in_class else _NO_GROUP,
            "Color": color.upper(),
        }
        element = Xml.Element("Annotation", stated)
        places = Xml.SubElement(element, "Coordinates")
        for order, (x, y) in enumerate(corners):
            where = {"Order": str(order), "X": f"{x:.2f}", "Y": f"{y:.2f}"}
            Xml.SubElement(places, "Coordinate", where)
        yield element


def _color(stated: XmlElement, tell: Callable[[str], object]) -> str:
    try:
        return color_of(stated.get("Color", ""))[0] or _DEFAULT_COLOR
    except ValueError as error:
        tell(f"its color was not read: {error}")
        return _DEFAULT_COLOR


def _geometry(stated: XmlElement, tell: Callable[[str], object]) -> BaseGeometry:
    corners = corners_in(stated.iterfind("Coordinates/Coordinate"), tell, "Order")
    match stated.get("Type", "Polygon").strip().lower():
        case "dot":
            if len(corners) > 1:
                tell("a dot of several places")
            return points_of(corners)
        case "pointset":
            return points_of(corners)
        case "measurement":
            return line_of(corners, tell)
        case "rectangle" if len(corners) == 2:
            return box_of(corners)
        case _:
            return region_of(corners)


def _parts(geometry: BaseGeometry) -> list[BaseGeometry]:
    """As the format takes them: several points are one annotation, other parts are each one."""
    return [
        whole
        for each in by_dimension(geometry)
        for whole in ([each] if isinstance(each, shapely.MultiPoint) else shapely.get_parts(each))
        if not whole.is_empty and all(math.isfinite(value) for value in whole.bounds)
    ]


def _kind_and_corners(part: BaseGeometry) -> tuple[str, list[tuple[float, float]]]:
    match part:
        case shapely.Point():
            return "Dot", [(part.x, part.y)]
        case shapely.MultiPoint():
            return "PointSet", [(point.x, point.y) for point in part.geoms]
        case shapely.LineString():
            return "Measurement", [(x, y) for x, y, *_ in part.coords]
        case shapely.Polygon():
            return "Polygon", [(x, y) for x, y, *_ in part.exterior.coords][:-1]
        case _:
            raise TypeError(f"{part.geom_type} has no place in this format")
