"""The lower part of a model's card, while its overlay is on: run, legend, and how it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from viewer.inference.tasks.known import kind_of
from viewer.ui.overlays.class_legend import ClassLegend
from viewer.ui.overlays.gallery import Gallery
from viewer.ui.overlays.settings_pages import HeatmapPage, ObjectsPage, QueryPage
from viewer.ui.widgets import IconButton, ProgressBar, set_look, show_or_hide, text_label

if TYPE_CHECKING:
    from viewer.ui.overlays.card_state import CardState
    from viewer.ui.overlays.gallery import GalleryField

_BUTTON_PX = 28
_BACK_PX = 190
"""Of the name of the slide that is gone back to."""


class CardBody(QWidget):
    """Made when the model is first turned on.

    What grows and shrinks lies below what is clicked, so that no button moves under the cursor.

    Parameters
    ----------
    task
        As `OverlaySource.task`.
    """

    run_requested = Signal()
    pause_requested = Signal()
    stop_requested = Signal()
    uncover_requested = Signal()
    opacity_changed = Signal(float)

    def __init__(self, name: str, task: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.task = task
        self._state: CardState | None = None
        self.run = QPushButton("Run whole slide", self)
        self.run.setToolTip("Work through the whole slide, where you look first")
        self.pause = self._icon_button("mdi6.pause", "Pause models")
        self.pause.setCheckable(True)
        self.stop = self._icon_button("mdi6.stop", f"Stop {name}; what was found stays")
        self.progress = ProgressBar(self)
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        self.progress.setAccessibleName("Progress over the slide")
        self.progress_text = text_label(self, dim=True)
        self.covered = QWidget(self)
        self.uncover = QPushButton("Show", self)
        self.uncover.setAccessibleName(f"Show the heatmap of {name}")
        self.warnings = text_label(self)
        self.warnings.setProperty("notice", "warning")
        self.figures = text_label(self)
        self.legend = ClassLegend(self)
        self.opacity = QSlider(Qt.Orientation.Horizontal, self)
        self.opacity.setRange(0, 100)
        self.opacity.setAccessibleName("Opacity")
        self.query: QueryPage | None = QueryPage(self) if kind_of(task).encodes else None
        finds = kind_of(task).finds
        self.objects: ObjectsPage | None = ObjectsPage(self) if finds == "objects" else None
        self.heatmap: HeatmapPage | None = HeatmapPage(self) if finds == "patches" else None
        self.gallery = Gallery("Best fields", self)
        self.elsewhere_label = QLabel("On other slides:", self)
        self.back = QPushButton(self)
        self.back.setToolTip("Go back to the slide whose field was looked for")
        self.elsewhere = Gallery("Best fields of other slides", self)
        self._lay_out()
        self.run.clicked.connect(self.run_requested)
        self.pause.clicked.connect(self.pause_requested)
        self.stop.clicked.connect(self.stop_requested)
        self.uncover.clicked.connect(self.uncover_requested)
        self.opacity.valueChanged.connect(lambda value: self.opacity_changed.emit(value / 100))

    def show_state(self, state: CardState) -> None:
        """Show how far the model is, and what it found."""
        before, self._state = self._state, state
        if state == before:
            return
        for widget in (self.run, self.pause, self.stop, self.progress, self.progress_text):
            widget.setVisible(state.can_run)
        self.stop.setEnabled(state.can_stop)
        self.pause.setChecked(state.is_paused)
        tip = "Resume models" if state.is_paused else "Pause models"
        self.pause.setToolTip(tip)
        self.pause.setAccessibleName(tip)
        self.progress.setValue(round(1000 * state.share))
        self.progress_text.setText(state.progress)
        self.covered.setVisible(state.is_covered)
        show_or_hide(self.warnings, "\n".join(state.warnings))
        self.figures.setText("\n".join(state.figures))
        self.legend.show_rows(state.legend)
        with QSignalBlocker(self.opacity):
            self.opacity.setValue(round(100 * state.opacity))

    def show_primary(self, *, is_primary: bool) -> None:
        """Draw the first button in the accent, or no longer."""
        if self.run.property("primary") != is_primary:
            set_look(self.run, "primary", is_primary)

    def show_elsewhere(self, fields: list[GalleryField]) -> None:
        """Show the best fields of other slides; none hides the place for them."""
        self.elsewhere_label.setVisible(bool(fields))
        self.elsewhere.show_fields(None, fields)
        if fields:  # they lie far below the button that was pressed
            self.reveal_elsewhere()

    def show_back(self, name: str) -> None:
        """Offer the way back to the slide of this name; "" where it is the one on screen."""
        self.back.setVisible(bool(name))
        metrics, middle = self.back.fontMetrics(), Qt.TextElideMode.ElideMiddle
        shown = metrics.elidedText(name, middle, _BACK_PX)
        self.back.setText(f"Back to {shown}".replace("&", "&&"))

    def reveal_elsewhere(self) -> None:
        """Scroll the best fields of other slides into sight, once they are laid out."""
        QTimer.singleShot(0, self, self._reveal_elsewhere)

    def _reveal_elsewhere(self) -> None:
        page: QWidget | None = self
        while page is not None and not isinstance(page, QScrollArea):
            page = page.parentWidget()
        if page is not None:
            page.ensureWidgetVisible(self.elsewhere)

    def add_page(self, page: QWidget, *, is_first: bool = False) -> None:
        """Show a page of a part of the window below what the card shows of its own.

        With `is_first` it comes before those of other parts.
        """
        self._more.insertWidget(0 if is_first else -1, page)

    def close_reading(self) -> None:
        """End the threads that read small images."""
        self.gallery.close_reading()
        self.elsewhere.close_reading()

    def _icon_button(self, icon: str, name: str) -> IconButton:
        button = IconButton(icon, name, self)
        button.setIconSize(QSize(18, 18))
        button.setFixedSize(_BUTTON_PX, _BUTTON_PX)
        return button

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.run, 1)
        buttons.addWidget(self.pause)
        buttons.addWidget(self.stop)
        row = QHBoxLayout(self.covered)
        row.setContentsMargins(0, 0, 0, 0)
        sentence = text_label(self, dim=True)
        sentence.setText("Another heatmap is painted over the slide.")
        row.addWidget(sentence, 1)
        row.addWidget(self.uncover)
        form = QFormLayout()
        form.addRow("&Opacity:", self.opacity)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)
        layout.addWidget(self.progress_text)
        for widget in (self.covered, self.warnings, self.figures):
            layout.addWidget(widget)
        if self.query is None:
            layout.addWidget(self.legend)
        layout.addLayout(form)
        self._more = QVBoxLayout()
        layout.addLayout(self._more)
        for page in (self.query, self.objects, self.heatmap):
            if page is not None:
                layout.addWidget(page)
        if self.query is not None:
            layout.addWidget(self.legend)
        for widget in (self.gallery, self.elsewhere_label, self.back, self.elsewhere):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.covered.hide()
        self.warnings.hide()
        self.elsewhere_label.hide()
        self.back.hide()
