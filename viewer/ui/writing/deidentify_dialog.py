"""Asks in which folder the de-identified copy of a slide goes."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from viewer.ui.file_dialogs import ask_folder
from viewer.ui.opened_dialog import answer_buttons

_ABOUT = (
    "A copy is written without label, macro and texts; the image is the same. It gets a name "
    "that tells nothing of the slide. What is written on the glass within the scanned area stays: "
    "look at the copy before it leaves."
)


class DeidentifyDialog(QDialog):
    """Read `folder` after it was accepted."""

    def __init__(self, start: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("De-identify slide")
        about = QLabel(_ABOUT, self)
        about.setWordWrap(True)
        self.place = QLineEdit(str(start), self)
        self.place.setAccessibleName("Folder of the copy")
        browse = QPushButton("Browse...", self)
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        where = QHBoxLayout()
        where.addWidget(QLabel("Folder:", self))
        where.addWidget(self.place, 1)
        where.addWidget(browse)
        self._says = QLabel(self)
        buttons, self.copy = answer_buttons(self, "Write copy")
        layout = QVBoxLayout(self)
        for part in (about, where, self._says, buttons):
            layout.addLayout(part) if isinstance(part, QHBoxLayout) else layout.addWidget(part)
        self.setMinimumWidth(520)
        self.place.textChanged.connect(lambda _: self._show())
        self._show()

    @property
    def folder(self) -> Path:
        return Path(self.place.text().strip()).expanduser()

    def _show(self) -> None:
        is_folder = bool(self.place.text().strip()) and self.folder.is_dir()
        self._says.setText("" if is_folder else "Choose a folder that exists.")
        self.copy.setEnabled(is_folder)

    def _browse(self) -> None:
        ask_folder(
            self,
            "In which folder?",
            lambda folder: self.place.setText(str(folder)),
            start=self.folder,
            shows_files=True,
        )
