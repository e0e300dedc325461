"""Rebinding keys: which command already has a key, and the table in the settings."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from viewer.ui.actions import shown_shortcut
from viewer.ui.commands import COMMANDS, COMMANDS_BY_ID, default_bindings, merged_bindings
from viewer.ui.item_views import be_table, fit_columns
from viewer.ui.matching import match_score

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viewer.ui.commands.command import Bindings

_FIXED_KEYS = {
    "Left": "moves the slide",
    "Right": "moves the slide",
    "Up": "moves the slide",
    "Down": "moves the slide",
    "Tab": "moves between the controls",
    "Shift+Tab": "moves between the controls",
    "Esc": "closes what is open",
}
_ID_ROLE = Qt.ItemDataRole.UserRole


def owner_of(bindings: Bindings, shortcut: str, other_than: str) -> str | None:
    """Return the id of the command that has this shortcut already, leaving out `other_than`."""
    for command_id, shortcuts in bindings.items():
        if command_id != other_than and shortcut in shortcuts:
            return command_id
    return None


def changes_from_defaults(bindings: Bindings) -> dict[str, list[str]]:
    """Only what the user changed: what settings keep, so that new defaults reach everybody.

    A command that lacks a default key since another has it now did not change.
    """
    defaults = default_bindings()
    changed = {id_: keys for id_, keys in bindings.items() if tuple(keys) != defaults[id_]}

    def lost(id_: str, key: str) -> bool:
        return any(key in keys for other, keys in changed.items() if other != id_)

    return {
        id_: list(keys)
        for id_, keys in changed.items()
        if tuple(keys) != tuple(key for key in defaults[id_] if not lost(id_, key))
    }


class ShortcutTable(QWidget):
    """All commands with their keys; choose one, press the new keys, "Set" or "Add".

    Nothing outside changes until the dialog around it takes `bindings`.

    Parameters
    ----------
    class_keys
        Names of the classes that have a key, by it: no command can have that too.
    """

    changed = Signal()

    def __init__(
        self,
        bindings: Bindings,
        parent: QWidget | None = None,
        class_keys: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(parent)
        self._class_keys = class_keys
        self.bindings = merged_bindings(bindings)
        self._wanted: tuple[str, str] | None = None
        self.filter = QLineEdit(self)
        self.filter.setPlaceholderText("Find a command")
        self.filter.setAccessibleName("Find a command")
        self.filter.setClearButtonEnabled(True)
        self.table = self._made_table()
        self.keys = QKeySequenceEdit(self)
        self.keys.setMaximumSequenceLength(1)
        self.keys.setAccessibleName("New keys for the chosen command")
        self.set_button = QPushButton("&Set", self)
        self.set_button.setToolTip("Give the chosen command these keys and no others")
        self.add_button = QPushButton("&Add", self)
        self.add_button.setToolTip("Give the chosen command these keys as well")
        self.clear_button = QPushButton("&Clear", self)
        self.clear_button.setToolTip("Take all keys from the chosen command")
        self.default_button = QPushButton("&Default", self)
        self.default_button.setToolTip("Restore the default shortcuts of the selected command")
        self.restore_button = QPushButton("&Restore all defaults", self)
        self.message = QLabel(self)
        self.message.setWordWrap(True)
        self.take_button = QPushButton("&Take the keys", self)
        self.take_button.setToolTip("Give the keys to the chosen command, away from the other")
        self.take_button.hide()
        self._lay_out()
        self._connect()
        self._fill()

    def choose(self, command_id: str) -> None:
        """Select the command's row."""
        for row in self._rows():
            if row.data(0, _ID_ROLE) == command_id:
                self.table.setCurrentItem(row)

    def _made_table(self) -> QTreeWidget:
        table = QTreeWidget(self)
        be_table(table, "Commands and their keys", ["Command", "Menu", "Keys"])
        table.setUniformRowHeights(True)
        table.setAlternatingRowColors(True)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        fit_columns(table)
        return table

    def _lay_out(self) -> None:
        edit = QHBoxLayout()
        label = QLabel("&New keys:", self)
        label.setBuddy(self.keys)
        edit.addWidget(label)
        edit.addWidget(self.keys, 1)
        for button in (self.set_button, self.add_button, self.clear_button, self.default_button):
            button.setAutoDefault(False)
            edit.addWidget(button)
        for button in (self.take_button, self.restore_button):
            button.setAutoDefault(False)
        below = QHBoxLayout()
        below.addWidget(self.message, 1)
        below.addWidget(self.take_button)
        below.addWidget(self.restore_button)
        layout = QVBoxLayout(self)
        layout.addWidget(self.filter)
        layout.addWidget(self.table, 1)
        layout.addLayout(edit)
        layout.addLayout(below)

    def _connect(self) -> None:
        self.filter.textChanged.connect(self._apply_filter)
        self.table.currentItemChanged.connect(lambda *_: self._forget_wish())
        self.keys.keySequenceChanged.connect(lambda _: self._forget_wish())
        self.set_button.clicked.connect(lambda: self._give(keep=False))
        self.add_button.clicked.connect(lambda: self._give(keep=True))
        self.clear_button.clicked.connect(self._clear)
        self.default_button.clicked.connect(self._give_default)
        self.take_button.clicked.connect(self._take)
        self.restore_button.clicked.connect(self._restore_all)

    def _rows(self) -> list[QTreeWidgetItem]:
        rows = (self.table.topLevelItem(i) for i in range(self.table.topLevelItemCount()))
        return [row for row in rows if row is not None]

    def _fill(self) -> None:
        for command in COMMANDS:
            menu = " > ".join(title.replace("&", "") for title in command.menu)
            row = QTreeWidgetItem([command.plain_text, menu, ""])
            row.setData(0, _ID_ROLE, command.id)
            row.setToolTip(0, command.tip)
            self.table.addTopLevelItem(row)
        self._show_keys()
        self.choose(COMMANDS[0].id)

    def _show_keys(self) -> None:
        defaults = default_bindings()
        for row in self._rows():
            command_id = row.data(0, _ID_ROLE)
            shortcuts = self.bindings[command_id]
            row.setText(2, ", ".join(shown_shortcut(shortcut) for shortcut in shortcuts))
            font = row.font(2)
            font.setBold(shortcuts != defaults[command_id])
            row.setFont(2, font)

    def _apply_filter(self, typed: str) -> None:
        for row in self._rows():
            name = f"{row.text(0)} {row.text(2)}"
            row.setHidden(match_score(typed, name) is None)

    def _chosen(self) -> str | None:
        row = self.table.currentItem()
        return None if row is None else row.data(0, _ID_ROLE)

    def _give(self, *, keep: bool) -> None:
        chosen = self._chosen()
        shortcut = self.keys.keySequence().toString(QKeySequence.SequenceFormat.PortableText)
        if chosen is None or not shortcut:
            self._tell("Choose a command and press the new keys in the box first.")
            return
        shown = shown_shortcut(shortcut)
        if shortcut in _FIXED_KEYS:
            self._tell(f"{shown} {_FIXED_KEYS[shortcut]} and cannot be given to a command.")
            return
        if shortcut in self._class_keys:
            name = self._class_keys[shortcut]
            self._tell(f'{shown} gives the class "{name}": change that under Classes first.')
            return
        owner = owner_of(self.bindings, shortcut, chosen)
        if owner is not None:
            name = COMMANDS_BY_ID[owner].plain_text
            self._tell(f'{shown} already runs "{name}": press other keys, or take them from it.')
            self._wanted = (owner, shortcut)
            self.take_button.show()
            return
        before = tuple(key for key in self.bindings[chosen] if key != shortcut) if keep else ()
        self._bind(chosen, (*before, shortcut))
        self._tell(f'{shown} now runs "{COMMANDS_BY_ID[chosen].plain_text}".')

    def _take(self) -> None:
        if self._wanted is None:
            return
        owner, shortcut = self._wanted
        self._bind(owner, tuple(key for key in self.bindings[owner] if key != shortcut))
        self._give(keep=False)
        self.take_button.hide()

    def _clear(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self._bind(chosen, ())
            self._tell(f'"{COMMANDS_BY_ID[chosen].plain_text}" has no keys now.')

    def _give_default(self) -> None:
        chosen = self._chosen()
        if chosen is None:
            return
        free = [
            key
            for key in COMMANDS_BY_ID[chosen].shortcuts
            if owner_of(self.bindings, key, chosen) is None
        ]
        self._bind(chosen, tuple(free))
        kept = len(free) == len(COMMANDS_BY_ID[chosen].shortcuts)
        self._tell(
            "" if kept else "Some default shortcuts stay with the commands that use them now."
        )

    def _restore_all(self) -> None:
        self.bindings = default_bindings()
        self._show_keys()
        self._tell("Default shortcuts restored.")
        self.changed.emit()

    def _bind(self, command_id: str, shortcuts: tuple[str, ...]) -> None:
        self.bindings[command_id] = shortcuts
        self._show_keys()
        self.changed.emit()

    def _forget_wish(self) -> None:
        self._wanted = None
        self.take_button.hide()
        self.message.clear()

    def _tell(self, sentence: str) -> None:
        self.message.setText(sentence)
