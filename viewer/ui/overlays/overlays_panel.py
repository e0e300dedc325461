"""The panel of overlays: which models, how they look, how far they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from viewer.ui.overlays.model_list import ModelList
from viewer.ui.recording.scrub_bar import shown_time
from viewer.ui.shell.panel import Panel
from viewer.ui.widgets import ScrollColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.inference.runs.engine import Progress
    from viewer.ui.overlays.gallery import GalleryField

NOT_FOR_DIAGNOSIS = "For research use, not for diagnosis."


class OverlaysPanel(Panel):
    """Shows and edits the overlays of the active pane; the part does the work."""

    run_requested = Signal()
    pause_requested = Signal()
    stop_requested = Signal()
    add_requested = Signal()
    export_requested = Signal()
    table_requested = Signal()
    opacity_changed = Signal(float)

    def __init__(self, parent: QWidget) -> None:
        from viewer.ui.overlays.gallery import Gallery
        from viewer.ui.overlays.settings_pages import HeatmapPage, ObjectsPage, QueryPage

        super().__init__("Models", parent)
        self.setObjectName("overlays")
        self.models = ModelList(self)
        self.earlier = QLabel(self)
        self.earlier.setTextFormat(Qt.TextFormat.PlainText)
        self.earlier.setWordWrap(True)
        self.earlier.setProperty("dim", "true")
        self.earlier.hide()
        self.objects = ObjectsPage(self)
        self.heatmap = HeatmapPage(self)
        self.query = QueryPage(self)
        self.gallery = Gallery("Best fields", self)
        self.elsewhere_label = QLabel("On other slides:", self)
        self.elsewhere = Gallery("Best fields of other slides", self)
        self.opacity = QSlider(Qt.Orientation.Horizontal, self)
        self.opacity.setRange(0, 100)
        self.opacity.setAccessibleName("Opacity")
        self.figures = QLabel(self)
        self.figures.setTextFormat(Qt.TextFormat.PlainText)
        self.figures.setWordWrap(True)
        self.figures.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.progress = QProgressBar(self)
        self.progress.setAccessibleName("Progress over the slide")
        self.run = QPushButton("Whole slide", self)
        self.run.setToolTip("Work through the whole slide, where you look first")
        self.pause = QPushButton("Pause", self)
        self.pause.setCheckable(True)
        self.pause.setToolTip("Models rest until pressed again")
        self.stop = QPushButton("Stop", self)
        self.stop.setToolTip("No more of the whole slide; what was found stays")
        self.table = QPushButton("Table...", self)
        self.table.setToolTip("List the objects that are shown, sort them, and go to one")
        self.export = QPushButton("Export...", self)
        self.export.setToolTip("Write what was found to a file")
        self.add = QPushButton("Add model...", self)
        self._can_run = False
        self.add.setToolTip("Add a model from a folder; it can also be dropped on the window")
        self.about = QLabel(NOT_FOR_DIAGNOSIS, self)
        self.about.setWordWrap(True)
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self._lay_out()
        self.setFocusProxy(self.models)
        self.run.clicked.connect(self.run_requested)
        self.pause.clicked.connect(self.pause_requested)
        self.stop.clicked.connect(self.stop_requested)
        self.add.clicked.connect(self.add_requested)
        self.table.clicked.connect(self.table_requested)
        self.export.clicked.connect(self.export_requested)
        self.opacity.valueChanged.connect(lambda value: self.opacity_changed.emit(value / 100))
        self.show_settings("")

    def show_earlier(self, sentences: Sequence[str]) -> None:
        """Lists kept results that are not shown, since an earlier version made them."""
        reasons = "; ".join(sentences)
        self.earlier.setText(f"Not shown: {reasons}. Run the model again." if reasons else "")
        self.earlier.setVisible(bool(reasons))

    def show_settings(self, task: str, opacity: float = 1.0, *, can_run: bool = False) -> None:
        """Shows what can be set of an overlay that is on; an empty task shows nothing."""
        self.settings.setVisible(bool(task))
        finds_objects = task in ("instances", "detection")
        self.objects.setVisible(finds_objects)
        self.heatmap.setVisible(bool(task) and not finds_objects)
        self.query.setVisible(task == "embedding")
        with QSignalBlocker(self.opacity):
            self.opacity.setValue(round(100 * opacity))
        self._can_run = can_run
        self.run.setEnabled(can_run)
        self.pause.setEnabled(can_run)
        self.export.setEnabled(bool(task))
        self.table.setVisible(finds_objects)
        if task != "embedding":
            self.show_elsewhere([])
        if not task:
            self.gallery.show_fields(None, [])
            self.progress.hide()
            self.stop.setEnabled(False)

    def show_opacity(self, opacity: float) -> None:
        """Show an opacity (0 to 1) that was set elsewhere."""
        with QSignalBlocker(self.opacity):
            self.opacity.setValue(round(100 * opacity))

    def show_paused(self, *, paused: bool) -> None:
        """Whether models rest."""
        self.pause.setChecked(paused)
        self.pause.setText("Resume" if paused else "Pause")

    def show_elsewhere(self, fields: list[GalleryField]) -> None:
        """Shows the best fields of other slides; none hides the place for them."""
        self.elsewhere_label.setVisible(bool(fields))
        self.elsewhere.show_fields(None, fields)

    def show_figures(self, lines: list[str], progress: Progress | None) -> None:
        """What was found, and how far the whole slide is."""
        self.figures.setText("\n".join(lines))
        if progress is None:
            return
        is_running = progress.total > progress.done
        self.stop.setEnabled(is_running)
        self.run.setEnabled(self._can_run and not is_running)
        self.progress.setVisible(progress.total > 0)
        if progress.total:
            self.progress.setRange(0, progress.total)
            self.progress.setValue(progress.done)
            paused = self.pause.isChecked()
            self.progress.setFormat(shown_progress(progress, is_paused=paused))

    def _lay_out(self) -> None:
        self.settings = QWidget(self)
        inner = QVBoxLayout(self.settings)
        inner.setContentsMargins(0, 0, 0, 0)
        form = QFormLayout()
        form.addRow("&Opacity:", self.opacity)
        inner.addLayout(form)
        for page in (self.query, self.objects, self.heatmap):
            inner.addWidget(page)
        buttons, more = QHBoxLayout(), QHBoxLayout()
        for button in (self.run, self.pause, self.stop):
            buttons.addWidget(button)
        for button in (self.table, self.export, self.add):
            more.addWidget(button)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.addWidget(self.models)
        layout.addWidget(self.earlier)
        layout.addWidget(self.settings)
        layout.addWidget(self.figures)
        layout.addWidget(self.progress)
        layout.addLayout(buttons)
        layout.addLayout(more)
        layout.addWidget(self.gallery, 1)
        layout.addWidget(self.elsewhere_label)
        layout.addWidget(self.elsewhere, 1)
        layout.addWidget(self.about)
        layout.addStretch(1)
        scroll = ScrollColumn(body, self)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.set_body(scroll)


def shown_progress(progress: Progress, *, is_paused: bool = False) -> str:
    """Share, rate and time left, as far as they are known."""
    share = f"{progress.done / progress.total:.0%}"
    if is_paused:
        return f"{share}, paused"
    if progress.left_s is None or progress.done == progress.total:
        return share
    return f"{share}, {progress.blocks_per_s:.1f} fields/s, {shown_time(progress.left_s)} left"
