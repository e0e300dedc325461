"""The panel of a comparison: whose annotations, how well they agree, and where they do not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFormLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from viewer.plurals import plural
from viewer.ui.item_views import KeyedTree, RowTable, be_table, fit_columns
from viewer.ui.rows_model import RowsModel
from viewer.ui.shell.panel import Panel, shows_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.annotations.comparison import ClassComparison, Comparison, Disagreement

_COLUMNS = ("Class", "A", "B", "Dice", "IoU", "Kappa", "F1")
_TIPS = (
    "Class of the regions",
    "Regions of A",
    "Regions of B",
    "Twice the common area over the sum of both",
    "Common area over the area of either",
    "Cohen's kappa: agreement beyond chance, over the reference",
    "Outlines of A and B that share half of what either covers",
)


class DisagreementModel(RowsModel):
    """A row a region, the largest first; made as they are scrolled to, since there may be many."""

    headings = ("A says", "B says", "Area")
    numbers_rows = True
    number_columns = (2,)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: Sequence[Disagreement] = ()
        self._mpp_um: float | None = None

    def show_rows(self, rows: Sequence[Disagreement], mpp_um: float | None) -> None:
        self.beginResetModel()
        self.rows, self._mpp_um = rows, mpp_um
        self.endResetModel()

    def count_rows(self) -> int:
        return len(self.rows)

    def text(self, row: int, column: int) -> str:
        which = self.rows[row]
        return (which.class_a or "nothing", which.class_b or "nothing", self._area(which))[column]

    def _area(self, row: Disagreement) -> str:
        if self._mpp_um is None:
            return f"{row.area_px2:,.0f} px²"
        return f"{row.area_px2 * self._mpp_um**2:,.0f} µm²"  # one unit, as rows are compared


class ComparisonPanel(Panel):
    """Asks for a comparison and shows what came of it."""

    compare_requested = Signal()
    """The user wants the chosen sets compared, within the chosen reference."""
    file_requested = Signal()
    """Another file is to be offered as a set."""
    travel_requested = Signal(object)
    """A Disagreement."""
    shown_changed = Signal(bool)
    """Whether the panel is in view: what it draws goes with it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Compare", parent)
        self.setObjectName("comparison")

    def build(self) -> None:
        self.a, self.b, self.reference = QComboBox(self), QComboBox(self), QComboBox(self)
        for box, name in ((self.a, "A"), (self.b, "B"), (self.reference, "Reference")):
            box.setAccessibleName(name)
            box.setMinimumContentsLength(12)
            box.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
        self.reference.setToolTip("The ground that both looked at; kappa depends on it")
        self.add_file = QPushButton("Add file...", self)
        self.add_file.setToolTip("Offer the annotations of a file for comparison")
        self.compare = QPushButton("Compare", self)
        self.compare.setProperty("primary", True)
        self.summary = QLabel(self)
        self.summary.setWordWrap(True)
        self.summary.setTextFormat(Qt.TextFormat.PlainText)
        self.summary.setProperty("dim", "true")
        self.classes = self._class_table()
        self.model = DisagreementModel(self)
        self.regions = self._region_table()
        form = QFormLayout()
        form.addRow("A:", self.a)
        form.addRow("B:", self.b)
        form.addRow("Within:", self.reference)
        form.addRow(self.add_file, self.compare)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addLayout(form)
        layout.addWidget(self.summary)
        layout.addWidget(self.classes, 1)
        layout.addWidget(self.regions, 2)
        self.set_body(body)
        self.setFocusProxy(self.b)
        self.a.currentIndexChanged.connect(lambda _: self._part_sets())
        self.add_file.clicked.connect(self.file_requested)
        self.compare.clicked.connect(self.compare_requested)
        self.visibilityChanged.connect(self.shown_changed)
        self.show_sets([], [])

    @shows_state
    def show_sets(self, sets: Sequence[tuple[str, object]], classes: Sequence[str]) -> None:
        """Offer sets by name and what they stand for, and classes whose regions may bound."""
        for box, first in ((self.a, 0), (self.b, 1)):
            _refill(box, sets, first)
        self._part_sets()
        within = [("Whole slide", ""), *((f"Regions of {name}", name) for name in classes)]
        _refill(self.reference, within, 0)
        self.compare.setEnabled(len(sets) > 1)
        if not sets:
            self.say("Open a slide and add a file, or let two readers annotate it.")
        elif len(sets) == 1:
            self.say("There is one set so far: add a file, or let two readers annotate the slide.")

    def _part_sets(self) -> None:
        """Offer as B what is not A: a set always agrees with itself."""
        taken, model = self.a.currentIndex(), self.b.model()
        assert isinstance(model, QStandardItemModel)
        for row in range(self.b.count()):
            model.item(row).setEnabled(row != taken)
        if self.b.currentIndex() == taken:
            other = 0 if taken else 1
            self.b.setCurrentIndex(other if other < self.b.count() else -1)

    @shows_state
    def say(self, summary: str) -> None:
        self.summary.setText(summary)

    @shows_state
    def show_comparison(self, comparison: Comparison | None, mpp_um: float | None) -> None:
        """Show figures and regions; None shows none."""
        self.classes.clear()
        self.model.show_rows(comparison.disagreements if comparison else (), mpp_um)
        if comparison is None:
            return
        for each in comparison.classes:
            self.classes.addTopLevelItem(_row(each))
        count = len(comparison.disagreements)
        passed = f" {comparison.passed_over:,} without an area." if comparison.passed_over else ""
        mean = comparison.mean_dice
        overall = "" if math.isnan(mean) else f"Mean Dice of the classes {mean:.2f}. "
        differ = f"They differ in {plural(count, 'region')}: click one below to go there."
        same = "Their regions are the same." if comparison.classes else "Neither holds a region."
        self.say(f"{overall}{differ if count else same}{passed}")

    def _class_table(self) -> KeyedTree:
        table = KeyedTree(self)
        be_table(table, "Agreement by class", _COLUMNS)
        table.header().setMinimumSectionSize(24)
        fit_columns(table)
        for column, tip in enumerate(_TIPS):
            table.headerItem().setToolTip(column, tip)
        return table

    def _region_table(self) -> RowTable:
        table = RowTable(self)
        table.setModel(self.model)
        table.setAccessibleName("Regions where they differ")
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header = table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        table.selectionModel().currentRowChanged.connect(
            lambda now, _: now.isValid() and self.travel_requested.emit(self.model.rows[now.row()])
        )
        return table


def _refill(box: QComboBox, entries: Sequence[tuple[str, object]], first: int) -> None:
    chosen = box.currentData()
    box.clear()
    for name, data in entries:
        box.addItem(name, data)
    found = next((row for row, (_, data) in enumerate(entries) if data == chosen), -1)
    box.setCurrentIndex(found if found >= 0 else min(first, len(entries) - 1))


def _row(each: ClassComparison) -> QTreeWidgetItem:
    figures = (each.dice, each.iou, each.kappa, each.f1)
    counts = (f"{each.count_a:,}", f"{each.count_b:,}")
    row = QTreeWidgetItem([each.name, *counts, *(_shown(value) for value in figures)])
    for column in range(1, len(_COLUMNS)):
        row.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return row


def _shown(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"
