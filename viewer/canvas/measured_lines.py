"""The figures of rulers and angles that were kept, beside their lines on the slide."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import shapely
from PySide6.QtGui import QColor, QPainterPath

from viewer.annotations.measured import figure_of, is_measured
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.canvas.annotating.strokes import paint_label, paint_stroke
from viewer.canvas.special_places import SpecialPlaces
from viewer.geometry import Point

if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from uuid import UUID

    from PySide6.QtGui import QPainter

    from viewer.annotations.document import Document
    from viewer.canvas.layer import Scene

_TICK_PX = 6.0
_ARC_PX = 26.0
_LEAST_PX = 12.0
"""Shorter lines on the screen show no figure."""
_MOST_FIGURES = 200
"""On one screen; more would hide the tissue."""


class MeasuredLines:
    """Knows which annotations of a document are rulers and angles, and paints their figures."""

    def __init__(self, document: Document) -> None:
        self._places = SpecialPlaces(document, is_measured)
        self.follow = self._places.follow

    def paint(self, painter: QPainter, scene: Scene, hidden: Container[UUID]) -> None:
        """Paint ends and figures of what is in view, but of those in `hidden`."""
        calibration, field = PixelCalibration(scene.optics.mpp_um), scene.view.box
        painted = 0
        for annotation in self._places.inside(field):
            if annotation.id in hidden:
                continue
            corners = shapely.get_coordinates(annotation.geometry)
            places = [Point(*place) for place in corners.tolist()]
            on_screen = [scene.view.to_screen(place) for place in places]
            if math.dist(on_screen[0], on_screen[-1]) < _LEAST_PX:
                continue
            figure = figure_of(annotation, calibration)
            is_angle = figure.endswith("°")
            path = arc_path(*on_screen) if is_angle else ticks_path(on_screen)
            paint_stroke(painter, path, QColor(annotation.shown_color))
            paint_label(painter, on_screen[1] if is_angle else on_screen[-1], figure)
            painted += 1
            if painted == _MOST_FIGURES:
                return


def ticks_path(places: Sequence[Point]) -> QPainterPath:
    """Return ticks across both ends of a line, in screen pixels."""
    a, b = places[0], places[-1]
    length = max(math.dist(a, b), 1e-9)
    x, y = (b.y - a.y) / length * _TICK_PX, (a.x - b.x) / length * _TICK_PX
    path = QPainterPath()
    for end in (a, b):
        path.moveTo(end.x - x, end.y - y)
        path.lineTo(end.x + x, end.y + y)
    return path


def arc_path(end: Point, corner: Point, other: Point) -> QPainterPath:
    """Return an arc in the corner of an angle, in screen pixels."""
    first = math.degrees(math.atan2(corner.y - end.y, end.x - corner.x))
    second = math.degrees(math.atan2(corner.y - other.y, other.x - corner.x))
    sweep = (second - first + 180) % 360 - 180
    x, y, side = corner.x - _ARC_PX, corner.y - _ARC_PX, 2 * _ARC_PX
    path = QPainterPath()
    path.arcMoveTo(x, y, side, side, first)
    path.arcTo(x, y, side, side, first, sweep)
    return path
