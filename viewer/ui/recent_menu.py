"""The menu of the slides that were opened last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QWidget

from viewer.ui.recent import names_told_apart

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class RecentMenu(QMenu):
    """Lists slides, and lets all of them be forgotten."""

    slide_chosen = Signal(object)
    """The Path of a slide."""
    forget_requested = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__("&Recent slides", parent)
        self.setToolTipsVisible(True)

    def show_paths(self, paths: Sequence[Path]) -> None:
        """List these slides, the newest first."""
        self.clear()
        self.setEnabled(bool(paths))
        for path, name in zip(paths, names_told_apart(paths), strict=True):
            action = self.addAction(name.replace("&", "&&"))
            action.setToolTip(str(path))
            action.triggered.connect(lambda _=False, path=path: self.slide_chosen.emit(path))
        self.addSeparator()
        forget = self.addAction("&Forget these")
        forget.triggered.connect(lambda: self.forget_requested.emit())
