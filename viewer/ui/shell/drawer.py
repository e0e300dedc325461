"""The drawer at the left with the lists of slides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.ui.shell.page import Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QShowEvent

    from viewer.ui.shell.panel import Panel

LEAST_PX, MOST_PX = 200, 260


class Drawer(QFrame):
    """Shows one list at a time; folded away it takes no room.

    What stands round the lists is made when the drawer is first seen: a start waits for none of it.
    """

    opening = Signal()
    """The drawer is about to take room."""
    left = Signal()
    """The drawer was folded away: the keyboard belongs on the slide again."""

    def __init__(self, panels: Sequence[Panel], parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("drawer")
        self.setMinimumWidth(LEAST_PX)
        self.setMaximumWidth(MOST_PX)
        self.page = Page(
            "slides",
            "Slides",
            "drawn.slides",
            panels,
            self,
            fold_icon="mdi6.chevron-double-left",
        )
        self.page.close_requested.connect(self._fold)
        for panel in panels:
            panel.host = self
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.page)
        self.hide()

    @guarded()
    def showEvent(self, event: QShowEvent) -> None:
        self._prepare()
        super().showEvent(event)

    def reveal(self, panel: Panel) -> None:
        """Open the drawer with this list in front."""
        self.page.choose(panel)
        self._prepare()
        if self.isHidden():
            self.opening.emit()
        self.show()

    def put_away(self, panel: Panel) -> None:
        """Fold the drawer away if this list is in sight."""
        if self.page.current is panel and not self.isHidden():
            self._fold()

    def _prepare(self) -> None:
        self.page.prepare()
        self.page.pin.hide()
        self.page.undock.hide()

    def _fold(self) -> None:
        self.hide()
        self.left.emit()
