"""The chip at the foot of the tools: the class that is drawn with, and all others below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QMenu, QToolButton

from viewer.annotations.annotation import NO_CLASS, NO_CLASS_COLOR
from viewer.ui.swatches import swatch
from viewer.ui.widgets import plain_tip

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget

    from viewer.annotations.annotation import AnnotationClass

_SWATCH_PX = 22


class ClassChip(QToolButton):
    """Shows a class by its color.

    Parameters
    ----------
    fill
        Fills the menu with the classes, when it opens.
    """

    def __init__(self, fill: Callable[[QMenu], object], parent: QWidget) -> None:
        super().__init__(parent)
        self._fill = fill
        self._menu = QMenu(self)
        self._menu.setTitle("Class of new annotations")
        self._menu.aboutToShow.connect(self._on_opening)
        self.setMenu(self._menu)
        self.setProperty("chip", True)
        self.setFixedSize(36, 34)
        self.setIconSize(QSize(_SWATCH_PX, _SWATCH_PX))
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.show_class(None)

    def show_class(self, which: AnnotationClass | None) -> None:
        """Show the class of what is drawn next."""
        name = which.name if which is not None else NO_CLASS
        self.setIcon(swatch(which.color if which is not None else NO_CLASS_COLOR, _SWATCH_PX))
        self.setAccessibleName(f"Class of new annotations: {name}")
        self.setToolTip(plain_tip(f"Class of new annotations: {name}\nClick to choose another"))

    def _on_opening(self) -> None:
        self._menu.clear()
        self._fill(self._menu)
