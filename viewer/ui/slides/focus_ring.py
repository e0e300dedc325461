"""The mark on a slide that the keyboard reached by Tab."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import QColor, QFocusEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from viewer.canvas.qt_guard import guarded
from viewer.ui.theme import current_theme

_EDGE_PX = 2
_BY_KEYBOARD = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)


class FocusRing(QWidget):
    """Lies over a widget, and shows while it has the focus from Tab; a click needs no mark."""

    def __init__(self, target: QWidget) -> None:
        super().__init__(target)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        target.installEventFilter(self)
        self.hide()

    @guarded(False)
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QFocusEvent):
            self._show(shown=event.gotFocus() and event.reason() in _BY_KEYBOARD)
        elif event.type() == QEvent.Type.Resize and not self.isHidden():
            self._fill()
        return False

    @guarded()
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(QPen(QColor(current_theme().accent), _EDGE_PX))
        inset = _EDGE_PX / 2
        painter.drawRect(QRectF(self.rect()).adjusted(inset, inset, -inset, -inset))
        painter.end()

    def _fill(self) -> None:
        over = self.parentWidget()
        assert over is not None
        self.setGeometry(over.rect())

    def _show(self, *, shown: bool) -> None:
        if shown:
            self._fill()
            self.raise_()
        self.setVisible(shown)
