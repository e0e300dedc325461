"""What the colors of a figure mean, at its lower right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter

from viewer.overlays.heatmap import HeatmapStyle, gradient, number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.canvas.layer import Scene
    from viewer.overlays.heatmap import Heatmap

_MARGIN_PX, _PADDING_PX, _ROW_PX, _SQUARE_PX, _GAP_PX = 14.0, 8.0, 18.0, 11.0, 7.0
_FONT_PX = 13
_MOST_ROWS = 24
_WIDEST_PX = 320.0


Entry = tuple[str, str]
"""Color "#rrggbb", and what it means."""


class Legend:
    """A colored square and a name for each entry.

    Parameters
    ----------
    entries
        In the order in which they are listed; what stands twice is listed once.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        shown = list(dict.fromkeys(entries))
        self._entries = shown[:_MOST_ROWS]
        if len(shown) > _MOST_ROWS:
            self._entries.append(("", f"and {len(shown) - _MOST_ROWS} more"))

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Paint nothing where there is no entry."""
        if not self._entries:
            return
        font = QFont(painter.font())
        font.setPixelSize(_FONT_PX)
        metrics = QFontMetricsF(font)
        names = [
            metrics.elidedText(name, Qt.TextElideMode.ElideRight, _WIDEST_PX)
            for _, name in self._entries
        ]
        widest = max(metrics.horizontalAdvance(name) for name in names)
        width = widest + _SQUARE_PX + _GAP_PX + 2 * _PADDING_PX
        height = len(names) * _ROW_PX + 2 * _PADDING_PX
        left = scene.view.size.width - _MARGIN_PX - width
        top = scene.view.size.height - _MARGIN_PX - height
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(255, 255, 255, 230))
        painter.drawRoundedRect(QRectF(left, top, width, height), 5, 5)
        painter.setFont(font)
        for index, ((color, _), name) in enumerate(zip(self._entries, names, strict=True)):
            y = top + _PADDING_PX + index * _ROW_PX
            x = left + _PADDING_PX
            if color:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(color))
                square = QRectF(x, y + (_ROW_PX - _SQUARE_PX) / 2, _SQUARE_PX, _SQUARE_PX)
                painter.drawRect(square)
            painter.setPen(QColor(20, 20, 20))
            text = QRectF(x + _SQUARE_PX + _GAP_PX, y, widest + 1, _ROW_PX)
            painter.drawText(text, Qt.AlignmentFlag.AlignVCenter, name)


def gradient_entries(name: str, heatmap: Heatmap) -> list[Entry]:
    """Return what the lowest, middle and highest color mean, in values where they are values."""
    low, _, _, middle, _, _, high = gradient(HeatmapStyle().color_map, 7)
    span = heatmap.high - heatmap.low
    texts = [
        number_text(value, span) for value in (heatmap.low, heatmap.low + span / 2, heatmap.high)
    ]
    return [(low, f"{name} {texts[0]}"), (middle, texts[1]), (high, texts[2])]
