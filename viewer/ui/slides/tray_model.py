"""The slides of a tray and their thumbnails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor

from viewer.canvas.qt_guard import guarded
from viewer.ui.slides.thumbnails import Thumbnails
from viewer.ui.theme import current_theme

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

_Index = QModelIndex | QPersistentModelIndex


class TrayModel(QAbstractListModel):
    """One row a slide. A thumbnail is asked for when its row is first painted."""

    PATH_ROLE = Qt.ItemDataRole.UserRole

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.paths: list[Path] = []
        self.thumbnails = Thumbnails(self)
        self.thumbnails.changed.connect(self._tell_changed)

    def set_paths(self, paths: Sequence[Path]) -> None:
        """Shows these slides instead of those before."""
        self.beginResetModel()
        self.thumbnails.forget_wishes()
        self.paths = list(paths)
        self.endResetModel()

    def reason(self, path: Path) -> str:
        """Why the slide has no thumbnail; empty while none is known."""
        return self.thumbnails.reason(path)

    def shut_down(self) -> None:
        self.thumbnails.shut_down()

    @guarded(0)
    def rowCount(self, parent: _Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.paths)

    @guarded()
    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        path = self.paths[index.row()]
        reason = self.reason(path)
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return path.name
            case Qt.ItemDataRole.ToolTipRole:
                return f"{path}\n{reason}" if reason else str(path)
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{path.name}, {reason}" if reason else path.name
            case Qt.ItemDataRole.ForegroundRole:
                return QColor(current_theme().dim_text) if reason else None
            case Qt.ItemDataRole.DecorationRole:
                return self.thumbnails.picture(path)
            case self.PATH_ROLE:
                return path
            case _:
                return None

    def _tell_changed(self, path: Path) -> None:
        if path in self.paths:
            index = self.index(self.paths.index(path))
            self.dataChanged.emit(index, index)
