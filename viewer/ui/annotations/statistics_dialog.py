"""The table of classes: how many, how large, how many objects inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QPushButton,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from viewer.measurement_names import with_signs
from viewer.ui.file_dialogs import ask_new_file
from viewer.ui.item_views import KeyedTree, be_table, fit_columns
from viewer.ui.swatches import swatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.annotations.pixel_calibration import MicronsPerPixel
    from viewer.annotations.statistics import ClassFigures

_DECIMALS = {2: 6, 3: 1, 4: 1}
"""Of areas in mm², perimeters and lengths."""
_DECIMALS_PX = {3: 1, 4: 1}


class StatisticsDialog(QDialog):
    """Copied by Ctrl+C, written as CSV."""

    export_requested = Signal(object)
    """The Path to write to."""

    def __init__(
        self,
        figures: Sequence[ClassFigures],
        mpp_um: MicronsPerPixel | None,
        name: str,
        parent: QWidget,
    ) -> None:
        from viewer.annotations.statistics import columns

        super().__init__(parent)
        self.setWindowTitle("Statistics")
        self._name = name
        hint = QLabel(
            "Areas and perimeters are those of regions, lengths those of lines. Objects are those"
            " counted with Count...",
            self,
        )
        hint.setWordWrap(True)
        self.table = KeyedTree(self)
        labels = [with_signs(each) for each in columns(mpp_um)]
        be_table(self.table, "Statistics of each class", labels)
        self.table.setAlternatingRowColors(True)
        for each in figures:
            self.table.addTopLevelItem(_row(each, mpp_um))
        fit_columns(self.table)
        self.export = QPushButton("&Export CSV...", self)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.addButton(self.export, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        self.export.clicked.connect(self._ask_where)
        layout = QVBoxLayout(self)
        layout.addWidget(self.table, 1)
        layout.addWidget(hint)
        layout.addWidget(buttons)
        self.resize(640, 320)

    def _ask_where(self) -> None:
        ask_new_file(
            self,
            "Export statistics",
            lambda path, _: self.export_requested.emit(path),
            formats={"CSV (*.csv)": ".csv"},
            stem=f"{self._name} classes",
        )


def _row(figures: ClassFigures, mpp_um: MicronsPerPixel | None) -> QTreeWidgetItem:
    from viewer.annotations.statistics import cells

    decimals = _DECIMALS if mpp_um else _DECIMALS_PX
    cells = [
        f"{value:,.{decimals.get(at, 0)}f}" if isinstance(value, int | float) else value
        for at, value in enumerate(cells(figures, mpp_um))
    ]
    row = QTreeWidgetItem(cells)
    row.setIcon(0, swatch(figures.color))
    for column in range(1, row.columnCount()):
        row.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return row
