"""How what is being drawn looks on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPainterPath

    from viewer.geometry import Point

CASING = QColor(255, 255, 255, 220)
DARK = QColor(20, 20, 20, 230)
HANDLE_PX = 4.0
"""Half the side of a handle."""


def paint_stroke(
    painter: QPainter,
    path: QPainterPath,
    color: QColor,
    *,
    is_filled: bool = False,
    is_dashed: bool = False,
) -> None:
    """Paint a line in its color, cased in white: it stands out against any stain."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if is_filled:
        faint = QColor(color)
        faint.setAlphaF(0.25)
        painter.fillPath(path, faint)
    painter.strokePath(path, round_pen(CASING, 4.5))
    line = round_pen(color, 2.0)
    if is_dashed:
        line.setCapStyle(Qt.PenCapStyle.FlatCap)
        line.setDashPattern([4.0, 3.0])
    painter.strokePath(path, line)


def paint_line(painter: QPainter, places: Sequence[Point], color: QColor) -> None:
    """Paint a thin line from the first to the last place."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for line, width_px in ((CASING, 3.0), (color, 1.0)):
        painter.setPen(round_pen(line, width_px))
        painter.drawLine(QPointF(*places[0]), QPointF(*places[-1]))


def paint_handles(
    painter: QPainter, places: Sequence[Point], color: QColor, *, are_round: bool = False
) -> None:
    """Squares, or circles, that can be taken hold of."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(round_pen(DARK, 1.0))
    painter.setBrush(color)
    for x, y in places:
        box = QRectF(x - HANDLE_PX, y - HANDLE_PX, 2 * HANDLE_PX, 2 * HANDLE_PX)
        if are_round:
            painter.drawEllipse(box)
        else:
            painter.drawRect(box)


def paint_rim(painter: QPainter, path: QPainterPath, color: QColor) -> None:
    """Paint the rim of a brush."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for rim, width_px in ((DARK, 3.0), (color, 1.5)):
        painter.strokePath(path, round_pen(rim, width_px))


def paint_label(painter: QPainter, at: Point, text: str) -> None:
    """Paint a figure beside what it measures."""
    font = QFont(painter.font())
    font.setPixelSize(13)
    font.setBold(True)
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    width, height = metrics.horizontalAdvance(text) + 14, metrics.height() + 6
    box = QRectF(at.x + 14, at.y - height - 8, width, height)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(DARK)
    painter.drawRoundedRect(box, 4, 4)
    painter.setPen(QColor("white"))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def round_pen(color: QColor, width_px: float) -> QPen:
    """Return a pen with round ends and joins."""
    made = QPen(color, width_px)
    made.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    made.setCapStyle(Qt.PenCapStyle.RoundCap)
    return made
