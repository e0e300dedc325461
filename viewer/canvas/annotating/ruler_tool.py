"""Ruler and angle: measured as they are drawn, kept as a line once they are complete."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import shapely
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from viewer.annotations.measured import ANGLE, length_name
from viewer.canvas.annotating.drawing_tool import DRAG_PX, DrawingTool, PointerState
from viewer.canvas.annotating.shape_tools import evenly_turned
from viewer.canvas.annotating.strokes import paint_handles, paint_label, paint_stroke
from viewer.canvas.measured_lines import arc_path, ticks_path
from viewer.canvas.shape_paths import shape_path

if TYPE_CHECKING:
    from PySide6.QtCore import QObject
    from PySide6.QtGui import QPainter

    from viewer.canvas.annotating.edit_context import EditContext
    from viewer.canvas.layer import Scene
    from viewer.geometry import Point

_COLOR = QColor("#1f6fd0")


class MeasuringTool(DrawingTool):
    """Takes a number of places by clicks, or by a drag from one to the next.

    With the last of them the measured line is an annotation without a class, which stays on the
    slide with its figure and is undone as any stroke.
    """

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
        if self.is_complete:  # it could not be kept
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
        if self.is_complete:
            self._keep_line()

    def wants(self, key: Qt.Key, keys: Qt.KeyboardModifier) -> bool:
        return self.is_busy and key == Qt.Key.Key_Backspace

    def key(self, key: Qt.Key) -> None:
        self.step_back()

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
        """Paint what stands beside the line, in screen pixels."""

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

    def _keep_line(self) -> None:
        """Make the line an annotation; where nothing may be drawn it is shown until the next."""
        line = self.desk.new(shapely.LineString(self.places))
        kept = replace(line, shown_as=None, color=_COLOR.name(), measurements=self.measurements())
        if self.desk.add(self.label, kept) is not None:
            self.places = []
            self.changed.emit()

    def _show(self) -> None:
        figure = self.figure(self._line())
        self.measure_changed.emit(f"{self.label}: {figure}" if figure else "")
        self.changed.emit()


class RulerTool(MeasuringTool):
    """A distance."""

    name = "ruler"
    label = "Ruler"
    count = 2
    hint = "Drag, or click both ends. The length stays on the slide until it is deleted."

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
        paint_stroke(painter, ticks_path(places), _COLOR)


class AngleTool(MeasuringTool):
    """Between two lines that meet in the second place."""

    name = "angle"
    label = "Angle"
    count = 3
    hint = "Click one end, the corner, the other end. The angle stays until it is deleted."

    def figure(self, places: list[Point]) -> str:
        return f"{self._angle_deg(places):.1f}°" if len(places) == 3 else ""

    def measurements(self) -> dict[str, float]:
        return {ANGLE: self._angle_deg(self.places)}

    def decorate(self, painter: QPainter, places: list[Point]) -> None:
        """Paint an arc in the corner."""
        if len(places) < 3:
            return
        paint_stroke(painter, arc_path(*places), _COLOR)

    def _angle_deg(self, places: list[Point]) -> float:
        end, corner, other = places
        return self.desk.calibration.angle_deg(end, corner, other)
