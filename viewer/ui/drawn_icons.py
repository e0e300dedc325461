"""Icons of our own, where none that qtawesome brings would be guessed: SVG files, colored here.

The files are in `resources/icons`, in a square of 24; ``currentColor`` takes the theme's color.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QIconEngine, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from viewer.canvas.qt_guard import guarded
from viewer.resource_files import resource

if TYPE_CHECKING:
    from collections.abc import Mapping


def drawn_icon(name: str, color: str, color_disabled: str) -> QIcon:
    """Return the icon of the file `name`.svg.

    Raises
    ------
    OSError
        There is no such file.
    """
    svg = _svg(name)
    disabled = QIcon.Mode.Disabled
    modes = {mode: color for mode in QIcon.Mode if mode is not disabled}
    return QIcon(_SvgIconEngine(svg, modes | {disabled: color_disabled}))


class _SvgIconEngine(QIconEngine):
    """Draws a picture in the color of a mode, crisp at every size and scale."""

    def __init__(self, svg: str, colors: Mapping[QIcon.Mode, str]) -> None:
        super().__init__()
        self._svg = svg
        self._colors = colors

    @guarded()
    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        side = min(rect.width(), rect.height())
        square = QRectF(0, 0, side, side)
        square.moveCenter(QRectF(rect).center())
        _renderer(self._svg, self._colors[mode]).render(painter, square)

    @guarded()
    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        pixmap = QPixmap(size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        return pixmap

    @guarded()
    def clone(self) -> QIconEngine:
        return _SvgIconEngine(self._svg, self._colors)


@cache
def _svg(name: str) -> str:
    return resource("icons", f"{name}.svg").read_text(encoding="utf-8")


@cache
def _renderer(svg: str, color: str) -> QSvgRenderer:
    return QSvgRenderer(QByteArray(svg.replace("currentColor", color).encode()))
