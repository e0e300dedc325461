"""Text on one line that gives way: an ellipsis stands for what has no room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QLabel, QSizePolicy

from viewer.canvas.qt_guard import guarded
from viewer.ui.widgets import plain_tip

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent, QResizeEvent
    from PySide6.QtWidgets import QWidget


class OneLineLabel(QLabel):
    """A plain text that ends with an ellipsis where it has no room, and makes no window wider."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)

    @property
    def shown_text(self) -> str:
        """Return the text as it is painted."""
        room_px = self.contentsRect().width()
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room_px)

    @guarded(QSize())
    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    @guarded()
    def paintEvent(self, event: QPaintEvent) -> None:
        shown = self.shown_text
        if shown == self.text():
            super().paintEvent(event)
            return
        write_line(QPainter(self), self, self.contentsRect(), shown)


class ElidedLabel(QLabel):
    """A text that gives way: its middle is left out where it does not fit."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._text = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def show_text(self, text: str) -> None:
        """Show a text; the whole of it is the tool tip."""
        self._text = text
        self.setToolTip(plain_tip(text))
        self.setAccessibleName(text)
        self._elide()

    @guarded()
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        middle, metrics = Qt.TextElideMode.ElideMiddle, self.fontMetrics()
        self.setText(metrics.elidedText(self._text, middle, self.contentsRect().width()))


def write_line(painter: QPainter, widget: QWidget, room: QRect, text: str) -> None:
    """Paint one line of a widget, in its color."""
    painter.setPen(widget.palette().windowText().color())
    flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
    painter.drawText(room, flags | Qt.TextFlag.TextSingleLine, text)
