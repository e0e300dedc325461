"""The legend of the heatmap of time: its colors with their seconds, and the value at the cursor."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from viewer.canvas.patch_layer import heat_color, heat_level
from viewer.canvas.qt_guard import guarded

_BAR_PX, _STOPS = 12, 24
_SHARES = (0.0, 0.1, 0.4, 1.0)
"""Of the seconds at which it is red: where a number stands."""


class HeatLegend(QWidget):
    """A bar of the colors, from nothing at the left to the longest stay at the right."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.red_at_s = 0.0
        self.value_s: float | None = None
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setRetainSizeWhenHidden(True)
        self.setSizePolicy(policy)
        self.setToolTip("Seconds that a place was on screen; the scale is logarithmic")

    def show_scale(self, red_at_s: float) -> None:
        """Show the colors up to this many seconds."""
        self.red_at_s, self.value_s = red_at_s, None
        self.setAccessibleName(f"Heatmap: clear 0 s, red {red_at_s:.0f} s, logarithmic")
        self.update()

    def show_value(self, seconds: float | None) -> None:
        """Mark the value at the cursor; None for none."""
        if seconds != self.value_s:
            self.value_s = seconds
            self.update()

    @guarded(QSize())
    def sizeHint(self) -> QSize:
        return QSize(200, _BAR_PX + 2 * self.fontMetrics().height() + 6)

    @guarded()
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        bar = QRectF(6, 1, self.width() - 12, _BAR_PX)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for stop in range(_STOPS + 1):
            gradient.setColorAt(stop / _STOPS, QColor(*heat_color(stop / _STOPS)))
        painter.fillRect(bar, QColor("white"))  # as the slide behind it
        painter.fillRect(bar, gradient)
        painter.setPen(self.palette().mid().color())
        painter.drawRect(bar)
        painter.setPen(self.palette().windowText().color())
        metrics = painter.fontMetrics()
        for share in _SHARES:
            text = f"{share * self.red_at_s:.3g} s"
            width = metrics.horizontalAdvance(text)
            x = bar.left() + heat_level(share) * bar.width()
            left = min(max(x - width / 2, 0), self.width() - width)
            area = QRectF(left, bar.bottom() + 2, width + 1, metrics.height())
            painter.drawText(area, Qt.AlignmentFlag.AlignLeft, text)
        if self.value_s is not None:
            self._paint_value(painter, bar, self.value_s)
        painter.end()

    def _paint_value(self, painter: QPainter, bar: QRectF, seconds: float) -> None:
        x = bar.left() + heat_level(min(seconds / max(self.red_at_s, 1e-9), 1.0)) * bar.width()
        painter.setPen(QPen(QColor("black"), 3))
        painter.drawLine(int(x), int(bar.top()), int(x), int(bar.bottom()))
        painter.setPen(QPen(QColor("white"), 1))
        painter.drawLine(int(x), int(bar.top()), int(x), int(bar.bottom()))
        painter.setPen(self.palette().windowText().color())
        top = bar.bottom() + 2 + painter.fontMetrics().height()
        area = QRectF(0, top, self.width(), painter.fontMetrics().height())
        painter.drawText(area, Qt.AlignmentFlag.AlignLeft, f"At the cursor: {seconds:.3g} s")
