"""Asks in which format sessions are exported, and where to."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from viewer.plurals import plural
from viewer.ui.file_dialogs import ask_folder
from viewer.ui.opened_dialog import answer_buttons

if TYPE_CHECKING:
    from viewer.recording.export import ExportOptions


_DESCRIPTIONS = {
    "pathology-cot": "A folder a session with thumbnail, boxes, details and conversation.json.",
    "chat-jsonl": "Conversations with pictures, one a line, as fine-tuning jobs take them.",
    "parquet": "Tables of sessions, events and actions, for pandas and datasets.",
    "webdataset": "Tar shards with crop, detail and record of each action.",
    "csv": "The tables as CSV.",
    "openai": "Fine-tuning set as OpenAI messages. Boxes in pixels of the thumbnail.",
    "llava": "Fine-tuning set for LLaVA, one picture an example. Boxes in fractions of the square.",
    "qwen-vl": "Fine-tuning set for Qwen-VL. Boxes from 0 to 999.",
    "qwen2-vl": "Fine-tuning set for Qwen2-VL. Boxes from 0 to 999.",
    "qwen2.5-vl": "Fine-tuning set for Qwen2.5-VL. Boxes in pixels after its smart_resize.",
    "qwen3-vl": "Fine-tuning set for Qwen3-VL. Boxes from 0 to 1000.",
    "trl": "Fine-tuning set for TRL, pictures inside Parquet. Boxes from 0 to 1000.",
    "trajectories": "Steps for agents to learn from: field, action, next field; a Parquet table.",
}
_FIRST = "csv"
"""Opened by what everybody has; what was taken last comes before it."""


class ExportDialog(QDialog):
    """Read `options` and `out` after it was accepted.

    Parameters
    ----------
    last_format
        What was taken last; "" for none.
    """

    def __init__(self, count: int, parent: QWidget, last_format: str = "") -> None:
        from viewer.recording.export import FORMATS

        super().__init__(parent)
        self.setWindowTitle(f"Export {plural(count, 'session')}")
        self.format = QComboBox(self)
        self.format.addItems(list(FORMATS))
        self.format.setCurrentText(last_format if last_format in FORMATS else _FIRST)
        self.mode = QComboBox(self)
        self.mode.addItem("Coverslip's", "coverslip")
        self.mode.addItem("Those of the reference recorder", "reference")
        name = f"readings-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
        self.folder = QLineEdit(str(Path.home() / name), self)
        browse = QPushButton("Browse...", self)
        browse.clicked.connect(self._browse)
        self._description = QLabel(self)
        self._description.setWordWrap(True)
        where = QHBoxLayout()
        where.addWidget(self.folder, 1)
        where.addWidget(browse)
        form = QFormLayout()
        form.addRow("Format:", self.format)
        form.addRow("", self._description)
        form.addRow("Action rules:", self.mode)
        form.addRow("New folder:", where)
        buttons, _ = answer_buttons(self, "Export")
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(buttons)
        self.format.currentTextChanged.connect(
            lambda name: self._description.setText(_DESCRIPTIONS[name])
        )
        self._description.setText(_DESCRIPTIONS[self.format.currentText()])
        self.setMinimumWidth(520)

    @property
    def options(self) -> ExportOptions:
        """Return what the user chose."""
        from viewer.recording.export import FORMATS, ExportOptions

        return ExportOptions(
            format=FORMATS[self.format.currentIndex()], mode=self.mode.currentData()
        )

    @property
    def out(self) -> Path:
        """Return the folder that is made."""
        return Path(self.folder.text().strip()).expanduser()

    def _browse(self) -> None:
        ask_folder(
            self,
            "In which folder?",
            lambda folder: self.folder.setText(str(folder / self.out.name)),
            start=self.out.parent,
            shows_files=True,
        )
