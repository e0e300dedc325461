"""The rail at the window's edge that chooses the inspector's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.ui.theme import icon

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

_WIDTH_PX, _HEIGHT_PX = 76, 56


class Rail(QFrame):
    """A column of icons with their names below; the pages that are shown are checked."""

    chosen = Signal(str)
    """The name of the page whose button was pressed."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("rail")
        self.setFixedWidth(_WIDTH_PX)
        self._buttons: dict[str, QToolButton] = {}
        self._icons: dict[str, str] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(2, 4, 2, 4)
        self._layout.setSpacing(2)
        self._layout.addStretch(1)

    def add(self, name: str, title: str, icon_name: str) -> None:
        """Add a button below the others."""
        button = QToolButton(self)
        button.setText(title)
        button.setToolTip(f"Show or fold away the page {title}")
        button.setAccessibleName(f"Page {title}")
        button.setIconSize(QSize(22, 22))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        button.setFixedHeight(_HEIGHT_PX)
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setProperty("rail", True)
        button.clicked.connect(lambda _checked=False: self.chosen.emit(name))
        self._buttons[name] = button
        self._icons[name] = icon_name
        self._layout.insertWidget(self._layout.count() - 1, button)
        self._recolor()

    def button(self, name: str) -> QToolButton:
        """Return the button of a page."""
        return self._buttons[name]

    def show_chosen(self, names: AbstractSet[str]) -> None:
        """Check the buttons of these pages and no other."""
        for name, button in self._buttons.items():
            button.setChecked(name in names)

    @guarded()
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._recolor()

    def _recolor(self) -> None:
        for name, button in self._buttons.items():
            button.setIcon(icon(self._icons[name]))
