"""A button that runs a command of the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QPushButton, QWidget

from viewer.ui.actions import shown_shortcut

if TYPE_CHECKING:
    from PySide6.QtGui import QAction


class CommandButton(QPushButton):
    """A button that runs a command and shows its key.

    Parameters
    ----------
    primary
        Whether it is the accent button of its page.
    """

    def __init__(self, action: QAction, parent: QWidget, *, primary: bool = False) -> None:
        super().__init__(parent)
        if primary:
            self.setProperty("primary", True)
        self._action = action
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.clicked.connect(lambda: action.trigger())
        action.changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        keys = [key.toString() for key in self._action.shortcuts()]
        shown = f" ({shown_shortcut(keys[0])})" if keys else ""
        self.setText(self._action.text().replace("&", "").removesuffix(" verdict") + shown)
        # The icons' color is for the ground of other buttons.
        self.setIcon(QIcon() if self.property("primary") else self._action.icon())
        self.setToolTip(self._action.toolTip())
        self.setEnabled(self._action.isEnabled())
