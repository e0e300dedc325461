"""Shapes that are drawn corner by corner: polygon and polyline, freehand where dragged."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import shapely
from PySide6.QtCore import Qt

from viewer.annotations.shape_editing import EmptyShapeError, polygon, wide_parts
from viewer.annotations.simplifying import simplified
from viewer.canvas.annotating.drawing_tool import DRAG_PX, DrawingTool, PointerState
from viewer.canvas.annotating.stroke_transaction import StrokeTransaction
from viewer.canvas.annotating.strokes import CASING, paint_handles, paint_stroke
from viewer.canvas.shape_paths import shape_path

if TYPE_CHECKING:
    from PySide6.QtCore import QObject
    from PySide6.QtGui import QPainter, QPainterPath
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation
    from viewer.canvas.annotating.edit_context import EditContext
    from viewer.canvas.layer import Scene
    from viewer.geometry import Point, View

_CLOSING_PX = 9.0
"""A click this near to the first corner closes a polygon."""
_FREEHAND_PX = 2.0
"""Between the corners of a line drawn by hand."""
_SLACK_PX = 0.5
"""How far a line drawn by hand may move when corners are left out."""
_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Backspace)


class CornersTool(DrawingTool):
    """Clicks set corners, drags draw by hand; a drag from the first corner is the whole shape."""

    label: ClassVar[str]
    least: ClassVar[int]
    """Corners that it takes."""

    def __init__(self, desk: EditContext, parent: QObject | None = None) -> None:
        from viewer.canvas.annotating.stroke_preview import StrokePreview

        super().__init__(desk, parent)
        self._corners: list[Point] = []
        self._runs: list[int] = []
        """Where each press began among the corners."""
        self._taken_back: list[list[Point]] = []
        """Corners of each press that was taken back, the last one last."""
        self._pressed: Point | None = None
        self._is_dragged = False
        self._new: Annotation | None = None
        self._draft = StrokeTransaction(desk, self.label)
        self._live = StrokePreview()

    def closed(self, corners: list[Point]) -> BaseGeometry:
        """Return the finished shape. Raises EmptyShapeError."""
        return shapely.LineString(corners)

    @property
    def is_busy(self) -> bool:
        return bool(self._corners)

    def press(self, hand: PointerState) -> None:
        at = self.snapped(hand)
        if self._closes(hand):
            self._finish(hand.view)
            return
        if not self._corners:
            self._new, self._draft = None, StrokeTransaction(self.desk, self.label)
            self._live.clear()
        self._taken_back = []
        self._runs.append(len(self._corners))
        self._append(at)
        self._pressed, self._is_dragged = hand.at, False
        self._show(hand)

    def move(self, hand: PointerState) -> None:
        if not self._corners:
            return
        if self.is_pressed and self._pressed is not None:
            self._is_dragged |= math.dist(self._pressed, hand.at) >= hand.reach(DRAG_PX)
            at = self.snapped(hand)
            if self._is_dragged and math.dist(self._corners[-1], at) >= hand.reach(_FREEHAND_PX):
                self._append(at)
        self._show(hand)

    def release(self, hand: PointerState) -> None:
        if self._is_dragged and len(self._runs) == 1:
            self._finish(hand.view)

    def second_press(self, hand: PointerState) -> None:
        if len(self._corners) >= self.least:
            self._finish(hand.view)
        else:
            self.press(hand)

    def wants(self, key: Qt.Key, keys: Qt.KeyboardModifier) -> bool:
        return self.is_busy and key in _KEYS

    def key(self, key: Qt.Key) -> None:
        if key == Qt.Key.Key_Backspace:
            self.step_back()
        else:
            self._finish(self.hand.view if self.hand is not None else None)

    def step_back(self) -> None:
        start = self._runs.pop()
        self._taken_back.append(self._corners[start:])
        del self._corners[start:]
        self._show_changed()

    @property
    def can_step_forward(self) -> bool:
        return self.is_busy and bool(self._taken_back)

    def step_forward(self) -> None:
        self._runs.append(len(self._corners))
        self._corners += self._taken_back.pop()
        self._show_changed()

    def keep(self) -> None:
        if len(self._corners) > 1:
            self._put(shapely.LineString(self._corners))
        elif self._corners:
            self._draft.take_back()

    def put_down(self) -> None:
        if len(self._corners) >= self.least:
            self._finish(self.hand.view if self.hand is not None else None)
        elif self._corners:
            self.give_up()

    def give_up(self) -> None:
        self._draft.take_back()
        self._clear()

    def paint(self, painter: QPainter, scene: Scene) -> None:
        if not self._corners:
            return
        view, color = scene.view, self.color
        if len(self._corners) > 1:
            self._live.paint(painter, scene, _line(self._corners), self._paint_path)
        if self.hand is not None and not self.is_pressed:
            rubber = _line([self._corners[-1], self.hand.at])
            paint_stroke(painter, shape_path(rubber, view), color)
        ends = [view.to_screen(self._corners[index]) for index in self._runs]
        paint_handles(painter, ends[1:], color)
        closes = self.hand is not None and self._closes(self.hand)
        paint_handles(painter, ends[:1], CASING if closes else color, are_round=True)

    # -----------------------------------------------------------------------------------------

    def _paint_path(self, painter: QPainter, path: QPainterPath) -> None:
        paint_stroke(painter, path, self.color)

    def _append(self, place: Point) -> None:
        self._corners.append(place)
        self._live.touch(_line([*self._corners[-3:], place]))

    def _closes(self, hand: PointerState) -> bool:
        return False

    def _show_changed(self) -> None:
        """Corners were taken back or brought back: what is kept of them follows."""
        self._live.clear()
        if not self._corners:
            self._draft.take_back()
        elif self._draft.is_kept:
            self.keep()
        if self.hand is not None and self._corners:
            self._show(self.hand)
            return
        self.lifted = frozenset()
        self.measure_changed.emit("")
        self.changed.emit()

    def _so_far(self) -> list[Point]:
        """With where the hand is."""
        if self.hand is None or self.is_pressed:
            return self._corners
        return [*self._corners, self.hand.at]

    def _show(self, hand: PointerState) -> None:
        if self._new is not None:
            self.lifted = frozenset({self._new.id})
        line = self._so_far()
        shape = _line(line) if len(line) > 1 else None
        if shape is not None and len(line) >= self.least > 2:
            shape = shapely.Polygon(np.array(line))
        self.measure_changed.emit(
            f"{self.label}: {self.measured(shape)}" if shape is not None else ""
        )
        self.changed.emit()

    def _finish(self, view: View | None) -> None:
        per_px = view.downsample if view is not None else 0.0
        corners = [a for a, b in zip(self._corners, [None, *self._corners], strict=False) if a != b]
        try:
            if len(corners) < self.least:
                raise EmptyShapeError
            shape = self.closed(corners)
            if len(self._corners) > 2 * len(self._runs):  # drawn by hand
                shape = simplified(shape, _SLACK_PX * per_px)
            if shape.area > 0:
                shape = self.desk.spared(shape)
            shape = wide_parts(shape, per_px)
        except EmptyShapeError as error:
            self.desk.say(str(error))
            self.give_up()
        else:
            self._put(shape)
            if self._new is not None:
                self.choose(self._new.id)
            self._clear()
            self.finished.emit()
        self.measure_changed.emit("")
        self.changed.emit()

    def _put(self, shape: BaseGeometry) -> None:
        self._new = replace(self._new or self.desk.new(shape), geometry=shape)
        self._draft.put({self._new.id: self._new})

    def _clear(self) -> None:
        self._corners, self._runs, self._taken_back = [], [], []
        self._new, self.lifted = None, frozenset()


def _line(places: list[Point]) -> shapely.LineString:
    """Quicker than shapely's own way for long lists."""
    return shapely.LineString(np.array(places))


class PolygonTool(CornersTool):
    """A region, by corners or by hand."""

    name = "polygon"
    label = "Polygon"
    least = 3
    hint = "Click corners, or drag. Double click closes, Backspace takes back."

    def closed(self, corners: list[Point]) -> BaseGeometry:
        return polygon(corners)

    def _closes(self, hand: PointerState) -> bool:
        if len(self._corners) < self.least:
            return False
        first = hand.view.to_screen(self._corners[0])
        return math.dist(first, hand.screen) <= _CLOSING_PX


class PolylineTool(CornersTool):
    """A line with corners, or by hand."""

    name = "polyline"
    label = "Polyline"
    least = 2
    hint = "Click corners, or drag. Double click ends it, Backspace takes back."
