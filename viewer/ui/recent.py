"""What was opened last, slides or projects, newest first: its list, its menu, names told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MOST_RECENT = 12


def with_recent(recent: Sequence[str], path: Path) -> list[str]:
    """Return the list after `path` was opened: at the front, once, and no longer than allowed."""
    name = str(path.absolute())
    return [name, *(other for other in recent if other != name)][:MOST_RECENT]


def folders_of(paths: Sequence[Path]) -> list[str]:
    """Return of each path the folders that tell it from others of its name, the nearest at least.

    Of "/a/case 1/HE.svs" and "/b/case 1/HE.svs" these are "a/case 1" and "b/case 1".
    """
    found: list[str] = []
    for path in paths:
        folders = path.parent.parts
        others = [each.parent.parts for each in paths if each.name == path.name and each != path]
        count = 1
        while count < len(folders) and folders[-count:] in [each[-count:] for each in others]:
            count += 1
        found.append("/".join(folders[-count:]).replace("//", "/"))
    return found


def names_told_apart(paths: Sequence[Path]) -> list[str]:
    """Return the names of paths, those that are alike with their folders."""
    names = [path.name for path in paths]
    return [
        f"{name} ({folder})" if names.count(name) > 1 else name
        for name, folder in zip(names, folders_of(paths), strict=True)
    ]


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
