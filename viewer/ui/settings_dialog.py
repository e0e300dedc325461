"""The settings dialog: made from the descriptions of the settings, with the keys beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from viewer.policy import POLICY_PATH, policy
from viewer.settings import CHOICES, Choice, Settings
from viewer.ui.commands import merged_bindings
from viewer.ui.privacy.privacy_page import PrivacyPage
from viewer.ui.shortcuts import ShortcutTable, changes_from_defaults

if TYPE_CHECKING:
    from collections.abc import Callable


class SettingsDialog(QDialog):
    """Edits a copy; `settings` is what the user chose."""

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Settings")
        self._before = settings
        self._values: dict[str, Callable[[], Any]] = {}
        general = QWidget(self)
        form = QFormLayout(general)
        for choice in CHOICES:
            form.addRow(f"{choice.label}:", self._editor(choice, general))
        self.keys = ShortcutTable(merged_bindings(settings.shortcuts), self)
        tabs = QTabWidget(self)
        tabs.addTab(general, "&General")
        tabs.addTab(self.keys, "&Keys")
        self.privacy = PrivacyPage(self)
        tabs.addTab(self.privacy, "&Privacy")
        self.finished.connect(lambda _: self.privacy.shut_down())
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, self
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(tabs)
        layout.addWidget(buttons)
        self.resize(640, 520)

    @property
    def settings(self) -> Settings:
        """Return what the dialog shows now."""
        values = {field: value() for field, value in self._values.items()}
        shortcuts = changes_from_defaults(self.keys.bindings)
        return msgspec.structs.replace(self._before, **values, shortcuts=shortcuts)

    def _editor(self, choice: Choice, parent: QWidget) -> QWidget:
        value = getattr(self._before, choice.field)
        editor: QWidget
        if choice.options:
            editor = box = QComboBox(parent)
            box.addItems(choice.options)
            box.setCurrentText(value)
            self._values[choice.field] = box.currentText
        elif isinstance(value, bool):
            editor = check = QCheckBox(parent)
            check.setChecked(value)
            self._values[choice.field] = check.isChecked
        elif isinstance(value, str):
            editor = line = QLineEdit(value, parent)
            line.setMaxLength(64)
            self._values[choice.field] = line.text
        elif isinstance(value, list):
            editor = folders = QLineEdit("; ".join(value), parent)
            self._values[choice.field] = lambda: _parts(folders.text())
        else:
            editor = spin = QDoubleSpinBox(parent)
            spin.setRange(choice.low, choice.high)
            spin.setSingleStep(choice.step)
            spin.setDecimals(0 if isinstance(value, int) else 2)
            if isinstance(value, int) and choice.low == 0:
                spin.setSpecialValueText("automatic")
            spin.setValue(value)
            number = type(value)
            self._values[choice.field] = lambda: number(spin.value())
        editor.setToolTip(choice.tip)
        if choice.field in _set_by_policy():
            editor.setEnabled(False)
            editor.setToolTip(f"Set by the administrator's policy ({POLICY_PATH})")
        editor.setAccessibleName(choice.label)
        return editor


def _set_by_policy() -> frozenset[str]:
    """Return the settings that have no effect by the administrator's policy."""
    rules = policy()
    fields: set[str] = set()
    if not rules.foreign_models:
        fields.add("unconfined_models")
    if rules.recording == "off":
        fields |= {"record_names", "record_texts"}
    if rules.allowed_folders == ():
        fields.add("trusted_folders")
    return frozenset(fields)


def _parts(text: str) -> list[str]:
    """Return what stands between semicolons."""
    return [part.strip() for part in text.split(";") if part.strip()]
