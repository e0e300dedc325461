"""Shows what was written, what was left out, and which texts remain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from viewer.plain_text import shown_text
from viewer.ui.file_dialogs import ask_new_file

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
        self.save = buttons.addButton("Save report...", QDialogButtonBox.ButtonRole.ActionRole)
        self.save.setAutoDefault(False)
        self.save.clicked.connect(self._ask_where)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        for part in (heading, self.text, buttons):
            layout.addWidget(part)
        self.resize(*_SIZE_PX)

    def _ask_where(self) -> None:
        ask_new_file(
            self,
            "Save report",
            lambda path, _: self.save_wanted.emit(path),
            formats={"JSON (*.json)": ".json"},
            start=self._path.parent,
            stem=f"{self._path.name.split('.')[0]}-report",
        )
