"""Boxes with their numbers at the corner, so that what lies in them stays in sight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPolygonF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.canvas.layer import Scene
    from viewer.geometry import Box

_CHIP_HEIGHT_PX = 17.0


class NumberedBoxesLayer:
    """Paints boxes in their colors; the one in hand thick and last, the others thin."""

    def __init__(self, name: str = "") -> None:
        self.opacity = 1.0
        self._name = name
        self._boxes: list[tuple[Box, QColor]] = []
        self._current = -1

    @property
    def shown_name(self) -> str:
        """As `Layer` asks for."""
        return self._name if self._boxes else ""

    def clear(self) -> None:
        """Paints nothing."""
        self.show_boxes([], -1)

    def show_boxes(self, boxes: Sequence[tuple[Box, str]], current: int) -> None:
        """Takes boxes in level-0 pixels with their colors, and the index of the one in hand."""
        self._boxes = [(box, QColor(color)) for box, color in boxes]
        self._current = current

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Paints the boxes that are on screen."""
        if not self._boxes:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = QFont(painter.font())
        font.setPixelSize(12)
        font.setBold(True)
        painter.setFont(font)
        seen = scene.view.box
        order = [index for index in range(len(self._boxes)) if index != self._current]
        for index in [*order, self._current] if self._current >= 0 else order:
            if self._boxes[index][0].intersects(seen):
                self._paint_box(painter, scene, index)

    def _paint_box(self, painter: QPainter, scene: Scene, index: int) -> None:
        box, color = self._boxes[index]
        is_current = index == self._current
        corners = [QPointF(*scene.view.to_screen(corner)) for corner in box.corners]
        painter.setPen(QPen(color, 3.0 if is_current else 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolygon(QPolygonF(corners))
        text = str(index + 1)
        width = QFontMetricsF(painter.font()).horizontalAdvance(text) + 8
        # Turned or mirrored, another corner is the upper left one on screen.
        corner = min(corners, key=lambda point: point.x() + point.y())
        chip = QRectF(corner.x(), corner.y() - _CHIP_HEIGHT_PX, width, _CHIP_HEIGHT_PX)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.drawRoundedRect(chip, 3, 3)
        painter.setPen(QColor("white"))
        painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, text)
