"""Tables of rows under headings, the same for all that is listed so."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from viewer.canvas.qt_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Sequence

Index = QModelIndex | QPersistentModelIndex

NUMBERS_ALIGNMENT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


class RowsModel(QAbstractTableModel):
    """A table without branches; subclasses count its rows, and say what stands in the cells."""

    headings: Sequence[str] = ()
    """What stands above the columns."""
    numbers_rows: ClassVar[bool] = False
    """Whether each row has its number before it."""

    def count_rows(self) -> int:
        """Return how many rows there are."""
        raise NotImplementedError

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
