"""A channel's histogram with the range that is shown, whose two ends can be dragged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPalette, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from viewer.canvas.qt_guard import guarded

if TYPE_CHECKING:
    from PySide6.QtGui import QMouseEvent, QPaintEvent

    from viewer.slides.composites import ChannelDisplay
    from viewer.tiles.histogram import ChannelHistogram

_HEIGHT_PX = 72
_GRIP_PX = 8
_MARGIN_PX = 6


class HistogramView(QWidget):
    """Counts on a logarithmic scale; the curve is how values become brightness."""

    range_dragged = Signal(float, float)
    """The low and high value that the user drags to."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._histogram: ChannelHistogram | None = None
        self._display: ChannelDisplay | None = None
        self._grabbed = ""
        self.setAccessibleName("Histogram of the selected channel")
        self.setToolTip("How often each value occurs; drag the ends of what is shown")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)

    def show_histogram(self, histogram: ChannelHistogram | None) -> None:
        """Show counts; None while they are not known."""
        self._histogram = histogram
        self.update()

    def show_display(self, display: ChannelDisplay | None) -> None:
        """Show the range of a channel in its color."""
        self._display = display
        self.update()

    # Qt's events -----------------------------------------------------------------------------

    @guarded(QSize())
    def sizeHint(self) -> QSize:
        return QSize(240, _HEIGHT_PX)

    @guarded()
    def paintEvent(self, _event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), self.palette().color(QPalette.ColorRole.Base))
            if self._histogram is not None and self._display is not None:
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                self._paint_counts(painter)
                self._paint_range(painter)

    @guarded()
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._display is None or event.button() is not Qt.MouseButton.LeftButton:
            return
        x = event.position().x()
        low, high = self._x(self._display.low), self._x(self._display.high)
        self._grabbed = "low" if abs(x - low) <= abs(x - high) else "high"
        self._drag(x)

    @guarded()
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._grabbed:
            self._drag(event.position().x())
        elif self._display is not None:
            ends = (self._x(self._display.low), self._x(self._display.high))
            near = any(abs(event.position().x() - end) <= _GRIP_PX for end in ends)
            self.setCursor(Qt.CursorShape.SizeHorCursor if near else Qt.CursorShape.ArrowCursor)

    @guarded()
    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        self._grabbed = ""

    # -----------------------------------------------------------------------------------------

    @property
    def _limits(self) -> tuple[float, float]:
        """Return the values at the left and right edge."""
        histogram, display = self._histogram, self._display
        ends = [0.0, 1.0] if histogram is None else [histogram.low, histogram.high]
        if display is not None:
            ends += [display.low, display.high]
        low, high = min(ends), max(ends)
        return low, high if high > low else low + 1

    def _x(self, value: float) -> float:
        low, high = self._limits
        width = self.width() - 2 * _MARGIN_PX
        return _MARGIN_PX + (value - low) / (high - low) * width

    def _drag(self, x: float) -> None:
        assert self._display is not None
        low, high = self._limits
        share = (x - _MARGIN_PX) / max(self.width() - 2 * _MARGIN_PX, 1)
        value = low + min(max(share, 0.0), 1.0) * (high - low)
        least = (high - low) / 1000
        if self._grabbed == "low":
            self.range_dragged.emit(min(value, self._display.high - least), self._display.high)
        else:
            self.range_dragged.emit(self._display.low, max(value, self._display.low + least))

    def _paint_counts(self, painter: QPainter) -> None:
        histogram, display = self._histogram, self._display
        assert histogram is not None
        assert display is not None
        heights = np.log1p(histogram.counts)
        heights = heights / max(float(heights.max()), 1e-9) * (self.height() - 4)
        step = (max(histogram.high, histogram.low + 1e-9) - histogram.low) / len(heights)
        bottom = float(self.height())
        line = [QPointF(self._x(histogram.low), bottom)]
        for index, height in enumerate(heights.tolist()):
            left = self._x(histogram.low + index * step)
            right = self._x(histogram.low + (index + 1) * step)
            line += [QPointF(left, bottom - height), QPointF(right, bottom - height)]
        line.append(QPointF(self._x(histogram.high), bottom))
        painter.setPen(Qt.PenStyle.NoPen)
        # The channel's color may be hard to see on the ground; a line of text color bounds it.
        painter.setBrush(QColor(*display.color, 150))
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Text), 0.6))
        painter.drawPolygon(QPolygonF(line))

    def _paint_range(self, painter: QPainter) -> None:
        assert self._display is not None
        low, high = self._x(self._display.low), self._x(self._display.high)
        ground = self.palette().color(QPalette.ColorRole.Base)
        ground.setAlpha(160)
        painter.fillRect(QRectF(0, 0, low, self.height()), ground)
        painter.fillRect(QRectF(high, 0, self.width() - high, self.height()), ground)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Text), 1.5))
        for x in (low, high):
            painter.drawLine(QPointF(x, 0), QPointF(x, self.height()))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        gamma = self._display.gamma
        curve = [
            QPointF(
                low + (high - low) * share,
                (self.height() - 2) * (1 - share ** (1 / gamma)) + 1,
            )
            for share in np.linspace(0, 1, 24).tolist()
        ]
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Text), 1, Qt.PenStyle.DashLine))
        painter.drawPolyline(QPolygonF(curve))
