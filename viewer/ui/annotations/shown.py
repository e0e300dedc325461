"""How an annotation is named: its shape in a word, and the first line of a note."""

from __future__ import annotations

from typing import TYPE_CHECKING

import shapely

from viewer.annotations import shape_editing
from viewer.annotations.annotation import DRAWN_WITH
from viewer.annotations.bookmarks import NOTE
from viewer.annotations.measured import is_angle, is_measured

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation

_MOST_LETTERS = 60
_PAINTING = ("Brush", "Wand")
_ENDS_OF_LINE = 2


def name_of(annotation: Annotation, shape: BaseGeometry | None = None) -> str:
    """Return what an annotation is called in lists; `shape` is its geometry, where it is made."""
    return annotation.name or first_line(annotation) or kind_of(annotation, shape)


def kind_of(annotation: Annotation, shape: BaseGeometry | None = None) -> str:
    """Return the shape in a word, of a painted or measured one the tool that made it."""
    shape = annotation.geometry if shape is None else shape
    if is_measured(annotation):
        return "Angle" if is_angle(annotation) else "Ruler"
    tool = annotation.metadata.get(DRAWN_WITH, "")
    if tool not in _PAINTING or shape.geom_type not in ("Polygon", "MultiPolygon"):
        return _shape_of(annotation, shape)
    count = len(shape_editing.parts(shape))
    return f"{tool} region" if count == 1 else f"{tool} region of {count} parts"


def shape_of(annotation: Annotation) -> str:
    """Return the shape in a word."""
    return _shape_of(annotation, annotation.geometry)


def _shape_of(annotation: Annotation, shape: BaseGeometry) -> str:
    if annotation.is_ellipse:
        return "Ellipse"
    if shape_editing.is_rectangle(shape):
        return "Rectangle"
    match shape.geom_type:
        case "LineString" | "LinearRing":
            corners = shapely.count_coordinates(shape)
            return "Line" if corners <= _ENDS_OF_LINE else "Polyline"
        case "Polygon":
            return "Polygon"
        case "MultiPolygon":
            return f"{len(shape_editing.parts(shape))} polygons"
        case "Point":
            return "Point"
        case "MultiPoint":
            return f"{len(shape_editing.parts(shape))} points"
        case "MultiLineString":
            return "Lines"
        case other:
            return other


def first_line(annotation: Annotation) -> str:
    """Return the first line of a sticky note, which has no other name."""
    text = annotation.description if annotation.class_name == NOTE.name else ""
    return text.split("\n", 1)[0][:_MOST_LETTERS]
