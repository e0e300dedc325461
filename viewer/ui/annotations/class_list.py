"""The list of classes: a click takes one up and gives it, the eye hides it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from PySide6.QtCore import QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QTreeView, QWidget

from viewer.annotations.annotation import NO_CLASS, NO_CLASS_COLOR, NO_COLOR
from viewer.annotations.bookmarks import MARKS
from viewer.canvas.qt_guard import guarded
from viewer.ui.actions import shown_shortcut
from viewer.ui.item_views import KeyKeeper, set_up_columns
from viewer.ui.rows_model import NUMBERS_ALIGNMENT, RowsModel
from viewer.ui.swatches import swatch
from viewer.ui.theme import icon
from viewer.ui.widgets import plain_tip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from PySide6.QtGui import QIcon

    from viewer.annotations.annotation import AnnotationClass
    from viewer.annotations.palette import Palette
    from viewer.ui.rows_model import Index

NAME, COUNT, KEY, EYE = range(4)
_WIDTHS_PX = {KEY: 56, EYE: 28}


class ClassRow(msgspec.Struct, frozen=True):
    """A class as the list shows it.

    Attributes
    ----------
    name
        "" for what has no class.
    count
        How many annotations of the shown sets are of it.
    """

    name: str
    color: str
    key: str = ""
    count: int = 0
    is_hidden: bool = False
    is_current: bool = False

    @property
    def label(self) -> str:
        return self.name or NO_CLASS


def class_rows(
    classes: Palette,
    current: AnnotationClass | None,
    counts: Mapping[str, int],
    colors: Mapping[str, str],
    hidden: AbstractSet[str],
) -> list[ClassRow]:
    """Return the classes of the palette, then others that are drawn, then no class.

    Parameters
    ----------
    counts
        How many annotations there are, by the name of their class.
    colors
        Of the classes that are drawn.
    """
    known = {each.name: (each.color, each.key) for each in classes}
    others = sorted(set(counts) - known.keys() - {""} - set(MARKS))
    if current is not None and current.name not in known:
        known[current.name] = (current.color, "")
    known |= {name: (colors.get(name, NO_COLOR), "") for name in others if name not in known}
    known[""] = (NO_CLASS_COLOR, "")
    taken = current.name if current is not None else ""
    return [
        ClassRow(name, color, key, counts.get(name, 0), name in hidden, name == taken)
        for name, (color, key) in known.items()
    ]


class ClassListModel(RowsModel):
    """A row a class."""

    headings = ("Class", "Count", "Key", "Shown")

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: list[ClassRow] = []
        self._at: dict[str, int] = {}
        """In which row a class is."""
        self._icons: dict[str, QIcon] = {}

    def show_rows(self, rows: Sequence[ClassRow]) -> None:
        """Show these rows; the list keeps its place where they are the same classes."""
        if [row.name for row in rows] == [row.name for row in self.rows]:
            changed = [at for at, row in enumerate(rows) if row != self.rows[at]]
            self.rows = list(rows)
            for at in changed:
                self.dataChanged.emit(self.index(at, NAME), self.index(at, EYE))
            return
        self.beginResetModel()
        self.rows = list(rows)
        self._at = {row.name: at for at, row in enumerate(rows)}
        self.endResetModel()

    def show_counts(self, counts: Mapping[str, int], colors: Mapping[str, str]) -> bool:
        """Show how many there are of some classes; False where the rows have to be made anew.

        Parameters
        ----------
        colors
            Of those of the classes that the palette does not tell.
        """
        listed = {name: count for name, count in counts.items() if name not in MARKS}
        for name, count in listed.items():
            row = self.rows[self._at[name]] if name in self._at else None
            is_kept = row is not None and (count or not row.count or not name)
            if row is None or not is_kept or colors.get(name, row.color) != row.color:
                return False
        for name, count in listed.items():
            at = self._at[name]
            self.rows[at] = replace(self.rows[at], count=count)
            self.dataChanged.emit(self.index(at, NAME), self.index(at, EYE))
        return True

    def recolor(self) -> None:
        """Paint the icons anew in the theme's colors."""
        self._icons.clear()

    def count_rows(self) -> int:
        return len(self.rows)

    @guarded()
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        row, column = self.rows[index.row()], index.column()
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return _text(row, column)
            case Qt.ItemDataRole.DecorationRole if column == NAME:
                return self._icon(row.color)
            case Qt.ItemDataRole.DecorationRole if column == EYE:
                return self._icon("mdi6.eye-off-outline" if row.is_hidden else "mdi6.eye-outline")
            case Qt.ItemDataRole.TextAlignmentRole if column in (COUNT, KEY):
                return NUMBERS_ALIGNMENT
            case Qt.ItemDataRole.FontRole if column == NAME and row.is_current:
                font = QGuiApplication.font()
                font.setBold(True)
                return font
            case Qt.ItemDataRole.BackgroundRole if row.is_current:
                return QGuiApplication.palette().highlight()
            case Qt.ItemDataRole.ForegroundRole if column == KEY and not row.is_current:
                return QGuiApplication.palette().placeholderText()
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tip(_tip(row, column))
            case Qt.ItemDataRole.AccessibleTextRole:
                return _spoken(row, column)
            case _:
                return None

    def _icon(self, name: str) -> QIcon:
        found = self._icons.get(name)
        if found is None:
            found = self._icons[name] = swatch(name) if name.startswith("#") else icon(name)
        return found


class ClassList(QTreeView):
    """Enter or a click takes a class up, Space or a click on its eye hides or shows it."""

    taken = Signal(str)
    """The name of the class to draw with and to give to what is chosen; "" for none."""
    eye_clicked = Signal(str)
    """The name of the class to hide, or to show again."""
    menu_requested = Signal(str, QPoint)
    """The name of a class, and a place in global coordinates."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows = ClassListModel(self)
        self.setModel(self.rows)
        self.setAccessibleName("Classes")
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        set_up_columns(self, NAME, COUNT, _WIDTHS_PX)
        KeyKeeper(self)
        self.clicked.connect(self._on_clicked)
        self.customContextMenuRequested.connect(self._on_menu)

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        index = self.currentIndex()
        if not index.isValid():
            super().keyPressEvent(event)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.taken.emit(self.rows.rows[index.row()].name)
        elif event.key() == Qt.Key.Key_Space:
            self.eye_clicked.emit(self.rows.rows[index.row()].name)
        else:
            super().keyPressEvent(event)

    def _on_clicked(self, index: QModelIndex) -> None:
        name = self.rows.rows[index.row()].name
        (self.eye_clicked if index.column() == EYE else self.taken).emit(name)

    def _on_menu(self, at: QPoint) -> None:
        index = self.indexAt(at)
        if index.isValid():
            name = self.rows.rows[index.row()].name
            self.menu_requested.emit(name, self.viewport().mapToGlobal(at))


def _text(row: ClassRow, column: int) -> str | None:
    match column:
        case 0:
            return row.label
        case 1:
            return f"{row.count:,}" if row.count else ""
        case 2:
            return shown_shortcut(row.key) if row.key else ""
        case _:
            return None


def _tip(row: ClassRow, column: int) -> str:
    if column == EYE:
        return f"{'Show' if row.is_hidden else 'Hide'} {row.label} on the slide; exports keep it"
    return f"{row.label}: click to draw with it, and to give it to what is selected"


def _spoken(row: ClassRow, column: int) -> str | None:
    match column:
        case 0:
            return f"{row.label}, class of new annotations" if row.is_current else row.label
        case 3:
            return "Hidden" if row.is_hidden else "Shown"
        case _:
            return _text(row, column)
