"""The list of the sets of annotations of a slide: which is drawn in, which are shown and locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPoint, Qt, Signal
from PySide6.QtWidgets import QTreeWidgetItem, QVBoxLayout, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.ui.item_views import KeyedTree, KeyKeeper, set_up_columns
from viewer.ui.theme import icon
from viewer.ui.widgets import plain_tip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QKeyEvent

    from viewer.ui.annotations.sets.slide_sets import SetEntry

NAME, COUNT, EYE, LOCK = range(4)
_WIDTHS_PX = {EYE: 28, LOCK: 28}
_MOST_ROWS = 3
_KINDS = {
    "drawn": "Drawn here",
    "imported": "From a file",
    "agent": "Found by an agent",
    "model": "Made by a model",
    "merged": "Merged of other sets",
}


class _DeleteKeeper(KeyKeeper):
    """Keeps Del, which removes a set; elsewhere it deletes annotations."""

    def wants(self, event: QKeyEvent) -> bool:
        return event.key() == Qt.Key.Key_Delete or super().wants(event)


class SetTree(KeyedTree):
    """Enter draws in a set, Space hides or shows it, Del removes it."""

    taken = Signal()
    eye_pressed = Signal()
    delete_pressed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        _DeleteKeeper(self)

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.taken.emit()
        elif event.key() == Qt.Key.Key_Space:
            self.eye_pressed.emit()
        elif event.key() == Qt.Key.Key_Delete:
            self.delete_pressed.emit()
        else:
            super().keyPressEvent(event)


class SetsPanel(QWidget):
    """Shows sets as layers: a click draws in one, eye and lock are beside it."""

    shown_changed = Signal(object, bool)
    """A SetEntry, and whether it is to be shown."""
    lock_changed = Signal(object, bool)
    """A SetEntry, and whether it is to be locked."""
    current_chosen = Signal(object)
    """The SetEntry that strokes are to go to."""
    removal_requested = Signal(object)
    """The SetEntry that is to go."""
    menu_requested = Signal(object, QPoint)
    """A SetEntry, and a place in global coordinates."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._entries: list[SetEntry] = []
        self._items: dict[SetEntry, QTreeWidgetItem] = {}
        self._current: SetEntry | None = None
        self.tree = SetTree(self)
        self.tree.setAccessibleName("Sets of annotations")
        self.tree.setHeaderLabels(["Set", "Count", "Shown", "Locked"])
        # Names of one reader's sets begin alike and end with the stage of a study.
        self.tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        set_up_columns(self.tree, NAME, COUNT, _WIDTHS_PX)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tree)
        self.tree.itemClicked.connect(self._on_clicked)
        self.tree.taken.connect(self._take)
        self.tree.eye_pressed.connect(self._turn_eye)
        self.tree.delete_pressed.connect(self._ask_removal)
        self.tree.customContextMenuRequested.connect(self._on_menu)
        self.show_sets([], None)

    @property
    def chosen(self) -> SetEntry | None:
        """Return the set whose row is chosen."""
        return self._entry_of(self.tree.currentItem())

    @property
    def current(self) -> SetEntry | None:
        """Return the set that strokes go to."""
        return self._current

    def show_sets(self, entries: Sequence[SetEntry], current: SetEntry | None) -> None:
        """List sets, and mark the one that strokes go to."""
        chosen = self.chosen
        self._entries, self._current = list(entries), current
        self._items.clear()
        self.tree.clear()
        for entry in entries:
            item = self._items[entry] = self._item(entry, is_current=entry is current)
            self.tree.addTopLevelItem(item)
        row = next((r for r, each in enumerate(entries) if each is chosen), -1)
        item = self.tree.topLevelItem(row)
        if item is not None:
            self.tree.setCurrentItem(item)
        rows = min(max(len(entries), 1), _MOST_ROWS)
        height = self.tree.sizeHintForRow(0) if entries else self.fontMetrics().height() + 8
        self.tree.setFixedHeight(rows * height + 4)

    def show_count(self, entry: SetEntry) -> None:
        """Count a set anew: something was drawn in it."""
        item = self._items.get(entry)
        if item is not None:
            item.setText(COUNT, _count(entry))

    @guarded()
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.show_sets(self._entries, self._current)

    def _item(self, entry: SetEntry, *, is_current: bool) -> QTreeWidgetItem:
        item = QTreeWidgetItem([entry.label, _count(entry), "", ""])
        item.setTextAlignment(COUNT, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        item.setIcon(NAME, icon("mdi6.pencil-outline" if is_current else "mdi6.layers-outline"))
        item.setIcon(EYE, icon("mdi6.eye-outline" if entry.is_shown else "mdi6.eye-off-outline"))
        locked = "mdi6.lock-outline" if entry.is_locked else "mdi6.lock-open-variant-outline"
        item.setIcon(LOCK, icon(locked))
        spoken = Qt.ItemDataRole.AccessibleTextRole
        name = f"{entry.label}, drawn in" if is_current else entry.label
        item.setData(NAME, spoken, name)
        item.setData(EYE, spoken, "Shown" if entry.is_shown else "Hidden")
        item.setData(LOCK, spoken, "Locked" if entry.is_locked else "Not locked")
        font = item.font(NAME)
        font.setBold(is_current)
        item.setFont(NAME, font)
        which = entry.listed.which
        use = "New annotations go to this set" if is_current else "Click to draw in this set"
        lines = [entry.label, use, _KINDS[which.kind], which.source, entry.listed.why_locked]
        item.setToolTip(NAME, plain_tip("\n".join(filter(None, lines))))
        item.setToolTip(EYE, f"{'Hide' if entry.is_shown else 'Show'} this set")
        lock = entry.listed.why_locked or f"{'Unlock' if entry.is_locked else 'Lock'} this set"
        item.setToolTip(LOCK, plain_tip(lock))
        return item

    def _entry_of(self, item: QTreeWidgetItem | None) -> SetEntry | None:
        row = self.tree.indexOfTopLevelItem(item) if item is not None else -1
        return self._entries[row] if 0 <= row < len(self._entries) else None

    def _on_clicked(self, item: QTreeWidgetItem, column: int) -> None:
        entry = self._entry_of(item)
        if entry is None:
            return
        if column == EYE:
            self.shown_changed.emit(entry, not entry.is_shown)
        elif column == LOCK:
            self.lock_changed.emit(entry, not entry.is_locked)
        else:
            self.current_chosen.emit(entry)

    def _take(self) -> None:
        if self.chosen is not None:
            self.current_chosen.emit(self.chosen)

    def _turn_eye(self) -> None:
        if self.chosen is not None:
            self.shown_changed.emit(self.chosen, not self.chosen.is_shown)

    def _ask_removal(self) -> None:
        if self.chosen is not None:
            self.removal_requested.emit(self.chosen)

    def _on_menu(self, at: QPoint) -> None:
        entry = self._entry_of(self.tree.itemAt(at))
        if entry is not None:
            self.menu_requested.emit(entry, self.tree.viewport().mapToGlobal(at))


def _count(entry: SetEntry) -> str:
    """Return how many annotations a set holds; "" before it is read."""
    if not entry.is_open or entry.annotations is None:
        return ""
    document = entry.annotations.document
    return f"{len(document) - document.marks_count:,}"
