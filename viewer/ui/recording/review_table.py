"""The actions of a review as rows, each with its verdict; only rows in sight are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QSizePolicy, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.ui.item_views import KeyKeeper, RowTable, put_rows
from viewer.ui.rows_model import RowsModel
from viewer.ui.theme import colored_icon

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PySide6.QtCore import QObject
    from PySide6.QtGui import QIcon, QKeyEvent

    from viewer.recording.review.entries import Decided
    from viewer.recording.review.items import ReviewItem
    from viewer.ui.rows_model import Index

VERDICT_COLORS = {
    "open": "#3b82f6",
    "accepted": "#22a55a",
    "edited": "#06a8b8",
    "rejected": "#e5484d",
    "skipped": "#8a8f98",
}
_VERDICT_ICONS = {
    "open": "mdi6.circle-outline",
    "accepted": "mdi6.check-circle",
    "edited": "mdi6.pencil-circle",
    "rejected": "mdi6.close-circle",
    "skipped": "mdi6.skip-next-circle",
}
_ACTION, _LOOKED, _VERDICT = range(3)
_WIDEST_LOOKED = "10000.0 s"
_AROUND_TEXT_PX = 12
_LEAST_HEIGHT_PX = 90


def verdict_of(decision: Decided | None) -> str:
    """Return the word for it; "open" where there is none."""
    return "open" if decision is None else decision.verdict


class ReviewTableModel(RowsModel):
    """A row an action; verdicts that changed are told row by row."""

    headings = ("Action", "Looked", "Verdict")

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._items: Sequence[ReviewItem] = ()
        self._verdicts: list[str] = []
        self._icons: dict[str, QIcon] = {}

    def show_items(self, items: Sequence[ReviewItem]) -> None:
        """List other actions, all of them open."""
        self.beginResetModel()
        self._items = items
        self._verdicts = ["open"] * len(items)
        self.endResetModel()

    def show_verdicts(self, changed: Mapping[int, Decided | None]) -> None:
        """Mark actions, by their rows, with their verdicts."""
        for row, decision in changed.items():
            verdict = verdict_of(decision)
            if row < len(self._verdicts) and verdict != self._verdicts[row]:
                self._verdicts[row] = verdict
                self.dataChanged.emit(self.index(row, _ACTION), self.index(row, _VERDICT))

    def count_rows(self) -> int:
        return len(self._items)

    @guarded()
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        item, verdict = self._items[index.row()], self._verdicts[index.row()]
        if role == Qt.ItemDataRole.DecorationRole and index.column() == _ACTION:
            return self._icon(verdict)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        match index.column():
            case 0:
                return f"{item.number}  {item.action.command.strip('<>')}"
            case 1:
                return f"{item.action.dwell_s:.1f} s"
            case _:
                return verdict

    def _icon(self, verdict: str) -> QIcon:
        if verdict not in self._icons:
            name, color = _VERDICT_ICONS[verdict], VERDICT_COLORS[verdict]
            self._icons[verdict] = colored_icon(name, color, color_selected="white")
        return self._icons[verdict]


class ReviewTable(RowTable):
    """A row an action: its verdict's sign, its number and command, and the verdict in words.

    Not a tree, which asks for every row each time that it is laid out.
    """

    row_chosen = Signal(int)
    """The user went to another row."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        KeyKeeper(self)
        self._is_being_filled = False
        self.rows = ReviewTableModel(self)
        self.setModel(self.rows)
        self.setAccessibleName("Actions and their verdicts")
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        # Its rows are no reason for the page to scroll.
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self.setMinimumHeight(_LEAST_HEIGHT_PX)
        header = self.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        header.setSectionResizeMode(_ACTION, QHeaderView.ResizeMode.Stretch)
        for column in (_LOOKED, _VERDICT):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
        self.selectionModel().currentRowChanged.connect(self._on_row)

    def show_items(self, items: Sequence[ReviewItem]) -> None:
        """List other actions."""
        self._is_being_filled = True
        self._fit_columns()
        self.rows.show_items(items)
        self._is_being_filled = False

    def _fit_columns(self) -> None:
        # By the widest texts that there can be: Qt would ask for cells at each step of the layout.
        for column, texts in ((_LOOKED, [_WIDEST_LOOKED]), (_VERDICT, [*VERDICT_COLORS])):
            widest = max(
                map(self.fontMetrics().horizontalAdvance, (self.rows.headings[column], *texts))
            )
            self.horizontalHeader().resizeSection(column, widest + _AROUND_TEXT_PX)

    def show_verdicts(self, changed: Mapping[int, Decided | None], current: int) -> None:
        """Mark actions, by their rows, with their verdicts, and select the one in hand."""
        self._is_being_filled = True
        self.rows.show_verdicts(changed)
        index = self.rows.index(current, _ACTION)
        if index.isValid():
            self.setCurrentIndex(index)
            self.scrollTo(index)
        self._is_being_filled = False

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self._copy_rows()
        else:
            super().keyPressEvent(event)

    def _copy_rows(self) -> None:
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        columns = range(self.rows.columnCount())
        put_rows([str(self.rows.index(row, c).data()) for c in columns] for row in rows)

    def _on_row(self, index: QModelIndex) -> None:
        if index.isValid() and not self._is_being_filled:
            self.row_chosen.emit(index.row())
