"""Shows what was written, what was left out, and which texts remain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from viewer.plain_text import shown_text
from viewer.ui.opened_dialog import open_dialog

if TYPE_CHECKING:
    from viewer.slides.writing.requests import WrittenSlide

_SIZE_PX = (560, 320)


class WritingReportDialog(QDialog):
    """The report of a slide that was written; may be saved as JSON."""

    save_wanted = Signal(object)
    """The Path to save it at."""

    def __init__(self, title: str, written: WrittenSlide, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self._path = Path(written.path)
        heading = QLabel(self)
        heading.setText(f"Wrote {self._path.name}")
        self.text = QPlainTextEdit(self)
        self.text.setReadOnly(True)
        self.text.setAccessibleName("Report")
        self.text.setPlainText("\n\n".join(map(shown_text, written.lines)))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        self.save = buttons.addButton("Save report…", QDialogButtonBox.ButtonRole.ActionRole)
        self.save.setAutoDefault(False)
        self.save.clicked.connect(self._ask_where)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        for part in (heading, self.text, buttons):
            layout.addWidget(part)
        self.resize(*_SIZE_PX)

    def _ask_where(self) -> None:
        dialog = QFileDialog(self, "Save report", str(self._path.parent))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter("JSON (*.json)")
        dialog.setDefaultSuffix("json")
        dialog.selectFile(f"{self._path.name.split('.')[0]}-report.json")
        dialog.fileSelected.connect(lambda name: self.save_wanted.emit(Path(name)))
        open_dialog(dialog)
