"""Asks which slides are de-identified, and in which folder the copies go."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import (
    QComboBox,
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
    """Read `folder` and `is_all` after it was accepted.

    Parameters
    ----------
    start
        The folder that is proposed.
    listed_count
        How many slides are listed, this one among them; 0 where it is alone.
    """

    def __init__(self, start: Path, listed_count: int, parent: QWidget) -> None:
        super().__init__(parent)
        about = QLabel(_ABOUT, self)
        about.setWordWrap(True)
        self.slides = QComboBox(self)
        self.slides.setAccessibleName("Slides")
        self.slides.addItem("This slide", False)
        which = QHBoxLayout()
        label = QLabel("Slides:", self)
        for part in (label, self.slides):
            part.setVisible(listed_count > 0)
            which.addWidget(part, int(part is self.slides))
        self.slides.addItem(f"All {listed_count:,} slides of the list", True)
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
        for part in (about, which, where, self._says, buttons):
            layout.addLayout(part) if isinstance(part, QHBoxLayout) else layout.addWidget(part)
        self.setMinimumWidth(520)
        self.slides.currentIndexChanged.connect(lambda _: self._show())
        self.place.textChanged.connect(lambda _: self._show())
        self._show()

    @property
    def is_all(self) -> bool:
        """Return whether all slides of the list are meant."""
        return self.slides.currentData() is True

    @property
    def folder(self) -> Path:
        """Return where the copies go."""
        return Path(self.place.text().strip()).expanduser()

    def _show(self) -> None:
        is_folder = bool(self.place.text().strip()) and self.folder.is_dir()
        self._says.setText("" if is_folder else "Choose a folder that exists.")
        self.copy.setEnabled(is_folder)
        self.copy.setText("Write copies" if self.is_all else "Write copy")
        self.setWindowTitle("De-identify slides" if self.is_all else "De-identify slide")

    def _browse(self) -> None:
        ask_folder(
            self,
            "In which folder?",
            lambda folder: self.place.setText(str(folder)),
            start=self.folder,
            shows_files=True,
        )
