"""Lists, trees and tables: the keys that they keep, their columns, and the states of their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QListView,
    QTableView,
    QTreeView,
    QTreeWidget,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.style_sheet import ROW_PX

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from PySide6.QtWidgets import QStyleOptionViewItem

    from viewer.ui.rows_model import Index

_TRAVEL_KEYS = (
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
    Qt.Key.Key_Plus,
    Qt.Key.Key_Minus,
)


class KeyKeeper(QObject):
    """Keeps keys for a list in focus that are shortcuts of the window's commands too.

    A filter: Qt has no handler of its own for the event that asks. Copying is kept always.

    Parameters
    ----------
    travel
        The keys that move in a list and are kept, when pressed alone.
    """

    def __init__(self, widget: QWidget, travel: Container[int] = _TRAVEL_KEYS) -> None:
        super().__init__(widget)
        self._travel = travel
        widget.installEventFilter(self)

    @guarded(False)
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
            return False
        if not self.wants(event):
            return False
        event.accept()
        return True

    def wants(self, event: QKeyEvent) -> bool:
        """Return whether a key is for the widget."""
        is_plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        travels = is_plain and event.key() in self._travel
        return travels or event.matches(QKeySequence.StandardKey.Copy)


def put_rows(rows: Iterable[Iterable[str]]) -> None:
    """Put rows on the clipboard, columns parted by tabs; where there are none, it stays."""
    text = "\n".join(map("\t".join, rows))
    if text:
        QGuiApplication.clipboard().setText(text)


class KeyedTree(QTreeWidget):
    """A tree that keeps its own keys while it has the focus, and copies its rows as text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        KeyKeeper(self)

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_rows()
        else:
            super().keyPressEvent(event)

    def copy_rows(self) -> None:
        """Put the selected rows on the clipboard."""
        rows = sorted(self.selectedItems(), key=lambda row: self.indexOfTopLevelItem(row))
        put_rows([row.text(column) for column in range(self.columnCount())] for row in rows)


class KeyedList(QListView):
    """A list that keeps Home and End for itself; page keys stay with the window.

    Rows of one height are not laid out anew because one of them looks different: Qt's own list
    goes through all of them.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        pages = (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)
        KeyKeeper(self, [key for key in _TRAVEL_KEYS if key not in pages])

    @guarded()
    def dataChanged(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, first: Index, last: Index, roles: Sequence[int] | None = None
    ) -> None:
        if self.uniformItemSizes():
            QAbstractItemView.dataChanged(self, first, last, list(roles or ()))
        else:
            super().dataChanged(first, last, list(roles or ()))


class RowTable(QTableView):
    """A table of rows as high as those of all lists; Tab leaves it, as it leaves any control."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.verticalHeader().setDefaultSectionSize(ROW_PX)

    def fit_columns(self, widest: int) -> None:
        """Make columns as wide as their contents, but for one that has the rest."""
        header = self.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(widest, QHeaderView.ResizeMode.Stretch)


def be_table(tree: QTreeWidget, name: str, columns: Sequence[str]) -> None:
    """Let a tree be a table with a name, which only screen readers tell, and columns."""
    tree.setAccessibleName(name)
    tree.setHeaderLabels(list(columns))
    tree.setRootIsDecorated(False)


def fit_columns(tree: QTreeWidget) -> None:
    """Let columns be as wide as what they hold, and the first take what is left."""
    header = tree.header()
    header.setStretchLastSection(False)
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)


def set_up_columns(tree: QTreeView, name: int, count: int, widths_px: Mapping[int, int]) -> None:
    """Make a list of names in columns; a million fits as a count, in bold too."""
    tree.setHeaderHidden(True)
    tree.setRootIsDecorated(False)
    tree.setUniformRowHeights(True)
    tree.setAllColumnsShowFocus(True)
    tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
    header = tree.header()
    header.setStretchLastSection(False)
    header.setMinimumSectionSize(20)
    header.setSectionResizeMode(name, QHeaderView.ResizeMode.Stretch)
    count_px = tree.fontMetrics().horizontalAdvance("1,000,000") + 16
    for column, width_px in (*widths_px.items(), (count, count_px)):
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
        header.resizeSection(column, width_px)


def rows_in_sight(view: QListView, count: int) -> range:
    """Return the rows of a list of so many that can be seen now."""
    shown = view.viewport().rect()
    first, last = (view.indexAt(at).row() for at in (shown.topLeft(), shown.bottomLeft()))
    return range(first, last + 1 if last >= 0 else count) if first >= 0 else range(0)


def selected_runs(view: QAbstractItemView) -> list[tuple[int, int]]:
    """Return the first and last rows of what is selected in a list, from the top.

    An index for each of thousands of rows takes Python longer than all that is done with it.
    """
    ranges = view.selectionModel().selection().toList()
    return sorted((each.top(), each.bottom()) for each in ranges if each.isValid())


class RowState(NamedTuple):
    """What a delegate shows of a row beside what it holds."""

    is_selected: bool
    is_under_mouse: bool
    has_focus: bool


def row_state(option: QStyleOptionViewItem) -> RowState:
    """Return the state that a view asks a delegate to paint."""
    # Not above: PySide makes the four hundred names of QStyle when it is first asked for.
    from PySide6.QtWidgets import QStyle

    state, flag = option.state, QStyle.StateFlag
    return RowState(
        bool(state & flag.State_Selected),
        bool(state & flag.State_MouseOver),
        bool(state & flag.State_HasFocus),
    )
