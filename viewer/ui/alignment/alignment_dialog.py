"""Says how two panes are aligned, and what can be done about it; stays over the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from viewer.ui.widgets import ProgressBar

if TYPE_CHECKING:
    from viewer.slides.alignment.transform import SlideAlignment


class AlignmentDialog(QDialog):
    """Not modal: landmarks are placed on the slides while it is open."""

    automatic_wanted = Signal()
    canceled = Signal()
    landmarks_wanted = Signal(bool)
    import_wanted = Signal()
    export_wanted = Signal()
    removed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Tool)
        self.setWindowTitle("Align panes")
        self.slides = QLabel(self)
        self.slides.setTextFormat(Qt.TextFormat.PlainText)
        self.says = QLabel(self)
        self.says.setTextFormat(Qt.TextFormat.PlainText)
        self.says.setWordWrap(True)
        self.says.setAccessibleName("Alignment")
        self.says.setMinimumHeight(4 * self.says.fontMetrics().height())
        self.says.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.automatic = self._button("Align automatically", "Find what the slides share")
        self.automatic.setProperty("primary", True)
        self.landmarks = self._button(
            "Place landmarks", "Click the same places on both slides, three pairs at least"
        )
        self.landmarks.setCheckable(True)
        self.bring = self._button("Import...", "Take an alignment from a JSON file")
        self.write = self._button("Export...", "Write the alignment as JSON")
        self.remove = self._button("Remove", "Align these slides no longer")
        self.progress = ProgressBar(self)
        self.progress.setRange(0, 100)
        self.cancel = self._button("Cancel", "Give up the search")
        row = QHBoxLayout()
        row.addWidget(self.progress, 1)
        row.addWidget(self.cancel)
        grid = QGridLayout()
        grid.addWidget(self.automatic, 0, 0, 1, 3)
        grid.addWidget(self.landmarks, 1, 0, 1, 3)
        for column, button in enumerate((self.bring, self.write, self.remove)):
            grid.addWidget(button, 2, column)
        self.close_box = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        self.close_box.button(QDialogButtonBox.StandardButton.Close).setAutoDefault(False)
        self.close_box.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.slides)
        layout.addWidget(self.says)
        layout.addLayout(row)
        layout.addLayout(grid)
        layout.addWidget(self.close_box)
        self.setMinimumWidth(340)
        self.automatic.clicked.connect(self.automatic_wanted)
        self.cancel.clicked.connect(self.canceled)
        self.landmarks.clicked.connect(self.landmarks_wanted)
        self.bring.clicked.connect(self.import_wanted)
        self.write.clicked.connect(self.export_wanted)
        self.remove.clicked.connect(self.removed)
        self.show_progress(None)

    def show_slides(self, source: str, target: str) -> None:
        """Name the two slides."""
        self.slides.setText(f"{source}\n{target}")

    def show_alignment(self, alignment: SlideAlignment | None, sentence: str = "") -> None:
        """Say how the slides are aligned, or another sentence."""
        self.says.setText(sentence or (alignment.text if alignment else "Not aligned."))
        for button in (self.write, self.remove):
            button.setEnabled(alignment is not None)

    def show_progress(self, share: float | None) -> None:
        """Show how far the search is; None while there is none."""
        for widget in (self.progress, self.cancel):
            widget.setVisible(share is not None)
        for button in (self.automatic, self.landmarks, self.bring):
            button.setEnabled(share is None)
        self.progress.setValue(round(100 * (share or 0.0)))

    def _button(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        button.setAutoDefault(False)
        return button
