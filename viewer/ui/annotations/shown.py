"""How an annotation is named: its shape in a word, its size with a unit, its color as a square."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap

from viewer.annotations import shape_editing
from viewer.annotations.annotation import DRAWN_WITH
from viewer.annotations.bookmarks import NOTE

if TYPE_CHECKING:
    from viewer.annotations.annotation import Annotation

_MOST_LETTERS = 60
_SWATCH_PX = 12
_PAINTING = ("Brush", "Wand")


def kind_of(annotation: Annotation) -> str:
    """Return the shape in a word, of a painted region the tool that painted it."""
    tool = annotation.metadata.get(DRAWN_WITH, "")
    if tool not in _PAINTING or annotation.geometry.geom_type not in ("Polygon", "MultiPolygon"):
        return shape_of(annotation)
    count = len(shape_editing.parts(annotation.geometry))
    return f"{tool} region" if count == 1 else f"{tool} region of {count} parts"


def shape_of(annotation: Annotation) -> str:
    """Return the shape in a word."""
    if annotation.is_ellipse:
        return "Ellipse"
    if shape_editing.is_rectangle(annotation.geometry):
        return "Rectangle"
    match annotation.geometry.geom_type:
        case "LineString" | "LinearRing":
            return "Line"
        case "Polygon":
            return "Polygon"
        case "MultiPolygon":
            return f"{len(shape_editing.parts(annotation.geometry))} polygons"
        case "Point":
            return "Point"
        case "MultiPoint":
            return f"{len(shape_editing.parts(annotation.geometry))} points"
        case "MultiLineString":
            return "Lines"
        case other:
            return other


def first_line(annotation: Annotation) -> str:
    """Of a sticky note, which has no other name."""
    text = annotation.description if annotation.class_name == NOTE.name else ""
    return text.split("\n", 1)[0][:_MOST_LETTERS]


def swatch(color: str, side_px: int = _SWATCH_PX) -> QIcon:
    """Return a square of a color, sharp on screens of twice the resolution too."""
    picture = QPixmap(2 * side_px, 2 * side_px)
    picture.setDevicePixelRatio(2.0)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QColor(128, 128, 128))
    painter.setBrush(QColor(color))
    painter.drawRoundedRect(1, 1, side_px - 2, side_px - 2, 2, 2)
    painter.end()
    return QIcon(picture)
