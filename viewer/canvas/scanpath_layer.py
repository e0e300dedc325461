"""The way of a reader's eye: numbered boxes, joined from middle to middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPolygonF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.canvas.layer import Scene
    from viewer.geometry import Box, Point


class ScanpathLayer:
    """Paints boxes with their numbers and colors.

    Parameters
    ----------
    joined
        Whether the way from box to box is painted.
    """

    def __init__(self, *, joined: bool = True, name: str = "") -> None:
        self.opacity = 1.0
        self._name = name
        self._is_joined = joined
        self._boxes: list[tuple[Box, QColor]] = []

    @property
    def shown_name(self) -> str:
        return self._name if self._boxes else ""

    def clear(self) -> None:
        """Paint nothing."""
        self._boxes = []

    def show_boxes(self, boxes: Sequence[tuple[Box, str]]) -> None:
        """Take boxes in level-0 pixels with their colors, in the order of their numbers."""
        self._boxes = [(box, QColor(color)) for box, color in boxes]

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Paint the way, then the boxes that are on screen, then their numbers."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        seen = scene.view.box
        middles = [_on_screen(scene, box.center) for box, _ in self._boxes]
        painter.setPen(QPen(QColor(20, 20, 20, 150), 1.5))
        if self._is_joined:
            painter.drawPolyline(QPolygonF(middles))
        font = QFont(painter.font())
        font.setPixelSize(12)
        font.setBold(True)
        painter.setFont(font)
        for index, (box, color) in enumerate(self._boxes):
            if box.intersects(seen):
                self._paint_box(painter, scene, index, box, color)

    def _paint_box(
        self, painter: QPainter, scene: Scene, index: int, box: Box, color: QColor
    ) -> None:
        corners = [_on_screen(scene, corner) for corner in box.corners]
        painter.setPen(QPen(color, 2.0))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolygon(QPolygonF(corners))
        text = str(index + 1)
        width = QFontMetricsF(painter.font()).horizontalAdvance(text) + 8
        middle = _on_screen(scene, box.center)
        chip = QRectF(middle.x() - width / 2, middle.y() - 8, width, 17)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.drawRoundedRect(chip, 4, 4)
        painter.setPen(QColor("white"))
        painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, text)


def _on_screen(scene: Scene, point: Point) -> QPointF:
    return QPointF(*scene.view.to_screen(point))
