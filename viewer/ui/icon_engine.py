"""What all icons share: one shape, drawn in the color of its mode at every size and scale."""

from __future__ import annotations

from abc import abstractmethod
from functools import cache
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QIconEngine, QPainter, QPixmap, QPixmapCache

from viewer.canvas.qt_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def icon_colors(
    color: str, *, color_disabled: str = "", color_selected: str = ""
) -> Mapping[QIcon.Mode, str]:
    """Return the color of each mode, as "#rrggbb"; `color` where a mode has none of its own."""
    colors = dict.fromkeys(QIcon.Mode, color)
    colors[QIcon.Mode.Disabled] = color_disabled or color
    colors[QIcon.Mode.Selected] = color_selected or color
    return colors


class ColoredIconEngine(QIconEngine):
    """Draws one shape, crisp at every size and scale.

    Parameters
    ----------
    shape
        What `draw` takes: the source of a picture, a character.
    colors
        As `icon_colors` gives them.
    """

    def __init__(self, shape: str, colors: Mapping[QIcon.Mode, str]) -> None:
        super().__init__()
        self._shape = shape
        self._colors = colors

    @abstractmethod
    def draw(self, painter: QPainter, square: QRectF, shape: str, color: str) -> None:
        """Draw the shape in a square of the painter."""

    @guarded()
    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        side = min(rect.width(), rect.height())
        square = QRectF(0, 0, side, side)
        square.moveCenter(QRectF(rect).center())
        self.draw(painter, square, self._shape, self._colors[mode])

    @guarded()
    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        # Qt keeps what an engine draws of no icon, and a window shows many of them again and again.
        look = f"{type(self).__name__} {self._colors[mode]} {size.width()} {size.height()}"
        key = f"{look} {self._shape}"
        pixmap = QPixmap()
        if QPixmapCache.find(key, pixmap):
            return pixmap
        pixmap = QPixmap(size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        QPixmapCache.insert(key, pixmap)
        return pixmap

    @guarded()
    def clone(self) -> QIconEngine:
        return type(self)(self._shape, self._colors)
