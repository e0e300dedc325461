"""The settings dialog: groups at the left, what is chosen at the right, a search over all."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from viewer.setting_choices import AGENTS, CHOICES, GROUPS
from viewer.ui.commands import COMMANDS, merged_bindings
from viewer.ui.opened_dialog import ok_cancel
from viewer.ui.privacy.privacy_page import PrivacyPage
from viewer.ui.setting_rows import SettingRows, SettingsSection
from viewer.ui.shortcuts import ShortcutTable, changes_from_defaults
from viewer.ui.widgets import ScrollColumn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from viewer.settings import Settings

PRIVACY = "Privacy"
KEYS = "Keys"
_PRIVACY_WORDS = (
    "privacy cache caches delete permissions what may leave this machine audit log what was done "
    "policy administrator export csv"
)
_LIST_PX = 140
_SIZE_PX = QSize(780, 580)


class SettingsDialog(QDialog):
    """Edits a copy; `settings` is what the user chose."""

    model_requested = Signal()
    """The user wants to choose the vision-language model of agents, in a dialog of its own."""

    def __init__(
        self,
        settings: Settings,
        parent: QWidget | None = None,
        class_keys: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Settings")
        self._before = settings
        self.search = QLineEdit(self)
        self.search.setPlaceholderText("Search settings")
        self.search.setAccessibleName("Search settings")
        self.search.setClearButtonEnabled(True)
        self.groups = QListWidget(self)
        self.groups.setAccessibleName("Groups of settings")
        self.groups.setFixedWidth(_LIST_PX)
        # Each widget has its parent from the beginning: as it is given another, its style and that
        # of all that is in it are looked up again, which took half of the time.
        self._content = QWidget(self)
        self._area = ScrollColumn(self._content, self)
        self.nothing = QLabel("No setting found. Try another word.", self._content)
        self.nothing.hide()
        self.sections = {
            title: SettingsSection(title, self._content) for title in (*GROUPS, PRIVACY, KEYS)
        }
        places = self.sections
        self.keys = ShortcutTable(merged_bindings(settings.shortcuts), places[KEYS], class_keys)
        self.privacy = PrivacyPage(places[PRIVACY])
        self.finished.connect(lambda _: self.privacy.shut_down())
        self._rows = {
            group: SettingRows(
                [each for each in CHOICES if each.group == group], settings, places[group]
            )
            for group in GROUPS
        }
        self._rows[AGENTS].layout_.addLayout(self._model_button(self._rows[AGENTS]))
        bodies: dict[str, QWidget] = {**self._rows, PRIVACY: self.privacy, KEYS: self.keys}
        for title, body in bodies.items():
            places[title].show_body(body)
        self._lay_out()
        self.search.textChanged.connect(self._show_matches)
        self.groups.currentRowChanged.connect(lambda _: self._on_group())
        self.groups.setCurrentRow(0)
        self.resize(_SIZE_PX)

    @property
    def settings(self) -> Settings:
        """Return what the dialog shows now."""
        return msgspec.structs.replace(self._before, **self.changes)

    @property
    def changes(self) -> dict[str, object]:
        """Return the settings that the user changed, by name."""
        rows = (row for rows in self._rows.values() for row in rows.rows)
        values = {row.choice.field: row.value() for row in rows}
        values["shortcuts"] = self._shortcuts()
        return {
            name: value for name, value in values.items() if value != getattr(self._before, name)
        }

    def _shortcuts(self) -> dict[str, list[str]]:
        """Return the user's keys; those of commands that this version has not stay as they are."""
        known = {command.id for command in COMMANDS}
        others = {id_: keys for id_, keys in self._before.shortcuts.items() if id_ not in known}
        return others | changes_from_defaults(self.keys.bindings)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self._content)
        column.setContentsMargins(12, 0, 12, 0)
        column.addWidget(self.nothing)
        for title, section in self.sections.items():
            self.groups.addItem(title)
            if title in self._rows:
                section.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
            column.addWidget(section, 0 if title in self._rows else 1)
            section.hide()
        column.addStretch()
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        buttons = ok_cancel(self)
        middle = QHBoxLayout()
        middle.addWidget(self.groups)
        middle.addWidget(self._area, 1)
        layout = QVBoxLayout(self)
        layout.addWidget(self.search)
        layout.addLayout(middle, 1)
        layout.addWidget(buttons)

    def _model_button(self, parent: QWidget) -> QHBoxLayout:
        button = QPushButton("&Vision-language model...", parent)
        button.setToolTip("Choose the model, its address, its key and what it may cost")
        button.setAutoDefault(False)
        button.clicked.connect(self.model_requested)
        row = QHBoxLayout()
        row.addWidget(button)
        row.addStretch()
        return row

    def _on_group(self) -> None:
        """Show the chosen group alone; while searching, bring it into sight among what is found."""
        row = self.groups.currentRow()
        if row < 0:
            return
        chosen = list(self.sections)[row]
        if self.search.text().strip():
            self._area.ensureWidgetVisible(self.sections[chosen])
            return
        for title, section in self.sections.items():
            section.setVisible(title == chosen)
        self._area.verticalScrollBar().setValue(0)

    def _show_matches(self, typed: str) -> None:
        words = typed.casefold().split()
        found = [title for title in self.sections if self._finds(title, words)]
        for row, title in enumerate(self.sections):
            self._item(row).setHidden(bool(words) and title not in found)
            self.sections[title].setVisible(bool(words) and title in found)
        self.nothing.setVisible(not found)
        self.keys.filter.setText(typed.strip() if KEYS in found else "")
        if not words:
            self._on_group()

    def _finds(self, title: str, words: Sequence[str]) -> bool:
        """Show of a group what holds all `words`; return whether there is anything."""
        if title in self._rows:
            return self._rows[title].show_matches(words)
        if title == PRIVACY:
            return all(word in _PRIVACY_WORDS for word in words)
        names = [f"keys shortcuts {command.plain_text}".casefold() for command in COMMANDS]
        return any(all(word in name for word in words) for name in names)

    def _item(self, row: int) -> QListWidgetItem:
        item = self.groups.item(row)
        assert item is not None
        return item
