"""Shapes that are drawn in one drag: rectangle, ellipse, line."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import shapely
from shapely import affinity

from viewer.annotations.editing import EmptyShapeError, ellipse
from viewer.canvas.annotating.drawing_tool import DRAG_PX, DrawingTool, PointerState
from viewer.canvas.annotating.stroke_transaction import StrokeTransaction
from viewer.canvas.annotating.strokes import paint_stroke
from viewer.canvas.shape_paths import shape_path
from viewer.geometry import Point

if TYPE_CHECKING:
    from PySide6.QtCore import QObject
    from PySide6.QtGui import QPainter
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation
    from viewer.canvas.annotating.edit_context import EditContext
    from viewer.canvas.layer import Scene
    from viewer.geometry import View

_STEP_DEG = 45.0


class DragTool(DrawingTool):
    """From where the button goes down to where it comes up."""

    label: ClassVar[str]

    def __init__(self, desk: EditContext, parent: QObject | None = None) -> None:
        super().__init__(desk, parent)
        self._from: Point | None = None
        self._shape: BaseGeometry | None = None
        self._new: Annotation | None = None
        self._draft = StrokeTransaction(desk, self.label)

    @abstractmethod
    def shape(self, start: Point, end: Point, view: View, *, is_even: bool) -> BaseGeometry:
        """What is drawn between two level-0 points; even sides or angles with Shift."""

    @property
    def is_busy(self) -> bool:
        return self._from is not None

    def press(self, hand: PointerState) -> None:
        self._from, self._shape = self.snapped(hand), None
        self._new, self._draft = None, StrokeTransaction(self.desk, self.label)

    def move(self, hand: PointerState) -> None:
        if self._from is None:
            return
        end, self._shape = self.snapped(hand), None
        if math.dist(self._from, end) >= hand.reach(DRAG_PX):
            shape = self.shape(self._from, end, hand.view, is_even=hand.shift)
            if shape.is_valid:  # a region without any width is not
                self._shape = shape
                self.told.emit(f"{self.label}: {self.measured(shape)}")
        self.changed.emit()

    def release(self, hand: PointerState) -> None:
        self.move(hand)
        self.keep()
        if self._new is not None:
            self.choose(self._new.id)
        self._from = self._shape = None
        self.lifted = frozenset()
        self.told.emit("")
        self.changed.emit()
        if self._new is not None:
            self.finished.emit()

    def keep(self) -> None:
        if self._shape is None or self._shape.is_empty:
            return
        try:
            region = self.desk.spared(self._shape) if self._shape.area > 0 else self._shape
        except EmptyShapeError:
            self.desk.say("All of it is covered by others, which are not to be overlapped.")
            return
        is_ellipse = self.is_ellipse(region)
        if self._new is None:
            self._new = self.desk.new(region)
        self._new = replace(self._new, geometry=region, is_ellipse=is_ellipse)
        self.lifted = frozenset({self._new.id})
        self._draft.put({self._new.id: self._new})

    def give_up(self) -> None:
        self._from = self._shape = None
        self.lifted = frozenset()
        self._draft.take_back()

    def is_ellipse(self, region: BaseGeometry) -> bool:
        """Whether a region is as upright an ellipse as it was drawn."""
        return False

    def paint(self, painter: QPainter, scene: Scene) -> None:
        if self._shape is not None:
            paint_stroke(painter, shape_path(self._shape, scene.view), self.colour)


class RectangleTool(DragTool):
    """As upright as the screen; the slide may be turned."""

    name = "rectangle"
    label = "Rectangle"
    hint = "Drag from corner to corner. Shift draws a square."

    def shape(self, start: Point, end: Point, view: View, *, is_even: bool) -> BaseGeometry:
        corners = _screen_box(start, end, view, is_even=is_even)
        if view.rotation_deg % 90.0 == 0.0:
            xs, ys = zip(*corners, strict=True)
            return shapely.box(min(xs), min(ys), max(xs), max(ys))
        return shapely.Polygon(corners)


class EllipseTool(DragTool):
    """In the box of the drag, which is as upright as the screen."""

    name = "ellipse"
    label = "Ellipse"
    hint = "Drag from corner to corner of its box. Shift draws a circle."

    def shape(self, start: Point, end: Point, view: View, *, is_even: bool) -> BaseGeometry:
        a, b, c, d = _screen_box(start, end, view, is_even=is_even)
        self._is_upright = view.rotation_deg % 90.0 == 0.0
        if self._is_upright:
            return ellipse(a, c)
        unit = ellipse(Point(0, 0), Point(1, 1))
        return affinity.affine_transform(
            unit, [b.x - a.x, d.x - a.x, b.y - a.y, d.y - a.y, a.x, a.y]
        )

    def is_ellipse(self, region: BaseGeometry) -> bool:
        return self._is_upright and region is self._shape


class LineTool(DragTool):
    """Straight; its length is told."""

    name = "line"
    label = "Line"
    hint = "Drag from end to end. Shift keeps to steps of 45 degrees."

    def shape(self, start: Point, end: Point, view: View, *, is_even: bool) -> BaseGeometry:
        return shapely.LineString([start, evenly_turned(start, end, view) if is_even else end])


def evenly_turned(start: Point, end: Point, view: View) -> Point:
    """The end of a line at the nearest step of 45 degrees on the screen."""
    a, b = view.to_screen(start), view.to_screen(end)
    length = math.dist(a, b)
    step = round(math.degrees(math.atan2(b.y - a.y, b.x - a.x)) / _STEP_DEG)
    angle = math.radians(step * _STEP_DEG)
    return view.to_slide(Point(a.x + length * math.cos(angle), a.y + length * math.sin(angle)))


def _screen_box(start: Point, end: Point, view: View, *, is_even: bool) -> list[Point]:
    """The level-0 corners of a box that is upright on the screen."""
    a, b = view.to_screen(start), view.to_screen(end)
    width, height = b.x - a.x, b.y - a.y
    if is_even:
        side = max(abs(width), abs(height))
        width, height = math.copysign(side, width), math.copysign(side, height)
    places = (a.x, a.y), (a.x + width, a.y), (a.x + width, a.y + height), (a.x, a.y + height)
    return [view.to_slide(Point(x, y)) for x, y in places]
