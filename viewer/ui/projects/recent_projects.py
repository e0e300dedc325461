"""The projects opened last, in the menu; none is opened by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMenu

from viewer.ui.recent import names_told_apart, with_recent
from viewer.ui.services import CommandHost, DialogHost, SettingsHost

if TYPE_CHECKING:
    from collections.abc import Callable


class RecentProjectsHost(DialogHost, CommandHost, SettingsHost, Protocol):
    """What the recent projects ask of the window."""

    menus: dict[str, QMenu]


class RecentProjects(QObject):
    """Owned by the part."""

    def __init__(
        self, window: RecentProjectsHost, open_project: Callable[[Path], object], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._open = open_project
        self.menu = QMenu("&Recent projects", window.window())
        self.menu.setToolTipsVisible(True)
        above = window.menus["Project"]
        above.insertMenu(window.commands["project.close"], self.menu)
        above.aboutToShow.connect(self._show)
        self._show()

    def note(self, folder: Path) -> None:
        """A project was opened."""
        recent = with_recent(self._window.settings.recent_projects, folder)
        self._window.change_settings(recent_projects=recent)
        self._show()

    def _show(self) -> None:
        names = self._window.settings.recent_projects
        self.menu.clear()
        self.menu.setEnabled(bool(names))
        paths = [Path(name) for name in names]
        for path, name in zip(paths, names_told_apart(paths), strict=True):
            action = self.menu.addAction(name.replace("&", "&&"))
            action.setToolTip(str(path))
            action.triggered.connect(lambda _=False, path=path: self._open(path))
        self.menu.addSeparator()
        self.menu.addAction("&Forget these").triggered.connect(self._forget)

    def _forget(self) -> None:
        self._window.change_settings(recent_projects=[])
        self._show()
