"""How an annotation is told: its shape in a word, its size with a unit, its colour as a square."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap

from viewer.annotations import editing
from viewer.annotations.bookmarks import NOTE

if TYPE_CHECKING:
    from viewer.annotations.annotation import Annotation

_MOST_LETTERS = 60
_SWATCH_PX = 12
_UM2_PER_MM2 = 1e6
_SMALL_UM2 = 1e4
_LONG_UM = 1e4


def kind_of(annotation: Annotation) -> str:
    """The shape in a word."""
    if annotation.is_ellipse:
        return "Ellipse"
    if editing.is_rectangle(annotation.geometry):
        return "Rectangle"
    match annotation.geometry.geom_type:
        case "LineString" | "LinearRing":
            return "Line"
        case "Polygon":
            return "Polygon"
        case "MultiPolygon":
            return f"{len(editing.parts(annotation.geometry))} polygons"
        case "Point":
            return "Point"
        case "MultiPoint":
            return f"{len(editing.parts(annotation.geometry))} points"
        case "MultiLineString":
            return "Lines"
        case other:
            return other


def first_line(annotation: Annotation) -> str:
    """Of a sticky note, which has no other name."""
    text = annotation.description if annotation.class_name == NOTE.name else ""
    return text.split("\n", 1)[0][:_MOST_LETTERS]


def shown_size(area: float, length: float, mpp_um: float | None) -> str:
    """An area, else a length, from level-0 pixels; "" of points."""
    if mpp_um is None:
        return f"{area:,.0f} px²" if area else f"{length:,.0f} px" if length else ""
    area_um2, length_um = area * mpp_um**2, length * mpp_um
    if area:
        is_small = area_um2 < _SMALL_UM2
        return f"{area_um2:,.0f} µm²" if is_small else f"{area_um2 / _UM2_PER_MM2:,.3f} mm²"
    if not length:
        return ""
    return f"{length_um:,.1f} µm" if length_um < _LONG_UM else f"{length_um / 1000:,.2f} mm"


def shown_moment(utc: str) -> str:
    """A time of ISO 8601 as the clock here shows it; what cannot be read is shown as it is."""
    try:
        return datetime.fromisoformat(utc).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return utc


def swatch(colour: str) -> QIcon:
    """A small square of a colour."""
    picture = QPixmap(_SWATCH_PX, _SWATCH_PX)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QColor(128, 128, 128))
    painter.setBrush(QColor(colour))
    painter.drawRoundedRect(1, 1, _SWATCH_PX - 2, _SWATCH_PX - 2, 2, 2)
    painter.end()
    return QIcon(picture)
