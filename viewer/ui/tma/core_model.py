"""Cores in rows for a table: names, ids and what was measured; an id is typed in its cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication, QWidget

from viewer.annotations.counted import H_SCORE, POSITIVE_PERCENT, is_outdated
from viewer.annotations.statistics import OBJECTS
from viewer.annotations.tma.cores import CASE_ID, is_missing
from viewer.canvas.qt_guard import guarded
from viewer.measurement_names import with_signs
from viewer.ui.rows_model import NUMBERS_ALIGNMENT, RowsModel

if TYPE_CHECKING:
    from viewer.annotations.annotation import Annotation
    from viewer.annotations.tma.cores import TmaGrid
    from viewer.ui.rows_model import Index

ID_COLUMN = 1
_FIRST = ("Core", "Case ID")
_USUAL = {
    OBJECTS: "Objects",
    f"{OBJECTS} per mm2": "/mm²",
    POSITIVE_PERCENT: "Pos. %",
    H_SCORE: "H-score",
}
"""Measurements that are shown, and what heads their columns; all are in the exported table."""


class CoreModel(RowsModel):
    """The cores of a slide, row by row of the grid."""

    headings = _FIRST
    case_id_typed = Signal(object, str)
    """A core, and what was typed."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.cores: list[Annotation] = []
        self._measured: list[str] = []

    @property
    def is_measured(self) -> bool:
        """Return whether anything was counted in a core."""
        return bool(self._measured)

    def show_grid(self, grid: TmaGrid | None) -> None:
        """List the cores of a grid."""
        cores = [] if grid is None else [core for *_, core in grid]
        there = {name for core in cores for name in core.measurements}
        measured = [name for name in _USUAL if name in there]
        same = [each.id for each in cores] == [each.id for each in self.cores]
        if same and measured == self._measured:
            self.cores = cores
            last = self.index(max(0, len(cores) - 1), self.columnCount() - 1)
            self.dataChanged.emit(self.index(0, 0), last)
            return
        self.beginResetModel()
        self.cores, self._measured = cores, measured
        self.headings = (*_FIRST, *(_USUAL[name] for name in measured))
        self.endResetModel()

    def count_rows(self) -> int:
        return len(self.cores)

    @guarded()
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or index.row() >= len(self.cores):
            return None
        core, column = self.cores[index.row()], index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return self._text(core, column)
        if role == Qt.ItemDataRole.TextAlignmentRole and column >= len(_FIRST):
            return NUMBERS_ALIGNMENT
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(core)
        if role == Qt.ItemDataRole.ForegroundRole and is_missing(core):
            return QApplication.palette().color(QPalette.ColorRole.PlaceholderText)
        return None

    @guarded(Qt.ItemFlag.NoItemFlags)
    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == ID_COLUMN else flags

    @guarded(False)
    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        if role != Qt.ItemDataRole.EditRole or index.column() != ID_COLUMN:
            return False
        self.case_id_typed.emit(self.cores[index.row()], str(value).strip())
        return True

    @guarded()
    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        is_measured = orientation is Qt.Orientation.Horizontal and section >= len(_FIRST)
        if is_measured and role == Qt.ItemDataRole.ToolTipRole:
            return with_signs(self._measured[section - len(_FIRST)])
        return super().headerData(section, orientation, role)

    def _text(self, core: Annotation, column: int) -> str:
        if column == 0:
            is_alone = is_missing(core) and not self._measured
            return f"{core.name} (missing)" if is_alone else core.name
        if column == ID_COLUMN:
            return core.metadata.get(CASE_ID, "")
        if is_missing(core):
            return "missing" if column == len(_FIRST) else ""
        value = core.measurements.get(self._measured[column - len(_FIRST)])
        if value is None or is_outdated(core):
            return ""
        return f"{value:,.0f}" if value == int(value) or value >= 1000 else f"{value:,.1f}"

    def _tip(self, core: Annotation) -> str:
        if is_outdated(core):
            return "Moved since it was counted: count again"
        return "No tissue in this place of the grid" if is_missing(core) else ""
