"""The key of colors: a swatch and its name each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.colors import BAND_COLORS

if TYPE_CHECKING:
    from collections.abc import Sequence

_SWATCH_PX, _GAP_PX = 10, 4
IDLE_COLOR = QColor(128, 128, 128, 120)


class ColorKey(QWidget):
    """One line of swatches with their names.

    Parameters
    ----------
    subject
        What the colors stand for, as a screen reader says it.
    """

    def __init__(
        self, subject: str, entries: Sequence[tuple[QColor, str]], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._entries = tuple(entries)
        names = ", ".join(text for _, text in self._entries)
        self.setAccessibleName(f"{subject}: {names}")
        self.setToolTip(subject)
        policy = QSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        policy.setRetainSizeWhenHidden(True)  # nothing moves when it comes and goes
        self.setSizePolicy(policy)

    @guarded(QSize())
    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        words = sum(metrics.horizontalAdvance(text) for _, text in self._entries)
        between = len(self._entries) * (_SWATCH_PX + 3 * _GAP_PX)
        return QSize(words + between, metrics.height() + 2)

    @guarded()
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics, x = self.fontMetrics(), 0
        left = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        for color, text in self._entries:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color)
            top = (self.height() - _SWATCH_PX) / 2
            painter.drawRoundedRect(QRectF(x, top, _SWATCH_PX, _SWATCH_PX), 2, 2)
            x += _SWATCH_PX + _GAP_PX
            painter.setPen(self.palette().windowText().color())
            width = metrics.horizontalAdvance(text)
            painter.drawText(QRectF(x, 0, width + 1, self.height()), left, text)
            x += width + 2 * _GAP_PX
        painter.end()


def magnification_key(parent: QWidget, *, with_idle: bool = False) -> ColorKey:
    """Return the key of the colors of actions, from the widest look to cells."""
    entries = [(QColor(color), f"{band:g}x") for band, color in BAND_COLORS.items()]
    if with_idle:
        entries.append((IDLE_COLOR, "idle"))
    return ColorKey("Colors of magnifications", entries, parent)
