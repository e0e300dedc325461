"""What was done to a slide's annotations, and how they were before each of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from viewer.ui.annotations.version_preview import SIDE_PX
from viewer.ui.item_views import RowTable
from viewer.ui.rows_model import RowsModel
from viewer.utc import shown_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.annotations.storage.store import Version
    from viewer.ui.annotations.version_preview import VersionPreview


class VersionsModel(RowsModel):
    """A row a step, the newest first."""

    headings = ("When", "What was done", "Annotations", "Author")
    number_columns = (2,)

    def __init__(self, versions: Sequence[Version], parent: QWidget) -> None:
        super().__init__(parent)
        self.versions = versions

    def count_rows(self) -> int:
        return len(self.versions)

    def text(self, row: int, column: int) -> str:
        version = self.versions[row]
        texts = (
            shown_moment(version.at_utc),
            version.label,
            f"{version.changed:,}",
            version.author,
        )
        return texts[column]


class VersionsDialog(QDialog):
    """Bringing back is itself a step that can be undone."""

    bring_back_requested = Signal(object)
    """The Version before whose step it is to be again."""
    preview_requested = Signal(object)
    """The Version that is looked at."""

    def __init__(self, versions: Sequence[Version], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Versions")
        hint = QLabel(
            "Select a step: the annotations become again what they were before it. That too is a"
            " step, which undo takes back. In the preview bold lines come back, dashed ones go."
            if versions
            else "Nothing was done to the annotations of this slide yet.",
            self,
        )
        hint.setWordWrap(True)
        self.model = VersionsModel(versions, self)
        self.table = RowTable(self)
        self.table.setModel(self.model)
        self.table.setAccessibleName("Versions")
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.verticalHeader().hide()
        self.table.fit_columns(widest=1)
        self.bring_back = QPushButton("&Bring back", self)
        self.bring_back.setEnabled(bool(versions))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.addButton(self.bring_back, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        self.bring_back.clicked.connect(self._ask)
        layout = QVBoxLayout(self)
        self.picture, self.sentence = QLabel(self), QLabel(self)
        self.picture.setFixedSize(SIDE_PX, SIDE_PX)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setAccessibleName("Preview of the version")
        self.sentence.setWordWrap(True)
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        beside = QVBoxLayout()
        beside.addWidget(self.picture)
        beside.addWidget(self.sentence)
        beside.addStretch(1)
        middle = QHBoxLayout()
        middle.addWidget(self.table, 1)
        middle.addLayout(beside)
        layout.addWidget(hint)
        layout.addLayout(middle, 1)
        layout.addWidget(buttons)
        self.resize(780, 440)
        self.table.selectionModel().currentRowChanged.connect(lambda *_: self.ask_preview())
        self.table.selectRow(0)

    @property
    def selected(self) -> Version | None:
        """Return the version whose row is selected."""
        index = self.table.currentIndex()
        return self.model.versions[index.row()] if index.isValid() else None

    def ask_preview(self) -> None:
        """Ask for the preview of the selected version."""
        if self.selected is not None:
            self.preview_requested.emit(self.selected)

    def show_preview(self, version: Version, preview: VersionPreview) -> None:
        """Show what a version would change, unless another one is selected by now."""
        if version == self.selected:
            self.picture.setPixmap(QPixmap.fromImage(preview.picture))
            self.sentence.setText(preview.sentence)

    def _ask(self) -> None:
        if self.selected is not None:
            self.bring_back_requested.emit(self.selected)
            self.accept()
