"""Asks which column of a table is the score, and shows each on the slide as it is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QListWidget, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from viewer.overlays.files.result_file import ResultFile
    from viewer.overlays.patch_feature_map import PatchFeatureMap
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.overlays.overlay_settings import OverlaySettings


class ScoreQuestion(QDialog):
    """Not modal, so that the slide can be looked at; closing it keeps what is shown."""

    score_chosen = Signal(int)
    """Index of the score to show."""

    def __init__(self, file: ResultFile, found: PatchFeatureMap, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Which column is the score?")
        label = QLabel(
            f"{file.name} does not say which of its columns is the score. "
            "The chosen one is shown on the slide.",
            self,
        )
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        self.columns = QListWidget(self)
        self.columns.setAccessibleName("Columns")
        for index, (name, _) in enumerate(file.colors):
            self.columns.addItem(f"{name}: {_range_text(found, index)}")
        self.columns.setCurrentRow(0)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        layout = QVBoxLayout(self)
        for widget in (label, self.columns, buttons):
            layout.addWidget(widget)
        self.columns.currentRowChanged.connect(self.score_chosen)
        buttons.rejected.connect(self.close)


def ask_score(window: QWidget, file: ResultFile, run: Overlay, settings: OverlaySettings) -> None:
    """Let the reader choose among the columns of a table that does not name its score."""
    if (patches := run.found.as_patches) is None:
        return
    question = ScoreQuestion(file, patches, window)
    question.score_chosen.connect(lambda index: settings.show_score(run, index))
    run.destroyed.connect(question.close)
    question.show()


def _range_text(found: PatchFeatureMap, index: int) -> str:
    """Return the lowest, the middle and the highest value of a column."""
    values = found.given_scores(index)
    low, middle, high = np.nanpercentile(values, (0, 50, 100)).tolist()
    return f"{low:.4g} to {high:.4g}, median {middle:.4g}"
