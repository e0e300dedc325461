"""A notice over the slides that moves nothing when it comes and goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QTimer

from viewer.canvas.qt_guard import guarded
from viewer.ui.widgets import NoticeBar

if TYPE_CHECKING:
    from PySide6.QtGui import QShowEvent
    from PySide6.QtWidgets import QWidget

_WIDEST_PX, _BELOW_PX = 520, 16
_SHOWN_MS = 30_000


class FloatingNotice(NoticeBar):
    """Lies over the lower edge of a widget, until it is dismissed or half a minute has passed.

    Parameters
    ----------
    over
        What the notice lies on; it follows its size.
    """

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self._end = QTimer(self, interval=_SHOWN_MS, singleShot=True)
        self._end.timeout.connect(self.hide)
        over.installEventFilter(self)

    @guarded()
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._place()
        self._end.start()

    @guarded(False)
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the size of what it lies on, which has a handler of its own for that."""
        if watched is self._over and event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return False

    def tell(self, sentence: str, kind: str = "info", button: str = "") -> None:
        """Show the sentence, over what was said before."""
        super().tell(sentence, kind, button)
        self._place()
        self._end.start()

    def _place(self) -> None:
        """Lie in the middle above the lower edge, on one line where there is room for it."""
        text = self.sentence.fontMetrics().horizontalAdvance(self.sentence.text())
        others = self.minimumSizeHint().width() - self.sentence.minimumSizeHint().width()
        widest = min(self._over.width() - 2 * _BELOW_PX, _WIDEST_PX)
        width = max(min(text + 16 + others, widest), 0)
        height = (
            self.heightForWidth(width) if self.hasHeightForWidth() else self.sizeHint().height()
        )
        top = self._over.height() - height - _BELOW_PX
        self.setGeometry((self._over.width() - width) // 2, top, width, height)
        self.raise_()
