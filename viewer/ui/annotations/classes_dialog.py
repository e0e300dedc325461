"""Edits the classes: names, colors and keys; from and to files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QKeySequenceEdit,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from viewer.annotations.palette import Palette, PaletteClass
from viewer.canvas.qt_guard import guarded
from viewer.colors import class_color
from viewer.plurals import plural
from viewer.ui.actions import shown_shortcut
from viewer.ui.commands import COMMANDS_BY_ID
from viewer.ui.file_dialogs import ask_file, ask_new_file
from viewer.ui.item_views import RowTable
from viewer.ui.opened_dialog import ok_cancel, open_dialog
from viewer.ui.rows_model import NUMBERS_ALIGNMENT, RowsModel
from viewer.ui.shortcuts import owner_of
from viewer.ui.swatches import swatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viewer.ui.commands.command import Bindings
    from viewer.ui.rows_model import Index

_NAME, _KEY = 0, 1
_FILE_FILTER = "Classes (*.json)"


class ClassesModel(RowsModel):
    """Rows of classes; names are edited in place."""

    headings = ("Class", "Key", "On this slide")

    refused = Signal(str)

    def __init__(self, classes: Palette, counts: Mapping[str, int], parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: list[PaletteClass] = list(classes)
        self.was: list[str] = [each.name for each in classes]
        """The name of each row before it was edited; "" of a new one."""
        self._counts = counts

    def put(self, row: int, which: PaletteClass) -> None:
        """Change a row."""
        self.rows[row] = which
        self.dataChanged.emit(self.index(row, 0), self.index(row, _KEY))

    def add(self, which: PaletteClass, was: str = "") -> None:
        """Add a new last row."""
        at = len(self.rows)
        self.beginInsertRows(QModelIndex(), at, at)
        self.rows.append(which)
        self.was.append(was)
        self.endInsertRows()

    def remove(self, row: int) -> None:
        self.beginRemoveRows(QModelIndex(), row, row)
        del self.rows[row], self.was[row]
        self.endRemoveRows()

    def replace(self, classes: Palette) -> None:
        """Other classes in the place of all; those of the same name count as the same."""
        known = set(self.was)
        self.beginResetModel()
        self.rows = list(classes)
        self.was = [each.name if each.name in known else "" for each in classes]
        self.endResetModel()

    def count_rows(self) -> int:
        return len(self.rows)

    @guarded(Qt.ItemFlag.NoItemFlags)
    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == _NAME else flags

    @guarded()
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        each = self.rows[index.row()]
        match role, index.column():
            case (Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.EditRole, 0):
                return each.name
            case (Qt.ItemDataRole.DecorationRole, 0):
                return swatch(each.color)
            case (Qt.ItemDataRole.DisplayRole, 1):
                return shown_shortcut(each.key) if each.key else ""
            case (Qt.ItemDataRole.DisplayRole, 2):
                count = self._counts.get(self.was[index.row()], 0)
                return f"{count:,}" if count else ""
            case (Qt.ItemDataRole.TextAlignmentRole, 2):
                return NUMBERS_ALIGNMENT
            case _:
                return None

    @guarded(False)
    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        name = str(value).strip()
        others = [each.name for row, each in enumerate(self.rows) if row != index.row()]
        if role != Qt.ItemDataRole.EditRole or not name:
            return False
        if name in others:
            self.refused.emit(f"There is a class {name} already.")
            return False
        self.put(index.row(), msgspec.structs.replace(self.rows[index.row()], name=name))
        return True


class ClassesDialog(QDialog):
    """Nothing outside changes before it is accepted; `palette_classes` and `changes` tell.

    Parameters
    ----------
    counts
        How many annotations of each class the slide has.
    bindings
        The keys of commands, which no class can have.
    """

    import_requested = Signal(object)
    """The Path of a file of classes."""
    export_requested = Signal(object)

    def __init__(
        self, classes: Palette, counts: Mapping[str, int], bindings: Bindings, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Classes")
        self._bindings = bindings
        self.model = ClassesModel(classes, counts, self)
        self.table = RowTable(self)
        self.table.setModel(self.model)
        self.table.setAccessibleName("Classes")
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.verticalHeader().hide()
        self.table.fit_columns(widest=0)
        self.keys = QKeySequenceEdit(self)
        self.keys.setAccessibleName("Key of the class")
        self.keys.setMaximumSequenceLength(1)
        self.keys.setClearButtonEnabled(True)
        self.keys.setAccessibleName("Key of the selected class")
        self.message = QLabel(self)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setWordWrap(True)
        self.add = QPushButton("&Add", self)
        self.rename = QPushButton("Re&name", self)
        self.color = QPushButton("&Color...", self)
        self.remove = QPushButton("&Remove", self)
        self.remove.setToolTip("Take it off the list; annotations of the class stay as they are")
        self.read = QPushButton("&Import...", self)
        self.read.setToolTip("Classes of a file, also classes.json of a QuPath project")
        self.write = QPushButton("&Export...", self)
        self.buttons = ok_cancel(self)
        self._lay_out()
        self._connect()
        self.resize(460, 460)
        self.table.selectRow(0)

    @property
    def palette_classes(self) -> Palette:
        """Return the classes as edited."""
        return tuple(self.model.rows)

    @property
    def changes(self) -> list[tuple[str, PaletteClass]]:
        """Return the old name of each class whose name or color is another now, and how it is."""
        pairs = zip(self.model.was, self.model.rows, strict=True)
        return [(was, now) for was, now in pairs if was]

    def tell(self, sentence: str) -> None:
        self.message.setText(sentence)

    def take(self, classes: Palette) -> None:
        """Show the classes of a file; keys that commands have are left out."""
        free = tuple(
            msgspec.structs.replace(each, key="")
            if each.key and owner_of(self._bindings, each.key, "") is not None
            else each
            for each in classes
        )
        self.model.replace(free)
        self.tell(f"{plural(len(free), 'class was', 'classes were')} read.")

    def set_color(self, color: str) -> None:
        """Set the color of the chosen class, "#rrggbb"."""
        row = self._row()
        if row is not None:
            self.model.put(row, msgspec.structs.replace(self.model.rows[row], color=color))

    # -----------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        side = QVBoxLayout()
        for button in (self.add, self.rename, self.color, self.remove):
            side.addWidget(button)
        side.addStretch(1)
        for button in (self.read, self.write):
            side.addWidget(button)
        for button in (self.add, self.rename, self.color, self.remove, self.read, self.write):
            button.setAutoDefault(False)
        label = QLabel("&Key of the selected class:", self)
        label.setBuddy(self.keys)
        key_row = QHBoxLayout()
        key_row.addWidget(label)
        key_row.addWidget(self.keys, 1)
        layout = QGridLayout(self)
        layout.addWidget(self.table, 0, 0)
        layout.addLayout(side, 0, 1)
        layout.addLayout(key_row, 1, 0)
        layout.addWidget(self.message, 2, 0, 1, 2)
        layout.addWidget(self.buttons, 3, 0, 1, 2)
        layout.setRowStretch(0, 1)

    def _connect(self) -> None:
        self.add.clicked.connect(self._add)
        self.rename.clicked.connect(self._edit_name)
        self.color.clicked.connect(self._ask_color)
        self.remove.clicked.connect(self._remove)
        self.read.clicked.connect(self._ask_file)
        self.write.clicked.connect(self._ask_where)
        self.model.refused.connect(self.tell)
        self.model.modelReset.connect(lambda: self.table.selectRow(0))
        self.table.selectionModel().currentRowChanged.connect(lambda *_: self._show_row())
        self.keys.editingFinished.connect(self._set_key)

    def _row(self) -> int | None:
        index = self.table.currentIndex()
        return index.row() if index.isValid() else None

    def _show_row(self) -> None:
        row = self._row()
        key = "" if row is None else self.model.rows[row].key
        self.keys.setKeySequence(QKeySequence(key))

    def _add(self) -> None:
        names = {each.name for each in self.model.rows}
        numbers = range(1, len(names) + 2)
        name = next(name for name in (f"Class {n}" for n in numbers) if name not in names)
        self.model.add(PaletteClass(name, class_color(len(self.model.rows))))
        self.table.selectRow(len(self.model.rows) - 1)
        self._edit_name()

    def _edit_name(self) -> None:
        row = self._row()
        if row is not None:
            self.table.setFocus()
            self.table.edit(self.model.index(row, _NAME))

    def _ask_color(self) -> None:
        row = self._row()
        if row is None:
            return
        dialog = QColorDialog(QColor(self.model.rows[row].color), self)
        dialog.setOption(QColorDialog.ColorDialogOption.DontUseNativeDialog)
        dialog.colorSelected.connect(lambda color: self.set_color(color.name()))
        open_dialog(dialog)

    def _remove(self) -> None:
        row = self._row()
        if row is not None:
            self.model.remove(row)
            self._show_row()

    def _set_key(self) -> None:
        row = self._row()
        if row is None:
            return
        key = self.keys.keySequence().toString(QKeySequence.SequenceFormat.PortableText)
        taken = owner_of(self._bindings, key, "") if key else None
        same = [n for n, each in enumerate(self.model.rows) if key and each.key == key and n != row]
        if taken is not None:
            name = COMMANDS_BY_ID[taken].plain_text
            self.tell(f'{shown_shortcut(key)} runs "{name}": press another key.')
            self._show_row()
            return
        for other in same:
            self.model.put(other, msgspec.structs.replace(self.model.rows[other], key=""))
        self.model.put(row, msgspec.structs.replace(self.model.rows[row], key=key))
        self.tell("")

    def _ask_file(self) -> None:
        ask_file(self, "Import classes", self.import_requested.emit, filters=[_FILE_FILTER])

    def _ask_where(self) -> None:
        ask_new_file(
            self,
            "Export classes",
            lambda path, _: self.export_requested.emit(path),
            formats={_FILE_FILTER: ".json"},
            stem="classes",
        )
