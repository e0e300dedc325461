"""Squares of a color, for lists, menus and buttons."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap

SWATCH_PX = 12


def swatch(color: str, side_px: int = SWATCH_PX) -> QIcon:
    """Return a square of a color, sharp on screens of twice the resolution too.

    An outline alone stands for what is not painted, whose color is "".
    """
    picture = QPixmap(2 * side_px, 2 * side_px)
    picture.setDevicePixelRatio(2.0)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QColor(128, 128, 128))
    if color:
        painter.setBrush(QColor(color))
    painter.drawRoundedRect(1, 1, side_px - 2, side_px - 2, 2, 2)
    painter.end()
    icon = QIcon(picture)
    icon.addPixmap(picture, QIcon.Mode.Selected)  # else Qt mixes the color with a chosen row's
    return icon
