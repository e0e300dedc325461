"""The panel of overlays: which model, how it looks, how far it is."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDockWidget,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from viewer.ui.recording.scrub_bar import shown_time

if TYPE_CHECKING:
    from viewer.inference.bundle import ModelBundle
    from viewer.inference.engine import Progress

NOT_FOR_DIAGNOSIS = "For research use, not for diagnosis."


class OverlaysDock(QDockWidget):
    """Shows and edits the overlay of the active pane; the part does the work."""

    switched = Signal(bool)
    model_chosen = Signal()
    run_requested = Signal()
    stop_requested = Signal()
    add_requested = Signal()
    export_requested = Signal()
    opacity_changed = Signal(float)
    filled_changed = Signal(bool)

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Overlays", parent)
        self.setObjectName("overlays")
        self.model = QComboBox(self)
        self.model.setAccessibleName("Model")
        self.on = QCheckBox("Show on this slide", self)
        self.on.setToolTip("Compute and show what the model finds where you look")
        self.filled = QCheckBox("Fill", self)
        self.filled.setToolTip("Fill the outlines faintly")
        self.opacity = QSlider(Qt.Orientation.Horizontal, self)
        self.opacity.setRange(10, 100)
        self.opacity.setValue(100)
        self.opacity.setAccessibleName("Opacity")
        self.legend = QLabel(self)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.figures = QLabel(self)
        self.figures.setTextFormat(Qt.TextFormat.PlainText)
        self.figures.setWordWrap(True)
        self.figures.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.progress = QProgressBar(self)
        self.progress.setAccessibleName("Progress over the slide")
        self.run = QPushButton("Whole slide", self)
        self.run.setToolTip("Work through the whole slide, where you look first")
        self.stop = QPushButton("Stop", self)
        self.export = QPushButton("Export...", self)
        self.export.setToolTip("Write the objects as GeoJSON (for QuPath) or CSV")
        self.add = QPushButton("Add model...", self)
        self.add.setToolTip("Add a model from a folder; it can also be dropped on the window")
        self.about = QLabel(NOT_FOR_DIAGNOSIS, self)
        self.about.setWordWrap(True)
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self._lay_out()
        self.setFocusProxy(self.on)
        self.on.clicked.connect(self.switched)
        self.model.activated.connect(lambda _: self.model_chosen.emit())
        self.run.clicked.connect(self.run_requested)
        self.stop.clicked.connect(self.stop_requested)
        self.add.clicked.connect(self.add_requested)
        self.export.clicked.connect(self.export_requested)
        self.opacity.valueChanged.connect(lambda value: self.opacity_changed.emit(value / 100))
        self.filled.clicked.connect(self.filled_changed)

    def show_models(self, models: list[ModelBundle], chosen: str = "") -> None:
        """Lists models; `chosen` is the key of the one to select, by default as it was."""
        wanted = chosen or (bundle.key if (bundle := self.chosen()) else "")
        with QSignalBlocker(self.model):
            self.model.clear()
            for bundle in models:
                self.model.addItem(bundle.description.name, bundle)
                last = self.model.count() - 1
                tip = f"{bundle.description.about}\n{bundle.folder}"
                self.model.setItemData(last, tip, Qt.ItemDataRole.ToolTipRole)
                if bundle.key == wanted:
                    self.model.setCurrentIndex(last)

    def chosen(self) -> ModelBundle | None:
        return self.model.currentData()

    def show_run(self, *, is_on: bool, can_run: bool, why_not: str = "") -> None:
        """Whether the active pane has the overlay on, and whether it could."""
        self.on.setChecked(is_on)
        self.on.setEnabled(can_run)
        self.run.setEnabled(is_on)
        self.export.setEnabled(is_on)
        for widget in (self.opacity, self.filled):
            widget.setEnabled(is_on)
        if not is_on:
            self.figures.setText(why_not)
            self.progress.hide()
            self.stop.setEnabled(False)

    def show_figures(self, lines: list[str], progress: Progress) -> None:
        """What was found, and how far the whole slide is."""
        self.figures.setText("\n".join(lines))
        is_running = progress.total > progress.done
        self.stop.setEnabled(is_running)
        self.run.setEnabled(not is_running)
        self.progress.setVisible(progress.total > 0)
        if progress.total:
            self.progress.setRange(0, progress.total)
            self.progress.setValue(progress.done)
            self.progress.setFormat(shown_progress(progress))

    def show_legend(self, classes: list[tuple[str, str]]) -> None:
        """Names and colours of the classes."""
        self.legend.setText(
            "<br>".join(
                f'<span style="color:{colour}">&#9632;</span> {escape(name)}'
                for name, colour in classes
            )
        )

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("&Model:", self.model)
        form.addRow("", self.on)
        form.addRow("&Opacity:", self.opacity)
        form.addRow("", self.filled)
        form.addRow("Classes:", self.legend)
        buttons, more = QHBoxLayout(), QHBoxLayout()
        for button in (self.run, self.stop):
            buttons.addWidget(button)
        for button in (self.export, self.add):
            more.addWidget(button)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.addLayout(form)
        layout.addWidget(self.figures)
        layout.addWidget(self.progress)
        layout.addLayout(buttons)
        layout.addLayout(more)
        layout.addWidget(self.about)
        layout.addStretch(1)
        self.setWidget(body)


def shown_progress(progress: Progress) -> str:
    """Share, rate and time left, as far as they are known."""
    share = f"{progress.done / progress.total:.0%}"
    if progress.left_s is None or progress.done == progress.total:
        return share
    return f"{share}, {progress.blocks_per_s:.1f} fields/s, {shown_time(progress.left_s)} left"
