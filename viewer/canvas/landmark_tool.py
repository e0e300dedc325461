"""Marks places on a slide that are found again on another; numbered in their order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPen

from viewer.canvas.annotating.drawing_tool import DRAG_PX
from viewer.canvas.annotating.strokes import paint_label
from viewer.geometry import Point

if TYPE_CHECKING:
    from viewer.canvas.layer import Scene
    from viewer.geometry import View

_COLOR, _CASING = QColor("#ffd400"), QColor(0, 0, 0, 190)
_ARM_PX, _GAP_PX = 12.0, 3.0


class LandmarkTool(QObject):
    """A click marks a place; a drag moves the slide as ever. Also the layer that paints them."""

    picked = Signal(object)
    """A level-0 Point."""
    taken_back = Signal()
    brought_back = Signal()
    left = Signal()

    cursor = Qt.CursorShape.CrossCursor

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.places: list[Point] = []
        """Level-0 pixels."""
        self._pressed: Point | None = None

    def take(self, event: QEvent, view: View) -> bool:
        match event:
            case QMouseEvent():
                return self._mouse(event, view)
            case QKeyEvent():
                return self._key(event)
            case _:
                return False

    def follow(self, screen: Point, view: View) -> None:
        """As `Tool` asks for."""

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Paint a cross and a number at each place."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for number, place in enumerate(self.places, 1):
            at = scene.view.to_screen(place)
            for color, width_px in ((_CASING, 4.0), (_COLOR, 2.0)):
                painter.setPen(QPen(color, width_px))
                for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                    near = QPointF(at.x + dx * _GAP_PX, at.y + dy * _GAP_PX)
                    painter.drawLine(near, QPointF(at.x + dx * _ARM_PX, at.y + dy * _ARM_PX))
            paint_label(painter, at, str(number))

    def _mouse(self, event: QMouseEvent, view: View) -> bool:
        at = Point(event.position().x(), event.position().y())
        if event.button() is not Qt.MouseButton.LeftButton:
            return False
        match event.type():
            case QEvent.Type.MouseButtonPress:
                self._pressed = at
            case QEvent.Type.MouseButtonDblClick:
                return True
            case QEvent.Type.MouseButtonRelease:
                pressed, self._pressed = self._pressed, None
                if pressed is not None and math.dist(pressed, at) < DRAG_PX:
                    self.picked.emit(view.to_slide(at))
            case _:
                pass
        return False

    def _key(self, event: QKeyEvent) -> bool:
        signal = self._wanted(event)
        if signal is None:
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
        elif event.type() == QEvent.Type.KeyPress:
            getattr(self, signal).emit()
        return True

    def _wanted(self, event: QKeyEvent) -> str | None:
        """Return the name of the signal that a key stands for."""
        key, keys = event.key(), event.modifiers()
        control = Qt.KeyboardModifier.ControlModifier
        shift = Qt.KeyboardModifier.ShiftModifier
        if key == Qt.Key.Key_Escape:
            return "left"
        is_back = key in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete) and not keys
        if is_back or (key == Qt.Key.Key_Z and keys == control):
            return "taken_back"
        is_forward = key == Qt.Key.Key_Z and keys == control | shift
        if is_forward or (key == Qt.Key.Key_Y and keys == control):
            return "brought_back"
        return None
