"""The panel of a batch: which model, which slides, and how far each is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from viewer.ui.shell.panel import Panel, shows_state
from viewer.ui.widgets import LetteredCombo, ProgressBar, show_or_hide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.ui.batch.slides_model import BatchSlidesModel

EMPTY = "Run a model over many slides. Add slides, a folder or a project, then press Start."
_STEPS = 1000
_STATE_PX = 110


class BatchPanel(Panel):
    """Shows one batch; `BatchController` does the work."""

    open_slides_requested = Signal()
    folder_requested = Signal()
    project_requested = Signal()
    cleared = Signal()
    start_requested = Signal()
    pause_requested = Signal()
    cancel_requested = Signal()
    retry_requested = Signal()
    quality_requested = Signal()
    row_chosen = Signal(int)
    """The slide of this row is to be opened."""

    def __init__(self, model: BatchSlidesModel, parent: QWidget) -> None:
        super().__init__("Run", parent)
        self.setObjectName("batch")
        self._model = model
        self._is_running = self._is_paused = self._is_elsewhere = False
        model.modelReset.connect(self.show_slides)

    def build(self) -> None:
        from viewer.ui.batch.where_fields import WhereFields
        from viewer.ui.overlays.object_table_dialog import ObjectTableView

        self.models = LetteredCombo(self)
        self.models.setAccessibleName("Model of the batch")
        self.models.setPlaceholderText("Looking for models...")
        self.where = WhereFields(self)
        self.add = QPushButton("Add", self)
        self.add.setAccessibleName("Add slides to the batch")
        menu = QMenu(self.add)
        for text, signal in (
            ("&Open slides", self.open_slides_requested),
            ("&Folder...", self.folder_requested),
            ("&Project...", self.project_requested),
        ):
            menu.addAction(text).triggered.connect(lambda _=False, signal=signal: signal.emit())
        self.add.setMenu(menu)
        self.clear = QPushButton("Clear", self)
        self.clear.setToolTip("Take all slides off the list; their results stay")
        self.quality = QPushButton("Quality...", self)
        self.quality.setToolTip(
            "Check the slides of a folder as they arrive: tissue, focus, pen, folds and stain"
        )
        self.start = QPushButton("Start", self)
        self.start.setProperty("primary", True)
        self.start.setToolTip("Run the model over all slides that are not done")
        self.pause = QPushButton("Pause", self)
        self.cancel = QPushButton("Cancel", self)
        self.retry = QPushButton("Retry failed", self)
        self.retry.setToolTip("Run the slides that failed again, and no others")
        self.progress = ProgressBar(self)
        self.progress.setRange(0, _STEPS)
        self.progress.setFormat("%p %")
        self.progress.setAccessibleName("Progress of the batch")
        self.state = self._label("")
        self.why = self._label("")
        self.why.setProperty("notice", "warning")
        self.settings = self._label("")
        self.settings.setProperty("dim", True)
        self.settings.hide()
        self.empty = self._label(EMPTY)
        self.empty.setProperty("dim", True)
        self.slides = ObjectTableView(self)
        self.slides.setAccessibleName("Slides of the batch")
        self.slides.setModel(self._model)
        self.slides.verticalHeader().hide()
        header = self.slides.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Fixed)
        header.resizeSection(1, _STATE_PX)
        self.slides.setShowGrid(False)
        self.slides.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._lay_out()
        self.setFocusProxy(self.models)
        self.slides.row_chosen.connect(self._on_row)
        for button, signal in (
            (self.clear, self.cleared), (self.start, self.start_requested),
            (self.pause, self.pause_requested), (self.cancel, self.cancel_requested),
            (self.retry, self.retry_requested), (self.quality, self.quality_requested),
        ):  # fmt: skip
            button.clicked.connect(lambda _=False, signal=signal: signal.emit())
        self.show_state(is_running=False)
        self.show_slides()

    @shows_state
    def show_models(self, models: Sequence[tuple[str, str]], chosen: str) -> None:
        """List models by name and what `coverslip run` takes for each."""
        self.models.clear()
        self.models.setPlaceholderText("There is no model.")
        for name, key in models:
            self.models.addItem(name, key)
        self.models.setCurrentIndex(max(0, self.models.findData(chosen)))
        self.show_state(is_running=False)

    @property
    def model(self) -> str:
        """Return what `coverslip run` takes for the chosen model; "" where there is none."""
        return (self.models.currentData() or "") if self.is_built else ""

    @shows_state
    def show_slides(self) -> None:
        """Show the list, or what to do where it is empty."""
        has_slides = bool(self._model.rowCount())
        self.slides.setVisible(has_slides)
        self.empty.setVisible(not has_slides)
        self.show_state(
            is_running=self._is_running,
            is_paused=self._is_paused,
            is_elsewhere=self._is_elsewhere,
        )

    @shows_state
    def show_state(
        self, *, is_running: bool, is_paused: bool = False, is_elsewhere: bool = False
    ) -> None:
        """Offer what can be done now; what runs elsewhere cannot be paused."""
        self._is_running, self._is_paused = is_running, is_paused
        self._is_elsewhere = is_elsewhere
        has_slides = bool(self._model.rowCount())
        self.start.setVisible(not is_running)
        self.start.setEnabled(has_slides and bool(self.model))
        self.pause.setVisible(is_running and not is_elsewhere)
        self.cancel.setVisible(is_running)
        self.pause.setText("Go on" if is_paused else "Pause")
        failed = self._model.count("failed") if has_slides else 0
        self.retry.setVisible(not is_running and failed > 0)
        for widget in (self.models, self.where, self.add, self.clear):
            widget.setEnabled(not is_running)
        self.clear.setEnabled(not is_running and has_slides)

    @shows_state
    def show_progress(self, share: float, sentence: str) -> None:
        """Show how much of all is done, 0 to 1, and in words."""
        self.progress.setValue(round(share * _STEPS))
        self.progress.setVisible(bool(sentence))
        show_or_hide(self.state, sentence)

    @shows_state
    def show_settings(self, sentence: str) -> None:
        """Say which settings hold for all slides; "" where the model takes none."""
        show_or_hide(self.settings, sentence)

    @shows_state
    def show_why(self, sentence: str) -> None:
        """Say what went wrong; "" takes it away."""
        show_or_hide(self.why, sentence)

    def _on_row(self, row: int) -> None:
        error, name = self._model.record(row).error, self._model.index(row, 0).data()
        self.show_why(error if not error or name in error else f"{name}: {error}")
        self.row_chosen.emit(row)

    def _label(self, text: str) -> QLabel:
        label = QLabel(text, self)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        return label

    def _lay_out(self) -> None:
        body = QWidget(self)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Model:", self.models)
        form.addRow("Run on:", self.where)
        adding, running = QHBoxLayout(), QHBoxLayout()
        for row, buttons in (
            (adding, (self.add, self.clear, self.quality)),
            (running, (self.start, self.pause, self.cancel, self.retry)),
        ):
            row.setSpacing(6)
            for button in buttons:
                row.addWidget(button)
            row.addStretch(1)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(8, 6, 8, 8)
        layout.setSpacing(6)
        layout.addLayout(form)
        layout.addWidget(self.settings)
        layout.addLayout(adding)
        layout.addWidget(self.empty)
        layout.addWidget(self.slides, 1)
        layout.addWidget(self.why)
        layout.addWidget(self.progress)
        layout.addWidget(self.state)
        layout.addLayout(running)
        layout.addStretch(0)
        self.set_body(body)
        for widget in (self.why, self.progress, self.state):
            widget.hide()
