"""A field that narrows a list, and from which keys lead on to what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLineEdit

from viewer.canvas.qt_guard import guarded

if TYPE_CHECKING:
    from PySide6.QtGui import QKeyEvent
    from PySide6.QtWidgets import QAbstractItemView, QWidget

_ONWARD = (Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter)


class SearchField(QLineEdit):
    """Down and Enter go on to the list that it narrows."""

    went_on = Signal()

    def __init__(self, placeholder: str, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setPlaceholderText(placeholder)
        self.setAccessibleName(name)
        self.setClearButtonEnabled(True)

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in _ONWARD:
            self.went_on.emit()
        else:
            super().keyPressEvent(event)


def go_to_row(view: QAbstractItemView, row: int) -> None:
    """Put the keyboard on a row of a list, selected; nothing where there is no such row."""
    index = view.model().index(row, 0)
    if index.isValid():
        view.setCurrentIndex(index)
        view.setFocus(Qt.FocusReason.OtherFocusReason)
