"""The panel of the cores of a microarray: find them, correct the grid, and see what is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelectionModel, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QMenu,
    QVBoxLayout,
    QWidget,
)

from viewer.plurals import plural
from viewer.ui.item_views import RowTable
from viewer.ui.shell.panel import Panel, shows_state
from viewer.ui.widgets import push_button, text_label

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from PySide6.QtGui import QAction

    from viewer.annotations.tma.cores import TmaGrid

EMPTY = (
    "A tissue microarray: find its round cores, and each gets a name by row and column, a count "
    "and a row in a table."
)
_LEAST_PX, _ID_PX = 44, 70


class TmaPanel(Panel):
    """Shows the grid of the active slide."""

    chosen = Signal(list)
    """The ids of the cores whose rows are selected."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("TMA", parent)
        self.setObjectName("tma")
        self._is_choosing = False

    def build(self) -> None:
        from viewer.ui.tma.core_model import CoreModel

        self.search = push_button(
            self, "Find cores...", "Find the cores of the slide at low magnification"
        )
        self.search.setProperty("primary", True)
        self.about = text_label(self)
        self.model = CoreModel(self)
        self.view = RowTable(self)
        self.view.setModel(self.model)
        self.view.setAccessibleName("Cores")
        self.view.setShowGrid(False)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.verticalHeader().hide()
        self.view.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        header = self.view.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setMinimumSectionSize(_LEAST_PX)
        self.count = push_button(
            self, "Count", "Count the objects of the model on screen in each core"
        )
        self.run = push_button(
            self, "Run model in cores", "Let the model that is on work in all cores"
        )
        self.grid = push_button(self, "Grid", "Missing cores, rows, columns and labels")
        self.ids = push_button(self, "Import ids...", "Read the ids of the cores from a table")
        self.export = push_button(self, "Export...", "Write the cores as a table or for QuPath")
        self.menu = QMenu(self.grid)
        self.grid.setMenu(self.menu)
        self._lay_out()
        self.view.selectionModel().selectionChanged.connect(lambda *_: self._on_selected())
        self.show_grid(None, "")

    @shows_state
    def show_grid(self, grid: TmaGrid | None, notes: str) -> None:
        """List the cores of a grid; None where the slide has none."""
        from viewer.ui.tma.core_model import ID_COLUMN

        chosen = self.chosen_ids
        self._is_choosing = True
        self.model.show_grid(grid)
        self._is_choosing = False
        header = self.view.horizontalHeader()
        modes = QHeaderView.ResizeMode
        header.setSectionResizeMode(
            ID_COLUMN, modes.Interactive if self.model.is_measured else modes.Stretch
        )
        if self.model.is_measured:
            header.resizeSection(ID_COLUMN, _ID_PX)
        if grid is None:
            self.about.setText(notes or EMPTY)
        else:
            size = f"{grid.rows} × {grid.columns}"
            missing = len(grid) - grid.present
            text = f"{plural(len(grid), 'core')} in {size}, {missing:,} missing."
            self.about.setText(f"{text} {notes}".strip())
        for widget in (self.view, self.count, self.run, self.grid, self.ids, self.export):
            widget.setVisible(grid is not None)
        self.show_chosen(chosen)

    @property
    def chosen_ids(self) -> list[UUID]:
        """Return the ids of the cores whose rows are selected."""
        rows = sorted(index.row() for index in self.view.selectionModel().selectedRows())
        return [self.model.cores[row].id for row in rows if row < len(self.model.cores)]

    @shows_state
    def show_chosen(self, ids: Collection[UUID]) -> None:
        """Select the rows of these cores, and scroll to the first of them."""
        if list(ids) == self.chosen_ids:
            return
        wanted = set(ids)
        rows = [row for row, core in enumerate(self.model.cores) if core.id in wanted]
        selection = self.view.selectionModel()
        self._is_choosing = True
        selection.clearSelection()
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for row in rows:
            selection.select(self.model.index(row, 0), flags)
        if rows:
            self.view.scrollTo(self.model.index(rows[0], 0))
        self._is_choosing = False

    def add_action(self, text: str, tip: str) -> QAction:
        """Return a new entry of the menu of the grid."""
        action = self.menu.addAction(text)
        action.setToolTip(tip)
        return action

    def _on_selected(self) -> None:
        if not self._is_choosing:
            self.chosen.emit(self.chosen_ids)

    def _lay_out(self) -> None:
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(8, 6, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(self.search, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.about)
        layout.addWidget(self.view, 1)
        grid = QGridLayout()
        grid.setSpacing(6)
        for number, button in enumerate((self.count, self.run, self.grid, self.ids, self.export)):
            grid.addWidget(button, number // 2, number % 2)
        layout.addLayout(grid)
        layout.addStretch(0)
        self.set_body(body)
