"""Slides or objects of a batch as rows: where, the value, and how far out it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt

from viewer.canvas.qt_guard import guarded
from viewer.slides.remote.address import slide_path
from viewer.ui.batch.histogram import number_text
from viewer.ui.rows_model import RowsModel
from viewer.ui.widgets import plain_tip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from PySide6.QtCore import QObject

    from viewer.cohort.spread import Spread
    from viewer.ui.rows_model import Index

OUTLIER_COLUMN = 2


class SpreadModel(RowsModel):
    """Gives the rows in sight to a view, in an order that its header chooses."""

    headings = ("Slide", "Value", "Off by")
    number_columns = (1, 2)

    def __init__(self, name_of: Callable[[Path], str], parent: QObject) -> None:
        super().__init__(parent)
        self._name_of = name_of
        self._title = ""
        self._order: NDArray[np.intp] = np.zeros(0, np.intp)
        self._sorted_by = (OUTLIER_COLUMN, True)
        self.spread: Spread | None = None

    def show_spread(self, spread: Spread | None, title: str) -> None:
        """Show a spread; `title` is what its values are called."""
        self.beginResetModel()
        self.spread, self._title = spread, title
        self._reorder()
        self.endResetModel()

    def index_of(self, row: int) -> int:
        """Return which member of the spread a row shows."""
        return int(self._order[row])

    @guarded()
    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self.layoutAboutToBeChanged.emit()
        self._sorted_by = (column, order is Qt.SortOrder.DescendingOrder)
        self._reorder()
        self.layoutChanged.emit()

    def count_rows(self) -> int:
        return len(self._order)

    @guarded()
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role == Qt.ItemDataRole.ToolTipRole and index.isValid():
            return plain_tip(self.text(index.row(), 0))
        return super().data(index, role)

    def text(self, row: int, column: int) -> str:
        if self.spread is None:
            return ""
        at = self.index_of(row)
        match column:
            case 0:
                return self._name_of(slide_path(self.spread.slides[at]))
            case 1:
                return number_text(float(self.spread.values[at]))
            case _:
                return f"{self.spread.deviations[at]:+.1f}"

    @guarded()
    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole:
            deviation = "Distance from the median, in robust standard deviations"
            return ("", plain_tip(self._title), deviation)[section]
        return super().headerData(section, orientation, role)

    def _reorder(self) -> None:
        column, descending = self._sorted_by
        if self.spread is None:
            self._order = np.zeros(0, np.intp)
            return
        slides = set(self.spread.slides) if column == 0 else ()
        names = {each: self._name_of(slide_path(each)) for each in slides}
        self._order = self.spread.ordered(column, names, descending=descending)
