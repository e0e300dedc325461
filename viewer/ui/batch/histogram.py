"""A small histogram: how one value spreads, with a line at its median."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.ui.theme import current_theme

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from viewer.cohort.spread import Spread

_HEIGHT_PX, _LABELS_PX = 110, 20


class Histogram(QWidget):
    """Shows the counts of a spread, its ends in numbers below."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._spread: Spread | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Histogram")

    @guarded(QSize())
    def sizeHint(self) -> QSize:
        return QSize(300, _HEIGHT_PX)

    def show_spread(self, spread: Spread | None) -> None:
        """Show a spread; None is nothing."""
        self._spread = spread
        text = ""
        if spread is not None:
            text = f"From {number_text(spread.low)} to {number_text(spread.high)}, "
            text += f"median {number_text(spread.median)}"
        self.setAccessibleDescription(text)
        self.setToolTip(text)
        self.update()

    @guarded()
    def paintEvent(self, event: QPaintEvent) -> None:
        del event
        spread, theme = self._spread, current_theme()
        if spread is None or not spread.counts.any():
            return
        painter = QPainter(self)
        room = QRectF(self.rect()).adjusted(1, 2, -1, -_LABELS_PX)
        wide = room.width() / len(spread.counts)
        highest = float(spread.counts.max())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.accent))
        for number, count in enumerate(spread.counts.tolist()):
            # What is there at all is seen.
            tall = max(1.5, room.height() * count / highest) if count else 0.0
            left = room.left() + number * wide
            painter.drawRect(QRectF(left, room.bottom() - tall, max(1.0, wide - 1), tall))
        pen = QPen(self.palette().text().color(), 1)
        painter.setPen(pen)
        painter.drawLine(room.bottomLeft(), room.bottomRight())
        reach = spread.high - spread.low
        share = (spread.median - spread.low) / reach if reach > 0 else 0.5
        x = room.left() + room.width() * min(1.0, max(0.0, share))
        pen.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.drawLine(QPointF(x, room.top()), QPointF(x, room.bottom()))
        labels = QRectF(self.rect()).adjusted(1, room.bottom() + 2, -1, 0)
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        painter.drawText(labels, left, number_text(spread.low))
        painter.drawText(labels, right, number_text(spread.high))
        middle = Qt.AlignmentFlag.AlignHCenter
        painter.drawText(labels, middle, f"median {number_text(spread.median)}")


def number_text(value: float) -> str:
    """Return a number as people read it: 1,234, 12.3 or 0.0123."""
    if abs(value) >= 1000 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"
