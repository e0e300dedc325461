"""Icons of our own, where none that qtawesome brings would be guessed: SVG files, colored here.

The files are in `resources/icons`, in a square of 24; ``currentColor`` takes the theme's color.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QRectF
from PySide6.QtGui import QIcon, QPainter
from PySide6.QtSvg import QSvgRenderer

from viewer.resource_files import resource
from viewer.ui.icon_engine import ColoredIconEngine

if TYPE_CHECKING:
    from collections.abc import Mapping


def drawn_icon(name: str, colors: Mapping[QIcon.Mode, str]) -> QIcon:
    """Return the icon of the file `name`.svg.

    Raises
    ------
    OSError
        There is no such file.
    """
    return QIcon(_SvgIconEngine(_svg(name), colors))


class _SvgIconEngine(ColoredIconEngine):
    def draw(self, painter: QPainter, square: QRectF, shape: str, color: str) -> None:
        _renderer(shape, color).render(painter, square)


@cache
def _svg(name: str) -> str:
    return resource("icons", f"{name}.svg").read_text(encoding="utf-8")


@cache
def _renderer(svg: str, color: str) -> QSvgRenderer:
    return QSvgRenderer(QByteArray(svg.replace("currentColor", color).encode()))
