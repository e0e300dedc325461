"""The Material Design icons of qtawesome, drawn from its font.

Importing qtawesome makes all names of Qt and loads twelve fonts, which is a seventh of the time
until the window shows; the one font that is used is read from where qtawesome keeps it.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QPainter

from viewer.ui.icon_engine import ColoredIconEngine

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "mdi6."
_FONT = "materialdesignicons6-webfont-[0-9]*.ttf"
_CHARACTERS = "materialdesignicons6-webfont-charmap-*.json"
_GLYPH_SHARE = 0.875
"""Height of a character to that of its square, as qtawesome has it."""


def font_icon(name: str, colors: Mapping[QIcon.Mode, str]) -> QIcon:
    """Return the icon of a name such as "mdi6.ruler".

    Raises
    ------
    KeyError
        The font has no icon of this name.
    """
    return QIcon(_GlyphIconEngine(_characters()[name.removeprefix(_PREFIX)], colors))


class _GlyphIconEngine(ColoredIconEngine):
    def draw(self, painter: QPainter, square: QRectF, shape: str, color: str) -> None:
        font = QFont(_family())
        font.setPixelSize(max(1, round(square.height() * _GLYPH_SHARE)))
        painter.setFont(font)
        painter.setPen(QColor(color))
        painter.drawText(square, Qt.AlignmentFlag.AlignCenter, shape)


@cache
def _characters() -> dict[str, str]:
    """Return the character of each name."""
    codes: dict[str, str] = json.loads(_font_file(_CHARACTERS).read_bytes())
    return {name: chr(int(code, 16)) for name, code in codes.items()}


@cache
def _family() -> str:
    """Return the font's name, once the application has it."""
    number = QFontDatabase.addApplicationFont(str(_font_file(_FONT)))
    return QFontDatabase.applicationFontFamilies(number)[0]


def _font_file(pattern: str) -> Path:
    spec = find_spec("qtawesome")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("qtawesome is not installed: its font draws the icons.")
    return next((Path(spec.origin).parent / "fonts").glob(pattern))
