"""Shows what was written, what was left out, and which texts remain; opens it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
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
    from viewer.ui.writing.writing_job import WritingReport

_SIZE_PX = (560, 320)


class WritingReportDialog(QDialog):
    """The report of slides that were written; may be saved as JSON."""

    save_wanted = Signal(object)
    """The Path to save it at."""

    open_wanted = Signal()
    """What was written is to be looked at."""

    def __init__(self, title: str, written: WritingReport, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self._written = written
        heading = QLabel(self)
        heading.setTextFormat(Qt.TextFormat.PlainText)
        heading.setText(written.heading)
        self.text = QPlainTextEdit(self)
        self.text.setReadOnly(True)
        self.text.setAccessibleName("Report")
        self.text.setPlainText("\n\n".join(map(shown_text, written.lines)))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        self.save = buttons.addButton("Save report...", QDialogButtonBox.ButtonRole.ActionRole)
        self.save.setAutoDefault(False)
        self.save.clicked.connect(self._ask_where)
        self.show_written = buttons.addButton("Open", QDialogButtonBox.ButtonRole.AcceptRole)
        self.show_written.setToolTip("Look at what was written")
        self.show_written.setEnabled(bool(written.paths))
        buttons.accepted.connect(self.accept)
        self.accepted.connect(self.open_wanted)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        for part in (heading, self.text, buttons):
            layout.addWidget(part)
        self.resize(*_SIZE_PX)

    def _ask_where(self) -> None:
        paths = self._written.paths
        one = paths[0].name.split(".")[0] if len(paths) == 1 else "slides"
        ask_new_file(
            self,
            "Save report",
            lambda path, _: self.save_wanted.emit(path),
            formats={"JSON (*.json)": ".json"},
            start=paths[0].parent if paths else Path.home(),
            stem=f"{one}-report",
        )
