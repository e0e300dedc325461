"""The panel of the table over all slides: one value, its histogram, outliers first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFormLayout, QHeaderView, QLabel, QPushButton, QVBoxLayout, QWidget

from viewer.cohort.spread import object_spread, object_values, slide_spread
from viewer.cohort.table import number_columns
from viewer.measurement_names import with_signs
from viewer.plurals import plural
from viewer.slides.remote.address import slide_path
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.batch.histogram import Histogram, number_text
from viewer.ui.batch.spread_model import OUTLIER_COLUMN, SpreadModel
from viewer.ui.shell.panel import Panel
from viewer.ui.widgets import LetteredCombo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.cohort.batch import Batch
    from viewer.cohort.spread import Spread

EMPTY = "Run a batch: what it counts on each slide is compared here."
BLIND = "The study hides models and what they found in this stage, and so this table."
_NUMBER_PX, _OFF_PX = 76, 80
_SHOWN_AS = {"cells": "tiles"}
"""Columns whose names in files mean something else where people read."""


class TablePanel(Panel):
    """Compares the slides, or all objects, of the batch that the page shows."""

    slide_chosen = Signal(str)
    """Path of a slide to open."""
    object_chosen = Signal(str, float, float)
    """Path of a slide to open, and where on it, level-0 pixels."""
    save_requested = Signal()

    def __init__(
        self,
        name_of: Callable[[Path], str],
        is_blind: Callable[[Path], bool],
        parent: QWidget,
    ) -> None:
        super().__init__("Table", parent)
        self._name_of, self._is_blind = name_of, is_blind
        self.setObjectName("batch_table")
        self._batch: Batch | None = None
        self._hidden: tuple[str, bool] | None = None
        """Of which batch it is known whether a study hides what was found, and whether it does."""
        self._work = BackgroundRunner("batch table", 1, self)

    def build(self) -> None:
        from viewer.ui.overlays.object_table_dialog import ObjectTableView

        self.rows_of = LetteredCombo(self)
        self.rows_of.setAccessibleName("Rows of the table")
        for text, key in (("Slides", "slides"), ("Objects of all slides", "objects")):
            self.rows_of.addItem(text, key)
        self.value = LetteredCombo(self)
        self.value.setAccessibleName("Value that is compared")
        self.histogram = Histogram(self)
        self.about = QLabel(self)
        self.about.setWordWrap(True)
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.model = SpreadModel(self._name_of, self)
        self.view = ObjectTableView(self)
        self.view.setAccessibleName("Slides or objects, outliers first")
        self.view.setModel(self.model)
        self.view.setSortingEnabled(True)
        self.view.setShowGrid(False)
        self.view.verticalHeader().hide()
        header = self.view.horizontalHeader()
        header.setSortIndicator(OUTLIER_COLUMN, Qt.SortOrder.DescendingOrder)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column, wide_px in ((1, _NUMBER_PX), (OUTLIER_COLUMN, _OFF_PX)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, wide_px)
        self.save = QPushButton("Save table...", self)
        self.save.setToolTip("Write the table over all slides as CSV")
        self._lay_out()
        self.rows_of.currentIndexChanged.connect(lambda _: self._on_rows_of())
        self.value.currentIndexChanged.connect(lambda _: self._compute())
        self.view.row_chosen.connect(self._on_row)
        self.save.clicked.connect(lambda: self.save_requested.emit())
        self._show(None)

    @property
    def batch(self) -> Batch | None:
        """Return the batch that is shown."""
        return self._batch

    def show_batch(self, batch: Batch | None) -> None:
        """Show a batch, or what has become of it since; only while the panel is in sight."""
        self._batch = batch
        if self.isVisible():
            self._list_values()

    def follow_study(self) -> None:
        """Show what a study hides or shows from now on."""
        self._hidden = None
        self.show_batch(self._batch)

    def shut_down(self) -> None:
        """End all work."""
        self._work.close()

    def _on_rows_of(self) -> None:
        self._take_values([])  # those of slides are none of objects
        self._list_values()

    def _list_values(self) -> None:
        batch = self._batch
        if batch is None or self._hides(batch):
            self._work.cancel_waiting()
            self._take_values([])
            return
        is_objects = self.rows_of.currentData() == "objects"
        names_of = object_values if is_objects else number_columns
        self._work.cancel_waiting()
        if is_objects:
            self.about.setText("Reading the objects...")
        self._work.run(lambda: names_of(batch), self._take_values, self._on_failed)

    def _hides(self, batch: Batch | None) -> bool:
        """Return whether a study hides what was found on a slide of a batch; looked at once."""
        if batch is None:
            return False
        if self._hidden is None or self._hidden[0] != batch.id:
            is_hidden = any(self._is_blind(slide_path(each.path)) for each in batch.slides)
            self._hidden = batch.id, is_hidden
        return self._hidden[1]

    def _take_values(self, names: list[str]) -> None:
        chosen = self.value.currentData()
        self.value.blockSignals(True)
        self.value.clear()
        for name in names:
            self.value.addItem(_SHOWN_AS.get(name, with_signs(name)), name)
        usual = "objects per mm2" if "objects per mm2" in names else ""
        self.value.setCurrentIndex(max(0, self.value.findData(chosen or usual)))
        self.value.blockSignals(False)
        self._compute()

    def _compute(self) -> None:
        batch, name = self._batch, self.value.currentData()
        if batch is None or not name:
            self._show(None)
            return
        spread_of = object_spread if self.rows_of.currentData() == "objects" else slide_spread
        self._work.cancel_waiting()
        self._work.run(lambda: spread_of(batch, name), self._show, self._on_failed)

    def _show(self, spread: Spread | None) -> None:
        self.model.show_spread(spread, self.value.currentText())
        self.histogram.show_spread(spread)
        has_rows = spread is not None
        for widget in (self.histogram, self.view):
            widget.setVisible(has_rows)
        is_blind = self._hides(self._batch)
        self.save.setEnabled(self._batch is not None and not is_blind)
        if spread is None:
            self.about.setText(BLIND if is_blind else EMPTY)
            return
        what = plural(spread.total, "slide" if spread.places is None else "object")
        text = f"{what}, median {number_text(spread.median)}."
        if spread.total > len(spread.values):
            text += f" The {len(spread.values):,} farthest from it are listed."
        self.about.setText(text)

    def _on_failed(self, error: Exception) -> None:
        self._show(None)
        self.about.setText(str(error))

    def _on_row(self, row: int) -> None:
        spread = self.model.spread
        if spread is None:
            return
        at = self.model.index_of(row)
        if spread.places is None:
            self.slide_chosen.emit(spread.slides[at])
        else:
            x, y = spread.places[at].tolist()
            self.object_chosen.emit(spread.slides[at], x, y)

    def _lay_out(self) -> None:
        body = QWidget(self)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Rows:", self.rows_of)
        form.addRow("Value:", self.value)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(8, 6, 8, 8)
        layout.setSpacing(6)
        layout.addLayout(form)
        layout.addWidget(self.about)
        layout.addWidget(self.histogram)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.save, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addStretch(0)
        self.set_body(body)
