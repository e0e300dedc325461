"""Marks cells of a class: a click means one, a drag all that it crosses; digits are the classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from viewer.canvas.annotating.drawing_tool import DRAG_PX, DrawingTool, PointerState
from viewer.geometry import Point

if TYPE_CHECKING:
    from PySide6.QtCore import QObject

    from viewer.canvas.annotating.edit_context import EditContext
    from viewer.canvas.layer import Scene

_STROKE_PX = 3.0


class TeachTool(DrawingTool):
    """Says where cells are marked; who listens knows which cells lie there."""

    name = "teach cells"
    hint = "Click a cell or drag over several; digits choose the class, Alt takes a mark away."
    draws = False

    marked = Signal(object, bool)
    """Level-0 Points along which cells are marked, and whether marks are taken away there."""
    class_chosen = Signal(int)
    """The class of a digit, 0 for the first."""
    left = Signal()
    """The reader is done (Esc)."""

    def __init__(self, desk: EditContext, parent: QObject | None = None) -> None:
        super().__init__(desk, parent)
        self.stroke_color = QColor("white")
        """Of the class that is marked."""
        self._path: list[Point] = []
        self._from = Point(0, 0)

    def press(self, hand: PointerState) -> None:
        self._path = [hand.at]
        self._from = hand.screen
        self.changed.emit()

    def move(self, hand: PointerState) -> None:
        if self.is_busy:
            self._path.append(hand.at)
            self.changed.emit()

    def release(self, hand: PointerState) -> None:
        path, self._path = self._path, []
        if not path:
            return
        is_click = math.dist(self._from, hand.screen) < DRAG_PX
        self.marked.emit([path[0]] if is_click else [*path, hand.at], hand.alt)
        self.changed.emit()

    def give_up(self) -> None:
        self._path = []

    @property
    def is_busy(self) -> bool:
        return bool(self._path)

    def wants(self, key: Qt.Key, keys: Qt.KeyboardModifier) -> bool:
        is_plain = not keys & ~Qt.KeyboardModifier.KeypadModifier
        return is_plain and (Qt.Key.Key_1 <= key <= Qt.Key.Key_9 or key == Qt.Key.Key_Escape)

    def key(self, key: Qt.Key) -> None:
        if key == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            self.class_chosen.emit(key - Qt.Key.Key_1)

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """As `DrawingTool` asks for: the stroke under way."""
        if not self.is_busy:
            return
        line = QPolygonF([QPointF(*scene.view.to_screen(point)) for point in self._path])
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for color, width_px in ((QColor("black"), _STROKE_PX + 2), (self.stroke_color, _STROKE_PX)):
            painter.setPen(QPen(color, width_px))
            painter.drawPolyline(line)
