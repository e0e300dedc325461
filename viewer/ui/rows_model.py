"""Models of rows: tables under headings, and lists that are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import (
    QAbstractListModel,
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    QStringListModel,
    Qt,
)

from viewer.canvas.qt_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

Index = QModelIndex | QPersistentModelIndex

NUMBERS_ALIGNMENT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


class RowsModel(QAbstractTableModel):
    """A table without branches; subclasses count its rows, and say what stands in the cells."""

    headings: Sequence[str] = ()
    """What stands above the columns."""
    numbers_rows: ClassVar[bool] = False
    """Whether each row has its number before it."""
    number_columns: ClassVar[Container[int]] = ()
    """Columns of numbers, which stand at the right."""

    def count_rows(self) -> int:
        """Return how many rows there are."""
        raise NotImplementedError

    def text(self, row: int, column: int) -> str:
        """Return what stands in a cell."""
        raise NotImplementedError

    @guarded()
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() in self.number_columns:
            return NUMBERS_ALIGNMENT
        is_text = role == Qt.ItemDataRole.DisplayRole
        return self.text(index.row(), index.column()) if is_text else None

    @guarded(0)
    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else self.count_rows()

    @guarded(0)
    def columnCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.headings)

    @guarded()
    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if orientation is Qt.Orientation.Horizontal:
            return self.headings[section]
        return section + 1 if self.numbers_rows else None


class CountedModel(QStringListModel):
    """Rows that Qt counts by itself: to lay out a list it asks twice a row how many there are."""

    def recount(self, count: int) -> None:
        """There are so many other rows now, which views learn here."""
        self.setStringList([""] * count)

    @guarded(Qt.ItemFlag.NoItemFlags)
    def flags(self, index: Index) -> Qt.ItemFlag:
        """Nothing is typed into rows or dropped on them."""
        return QAbstractListModel.flags(self, index) & ~Qt.ItemFlag.ItemIsDropEnabled
