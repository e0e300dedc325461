"""What was done to a slide's annotations, and how they were before each of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.annotations.shown import shown_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.annotations.storage.store import Version

_Index = QModelIndex | QPersistentModelIndex
_COLUMNS = ("When", "What was done", "Annotations", "Author")


class VersionsModel(QAbstractTableModel):
    """A row a step, the newest first."""

    def __init__(self, versions: Sequence[Version], parent: QWidget) -> None:
        super().__init__(parent)
        self.versions = versions

    @guarded(0)
    def rowCount(self, parent: _Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.versions)

    @guarded(0)
    def columnCount(self, parent: _Index | None = None) -> int:
        return len(_COLUMNS)

    @guarded()
    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if role != Qt.ItemDataRole.DisplayRole or orientation is Qt.Orientation.Vertical:
            return None
        return _COLUMNS[section]

    @guarded()
    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() == 2:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        version = self.versions[index.row()]
        texts = (
            shown_moment(version.at_utc),
            version.label,
            f"{version.changed:,}",
            version.author,
        )
        return texts[index.column()]


class VersionsDialog(QDialog):
    """Bringing back is itself a step that can be undone."""

    bring_back_requested = Signal(object)
    """The Version before whose step it is to be again."""

    def __init__(self, versions: Sequence[Version], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Versions")
        hint = QLabel(
            "Choose a step: the annotations become again what they were before it. That too is a"
            " step, which undo takes back."
            if versions
            else "Nothing was done to the annotations of this slide yet.",
            self,
        )
        hint.setWordWrap(True)
        self.model = VersionsModel(versions, self)
        self.table = QTableView(self)
        self.table.setModel(self.model)
        self.table.setAccessibleName("Versions")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setTabKeyNavigation(False)
        rows = self.table.verticalHeader()
        rows.hide()
        rows.setDefaultSectionSize(rows.minimumSectionSize())
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.bring_back = QPushButton("&Bring back", self)
        self.bring_back.setEnabled(bool(versions))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.addButton(self.bring_back, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        self.bring_back.clicked.connect(self._ask)
        layout = QVBoxLayout(self)
        layout.addWidget(hint)
        layout.addWidget(self.table, 1)
        layout.addWidget(buttons)
        self.resize(560, 420)
        self.table.selectRow(0)

    def _ask(self) -> None:
        index = self.table.currentIndex()
        if index.isValid():
            self.bring_back_requested.emit(self.model.versions[index.row()])
            self.accept()
