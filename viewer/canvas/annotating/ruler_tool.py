"""Ruler and angle: measured as they are drawn, kept where asked."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import shapely
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPainterPath

from viewer.annotations.measured import ANGLE, length_name
from viewer.canvas.annotating.drawing_tool import DRAG_PX, DrawingTool, PointerState
from viewer.canvas.annotating.shape_tools import evenly_turned
from viewer.canvas.annotating.strokes import paint_handles, paint_label, paint_stroke
from viewer.canvas.shape_paths import shape_path

if TYPE_CHECKING:
    from PySide6.QtCore import QObject
    from PySide6.QtGui import QPainter

    from viewer.canvas.annotating.edit_context import EditContext
    from viewer.canvas.layer import Scene
    from viewer.geometry import Point

_COLOR = QColor("#1f6fd0")
_TICK_PX = 6.0
_ARC_PX = 26.0


class MeasuringTool(DrawingTool):
    """Takes a number of places by clicks, or by a drag from one to the next."""

    label: ClassVar[str]
    count: ClassVar[int]
    """Places that it takes."""

    def __init__(self, desk: EditContext, parent: QObject | None = None) -> None:
        super().__init__(desk, parent)
        self.places: list[Point] = []
        self._pressed: PointerState | None = None

    def figure(self, places: list[Point]) -> str:
        """Return what is measured, as the label shows it; "" before it can be."""
        return ""

    def measurements(self) -> dict[str, float]:
        """Return what is kept with the line."""
        return {}

    @property
    def is_busy(self) -> bool:
        return bool(self.places)

    @property
    def is_complete(self) -> bool:
        return len(self.places) == self.count

    def press(self, hand: PointerState) -> None:
        if self.is_complete:
            self.places = []
        self._pressed = hand
        place = self._place(hand)
        if not self.places or math.dist(self.places[-1], place) >= hand.reach(1.0):
            self.places.append(place)
        self._show()

    def move(self, hand: PointerState) -> None:
        if self.places:
            self._show()

    def release(self, hand: PointerState) -> None:
        pressed = self._pressed
        is_drag = pressed is not None and math.dist(pressed.at, hand.at) >= hand.reach(DRAG_PX)
        if is_drag and not self.is_complete:
            self.places.append(self._place(hand))
        self._pressed = None
        self._show()

    def wants(self, key: Qt.Key, keys: Qt.KeyboardModifier) -> bool:
        is_enter = key in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        return self.is_complete if is_enter else self.is_busy and key == Qt.Key.Key_Backspace

    def key(self, key: Qt.Key) -> None:
        if key == Qt.Key.Key_Backspace:
            self.step_back()
            return
        drawn = self.desk.new(shapely.LineString(self.places))
        self.desk.add(self.label, replace(drawn, measurements=self.measurements()))
        self.places = []
        self._show()

    def step_back(self) -> None:
        self.places.pop()
        self._show()

    def give_up(self) -> None:
        self.places = []

    def put_down(self) -> None:
        self.places = []

    def paint(self, painter: QPainter, scene: Scene) -> None:
        line = self._line()
        if len(line) > 1:
            paint_stroke(painter, shape_path(shapely.LineString(line), scene.view), _COLOR)
            self.decorate(painter, [scene.view.to_screen(place) for place in line])
        on_screen = [scene.view.to_screen(place) for place in self.places]
        paint_handles(painter, on_screen, QColor("white"), are_round=True)
        if figure := self.figure(line):
            paint_label(painter, scene.view.to_screen(line[-1]), figure)

    def decorate(self, painter: QPainter, places: list[Point]) -> None:
        """What is painted beside the line, in screen pixels."""

    # -----------------------------------------------------------------------------------------

    def _place(self, hand: PointerState) -> Point:
        if hand.shift and self.places:
            return evenly_turned(self.places[-1], hand.at, hand.view, self.desk.calibration)
        return self.snapped(hand)

    def _line(self) -> list[Point]:
        """Return the places with where the hand is, while one is missing."""
        if self.is_complete or self.hand is None or not self.places:
            return self.places
        return [*self.places, self._place(self.hand)]

    def _show(self) -> None:
        figure = self.figure(self._line())
        ending = ". Enter keeps it." if self.is_complete else ""
        self.measure_changed.emit(f"{self.label}: {figure}{ending}" if figure else "")
        self.changed.emit()


class RulerTool(MeasuringTool):
    """A distance."""

    name = "ruler"
    label = "Ruler"
    count = 2
    hint = "Drag, or click both ends. Enter keeps the line, Esc clears it."

    def figure(self, places: list[Point]) -> str:
        if len(places) < 2:
            return ""
        calibration = self.desk.calibration
        return calibration.length_text(calibration.distance(*places))

    def measurements(self) -> dict[str, float]:
        calibration = self.desk.calibration
        return {length_name(calibration): calibration.distance(*self.places)}

    def decorate(self, painter: QPainter, places: list[Point]) -> None:
        """Ticks across both ends."""
        a, b = places
        length = max(math.dist(a, b), 1e-9)
        x, y = (b.y - a.y) / length * _TICK_PX, (a.x - b.x) / length * _TICK_PX
        path = QPainterPath()
        for end in places:
            path.moveTo(end.x - x, end.y - y)
            path.lineTo(end.x + x, end.y + y)
        paint_stroke(painter, path, _COLOR)


class AngleTool(MeasuringTool):
    """Between two lines that meet in the second place."""

    name = "angle"
    label = "Angle"
    count = 3
    hint = "Click one end, the corner, the other end. Enter keeps it."

    def figure(self, places: list[Point]) -> str:
        return f"{self._angle_deg(places):.1f}°" if len(places) == 3 else ""

    def measurements(self) -> dict[str, float]:
        return {ANGLE: self._angle_deg(self.places)}

    def decorate(self, painter: QPainter, places: list[Point]) -> None:
        """An arc in the corner."""
        if len(places) < 3:
            return
        end, corner, other = places
        first = math.degrees(math.atan2(corner.y - end.y, end.x - corner.x))
        second = math.degrees(math.atan2(corner.y - other.y, other.x - corner.x))
        sweep = (second - first + 180) % 360 - 180
        x, y, side = corner.x - _ARC_PX, corner.y - _ARC_PX, 2 * _ARC_PX
        path = QPainterPath()
        path.arcMoveTo(x, y, side, side, first)
        path.arcTo(x, y, side, side, first, sweep)
        paint_stroke(painter, path, _COLOR)

    def _angle_deg(self, places: list[Point]) -> float:
        end, corner, other = places
        return self.desk.calibration.angle_deg(end, corner, other)
