"""What a nuclei network learns from: how many outlines, how far it is, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from viewer.plurals import plural
from viewer.ui.widgets import ProgressBar, show_or_hide, text_label

if TYPE_CHECKING:
    from viewer.inference.teaching.corrections import Corrections
    from viewer.inference.teaching.nuclei_tuning import TuningProgress

HINT = (
    "Make regions of what the network found (Annotate menu), correct them, and mark the views in "
    "which all nuclei are right: what is found there and not outlined is wrong."
)
_NAME_LETTERS = 80


class OutlinesPage(QGroupBox):
    """Shown on the page AI; whoever owns it teaches."""

    area_wanted = Signal()
    learn_wanted = Signal()
    stop_wanted = Signal()
    end_wanted = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Learn from corrected outlines", parent)
        self.setAccessibleName("Learn from corrected outlines")
        self.hint = text_label(self, dim=True)
        self.hint.setText(HINT)
        self.corrected = text_label(self)
        self.corrected.setAccessibleName("Corrected outlines")
        self.problem = text_label(self)
        self.problem.setProperty("notice", "warning")
        self.outcome = text_label(self)
        self.outcome.setAccessibleName("What was learned")
        self.area = QPushButton("View is corrected", self)
        self.area.setToolTip("Mark the view as an area in which all nuclei are outlined right")
        self.name = QLineEdit("My nuclei", self)
        self.name.setMaxLength(_NAME_LETTERS)
        self.name.setMinimumWidth(1)
        self.name.setAccessibleName("Name of the model")
        self.learn = QPushButton("Learn", self)
        self.learn.setToolTip("Learn in the background; it is kept only if it gets better")
        self.progress = ProgressBar(self)
        self.progress.setAccessibleName("Progress")
        self.stop = QPushButton("Stop", self)
        self.stop.setToolTip("Stop learning; nothing is kept")
        self.end = QPushButton("Close", self)
        self._lay_out()
        self.area.clicked.connect(self.area_wanted)
        self.learn.clicked.connect(self.learn_wanted)
        self.stop.clicked.connect(self.stop_wanted)
        self.end.clicked.connect(self.end_wanted)
        self.show_problem("")
        self.show_outcome("")
        self.show_learning(is_learning=False)

    def show_corrections(self, found: Corrections | None, model: str) -> None:
        """Show how much is corrected; nothing for None."""
        text = ""
        if found is not None:
            outlines = plural(len(found.outlines), "outline")
            where = " in the corrected area" if found.areas else ""
            text = " ".join([f"{model} learns from {outlines}{where}.", *found.notes])
        show_or_hide(self.corrected, text)

    def show_problem(self, sentence: str) -> None:
        """Say why nothing can be learned; "" where something can."""
        show_or_hide(self.problem, sentence)

    def show_outcome(self, sentence: str) -> None:
        """Say what came of it; "" for nothing yet."""
        show_or_hide(self.outcome, sentence)

    def show_learning(self, *, is_learning: bool) -> None:
        """Show progress and Stop, or neither."""
        self.progress.setVisible(is_learning)
        self.stop.setVisible(is_learning)
        self.learn.setEnabled(not is_learning)
        if is_learning:
            self.progress.setRange(0, 0)

    def show_progress(self, done: TuningProgress) -> None:
        """Show how far it is."""
        self.progress.setRange(0, done.total)
        self.progress.setValue(done.done)
        self.progress.setFormat(f"{done.what} %v of %m")

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.setSpacing(4)
        layout.addWidget(self.hint)
        layout.addWidget(self.area)
        for label in (self.corrected, self.problem):
            layout.addWidget(label)
        for widgets in ((self.name, self.learn), (self.progress, self.stop)):
            row = QHBoxLayout()
            row.setSpacing(4)
            row.addWidget(widgets[0], 1)
            row.addWidget(widgets[1])
            layout.addLayout(row)
        layout.addWidget(self.outcome)
        layout.addWidget(self.end)
