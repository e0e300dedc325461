"""The list of the sets of annotations of a slide, and the box that says where strokes go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QComboBox, QHeaderView, QTreeWidgetItem, QVBoxLayout, QWidget

from viewer.ui.widgets import KeyedTree, plain_tip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.ui.annotations.slide_sets import SetEntry

_NAME, _COUNT, _LOCK = range(3)
_WIDTHS_PX = {_COUNT: 64, _LOCK: 52}
_MOST_ROWS = 6
_KINDS = {
    "drawn": "Drawn here",
    "imported": "From a file",
    "agent": "Found by an agent",
    "model": "Made by a model",
    "merged": "Merged of other sets",
}


class SetsPanel(QWidget):
    """Shows sets as layers: a check mark shows or hides one, the context menu does the rest.

    Attributes
    ----------
    current
        The box with the sets that can be drawn in, for beside the class.
    """

    shown_changed = Signal(object, bool)
    """A SetEntry, and whether it is to be shown."""
    current_chosen = Signal(object)
    """The SetEntry that strokes are to go to."""
    menu_requested = Signal(object, QPoint)
    """A SetEntry, and a place in global coordinates."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._entries: list[SetEntry] = []
        self.current = QComboBox(parent)
        self.current.setAccessibleName("Set of new annotations")
        self.current.setToolTip("The set that what is drawn next goes to")
        self.current.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.tree = KeyedTree(self)
        self.tree.setAccessibleName("Sets of annotations")
        self.tree.setHeaderLabels(["Set", "Count", "Locked"])
        self.tree.setRootIsDecorated(False)
        self.tree.setUniformRowHeights(True)
        self.tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        for column, width_px in _WIDTHS_PX.items():
            header.resizeSection(column, width_px)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tree)
        self.tree.itemChanged.connect(self._on_changed)
        self.tree.itemDoubleClicked.connect(self._on_double_clicked)
        self.tree.customContextMenuRequested.connect(self._on_menu)
        self.current.activated.connect(
            lambda row: self.current_chosen.emit(self.current.itemData(row))
        )
        self.show_sets([], None)

    @property
    def chosen(self) -> SetEntry | None:
        """Return the set whose row is chosen."""
        return self._entry_of(self.tree.currentItem())

    def show_sets(self, entries: Sequence[SetEntry], current: SetEntry | None) -> None:
        """List sets; the list hides where there is but one."""
        chosen = self.chosen
        self._entries = list(entries)
        with QSignalBlocker(self.tree), QSignalBlocker(self.current):
            self.tree.clear()
            self.current.clear()
            for entry in entries:
                self.tree.addTopLevelItem(self._item(entry, is_current=entry is current))
                if entry.is_own:
                    self.current.addItem(entry.label, entry)
            row = next((r for r, each in enumerate(entries) if each is chosen), -1)
            item = self.tree.topLevelItem(row)
            if item is not None:
                self.tree.setCurrentItem(item)
            own = [each for each in entries if each.is_own]
            self.current.setCurrentIndex(own.index(current) if current in own else -1)
        self.current.setEnabled(bool(own))
        rows = min(max(len(entries), 2), _MOST_ROWS)
        height = self.tree.sizeHintForRow(0) if entries else self.fontMetrics().height()
        self.tree.setFixedHeight((rows + 1) * (height + 3) + 6)
        self.setVisible(len(entries) > 1)

    def _item(self, entry: SetEntry, *, is_current: bool) -> QTreeWidgetItem:
        is_open = entry.is_open and entry.annotations is not None
        count = f"{len(entry.annotations.document):,}" if is_open and entry.annotations else ""
        item = QTreeWidgetItem([entry.label, count, "locked" if entry.is_locked else ""])
        item.setTextAlignment(_COUNT, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        state = Qt.CheckState.Checked if entry.is_shown else Qt.CheckState.Unchecked
        item.setCheckState(_NAME, state)
        font = item.font(_NAME)
        font.setBold(is_current)
        item.setFont(_NAME, font)
        which = entry.listed.which
        lines = [entry.label, _KINDS[which.kind], which.source, entry.listed.why_locked]
        item.setToolTip(_NAME, plain_tip("\n".join(filter(None, lines))))
        return item

    def _entry_of(self, item: QTreeWidgetItem | None) -> SetEntry | None:
        row = self.tree.indexOfTopLevelItem(item) if item is not None else -1
        return self._entries[row] if 0 <= row < len(self._entries) else None

    def _on_changed(self, item: QTreeWidgetItem, column: int) -> None:
        entry = self._entry_of(item)
        if column == _NAME and entry is not None:
            is_shown = item.checkState(_NAME) == Qt.CheckState.Checked
            self.shown_changed.emit(entry, is_shown)

    def _on_double_clicked(self, item: QTreeWidgetItem, _column: int) -> None:
        entry = self._entry_of(item)
        if entry is not None:
            self.current_chosen.emit(entry)

    def _on_menu(self, at: QPoint) -> None:
        entry = self._entry_of(self.tree.itemAt(at))
        if entry is not None:
            self.menu_requested.emit(entry, self.tree.viewport().mapToGlobal(at))
