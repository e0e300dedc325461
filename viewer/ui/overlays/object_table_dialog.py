"""The objects of an overlay in rows: a click on a column sorts, one on a row travels there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QModelIndex, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHeaderView,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.geometry import Point
from viewer.measurement_names import with_signs
from viewer.plurals import plural
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.item_views import RowTable
from viewer.ui.rows_model import NUMBERS_ALIGNMENT, RowsModel

if TYPE_CHECKING:
    from PySide6.QtGui import QFocusEvent

    from viewer.overlays.object_table import ObjectTable
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.rows_model import Index

_PAUSE_MS = 400
_MPP_SHOWN_UM = 0.25
"""As near as a row is traveled to: 40x."""
_DECIMALS = 2


class ObjectTableModel(RowsModel):
    """Gives a snapshot to a view; sorting is asked of the dialog, which does it in a thread."""

    numbers_rows = True

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.table: ObjectTable | None = None

    def show_table(self, table: ObjectTable) -> None:
        self.beginResetModel()
        self.table = table
        self.headings = [with_signs(each) for each in table.columns]
        self.endResetModel()

    def count_rows(self) -> int:
        return len(self.table.rows) if self.table is not None else 0

    @guarded()
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if self.table is None or not index.isValid():
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() > 0:
            return NUMBERS_ALIGNMENT
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        value = self.table.cell(index.row(), index.column())
        return value if isinstance(value, str) else f"{value:,.{_DECIMALS}f}"


class ObjectTableView(RowTable):
    """A table whose first row is not taken for a choice when it gets the keyboard."""

    row_chosen = Signal(int)
    """The user went to this row, by click or key."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._is_arriving = False
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)

    @guarded()
    def currentChanged(self, current: Index, previous: Index) -> None:
        super().currentChanged(current, previous)
        if not self._is_arriving and current.isValid() and current.row() != previous.row():
            self.row_chosen.emit(current.row())

    @guarded()
    def focusInEvent(self, event: QFocusEvent) -> None:
        """Qt makes the first row the current one, which would move the slide."""
        had_row = self.currentIndex().isValid()
        self._is_arriving = True
        super().focusInEvent(event)
        if not had_row:
            self.setCurrentIndex(QModelIndex())
        self._is_arriving = False


class ObjectTableDialog(QDialog):
    """Stays open beside the slide; shows what the overlay shows."""

    def __init__(self, overlay: Overlay, parent: QWidget) -> None:
        from viewer.overlays.object_table import FIXED_COLUMNS

        super().__init__(parent)
        shown = overlay.as_objects
        assert shown is not None
        self._overlay, self._found, self._shown = overlay, shown.found, shown
        self._column, self._is_descending = len(FIXED_COLUMNS), True
        self.setWindowTitle(f"{overlay.origin.name}: objects")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(660, 480)
        self.model = ObjectTableModel(self)
        self.count = QLabel(self)
        self.view = ObjectTableView(self)
        self.view.setModel(self.model)
        self.view.setAccessibleName("Objects")
        header = self.view.horizontalHeader()
        header.setSectionsClickable(True)
        header.setSortIndicatorShown(True)
        header.setSortIndicator(self._column, Qt.SortOrder.DescendingOrder)
        header.sortIndicatorChanged.connect(self._sort)
        layout = QVBoxLayout(self)
        layout.addWidget(self.count)
        layout.addWidget(self.view)
        self._background = BackgroundRunner("object table", 1, self)
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self._rebuild)
        overlay.changed.connect(self._touch)
        overlay.destroyed.connect(self.close)
        self.view.row_chosen.connect(self._travel)
        self._rebuild()

    @guarded()
    def done(self, result: int) -> None:
        self._pause.stop()
        self._background.close()
        super().done(result)

    def _touch(self) -> None:
        if not self._pause.isActive():
            self._pause.start()

    def _sort(self, column: int, order: Qt.SortOrder) -> None:
        self._column, self._is_descending = column, order is Qt.SortOrder.DescendingOrder
        self._rebuild()

    def _rebuild(self) -> None:
        from viewer.overlays.object_table import object_table

        found, style = self._found, self._shown.style
        names = [name for name, _ in self._overlay.origin.colors]
        column, descending = self._column, self._is_descending
        self._background.cancel_waiting()
        self._background.run(
            lambda: object_table(found, style, names, column, descending=descending), self._show
        )

    def _show(self, table: ObjectTable) -> None:
        before = self.model.table
        if before is not None and _is_same(before, table):
            return  # or the chosen row would be forgotten
        self.model.show_table(table)
        self.count.setText(f"{len(table.rows):,} of {plural(len(table.objects), 'object')}")
        if before is None or before.columns != table.columns:
            self.view.resizeColumnsToContents()

    def _travel(self, shown_row: int) -> None:
        table = self.model.table
        if table is None:
            return
        row, canvas = int(table.rows[shown_row]), self._overlay.pane.canvas
        self._shown.point_out(table.objects, row)
        self._overlay.viewed.emit(self._shown.result_of(table.objects, row))
        x, y = table.objects.centroids[row].tolist()
        nearest = _MPP_SHOWN_UM / self._overlay.mpp_um
        canvas.go_to(Point(x, y), min(canvas.view.downsample, nearest))


def _is_same(one: ObjectTable, other: ObjectTable) -> bool:
    return (
        one.columns == other.columns
        and len(one.objects) == len(other.objects)
        and np.array_equal(one.rows, other.rows)
    )
