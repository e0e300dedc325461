"""The settings of a group as rows: what each is called, its editor, and what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from viewer.policy import POLICY_PATH, policy
from viewer.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.setting_choices import Choice

_EDITOR_PX = 220
_LONGEST_TEXT = 64


class SettingsSection(QWidget):
    """A titled part of the settings dialog; what is searched for leaves rows out.

    Attributes
    ----------
    body
        Stands below the title.
    """

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.title = title
        heading = QLabel(title, self)
        heading.setProperty("title", True)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 8)
        self._column.addWidget(heading)

    def show_body(self, body: QWidget) -> None:
        """Put what the section is about below its title."""
        self.body = body
        self._column.addWidget(body, 1)


class SettingRows(QWidget):
    """One row below the other, a `SettingRow` a choice."""

    def __init__(self, choices: Sequence[Choice], before: Settings, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows = [SettingRow(choice, getattr(before, choice.field), self) for choice in choices]
        self.layout_ = QVBoxLayout(self)
        self.layout_.setContentsMargins(0, 0, 0, 0)
        self.layout_.setSpacing(10)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        for row in self.rows:
            self.layout_.addWidget(row)

    def show_matches(self, words: Sequence[str]) -> bool:
        """Show the rows that hold all `words`; return whether there is one."""
        found = [row.matches(words) for row in self.rows]
        for row, is_found in zip(self.rows, found, strict=True):
            row.setVisible(is_found)
        return any(found)


class SettingRow(QWidget):
    """One setting: its name, its editor, and below them what it does."""

    def __init__(self, choice: Choice, value: object, parent: QWidget) -> None:
        super().__init__(parent)
        self.choice = choice
        self.value: Callable[[], object]
        """Gives what the editor shows now."""
        self.editor = self._made_editor(value)
        text = choice.explanation
        if choice.field in _set_by_policy():
            text = f"Set by the administrator's policy ({POLICY_PATH})."
            self.editor.setEnabled(False)
            self.editor.setToolTip(text)
        self.explanation = QLabel(text, self)
        self.explanation.setWordWrap(True)
        self.explanation.setProperty("dim", True)
        self.explanation.setTextFormat(Qt.TextFormat.PlainText)
        self.editor.setAccessibleName(choice.label)
        self.editor.setAccessibleDescription(text)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(0, 1)
        if isinstance(self.editor, QCheckBox):
            grid.addWidget(self.editor, 0, 0, 1, 2)
            self.explanation.setIndent(22)
        else:
            label = QLabel(choice.label, self)
            label.setBuddy(self.editor)
            self.editor.setFixedWidth(_EDITOR_PX)
            grid.addWidget(label, 0, 0)
            grid.addWidget(self.editor, 0, 1)
        grid.addWidget(self.explanation, 1, 0, 1, 2)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)

    def matches(self, words: Sequence[str]) -> bool:
        """Return whether all `words`, in lower case, are said of the setting."""
        choice = self.choice
        said = " ".join(
            (choice.group, choice.label, choice.explanation, choice.words, *choice.names)
        ).casefold()
        return all(word in said for word in words)

    def _made_editor(self, value: object) -> QWidget:
        choice = self.choice
        if choice.options:
            box = QComboBox(self)
            for option, name in zip(choice.options, choice.names, strict=True):
                box.addItem(name, option)
            box.setCurrentIndex(box.findData(value))
            self.value = box.currentData
            return box
        if isinstance(value, bool):
            check = QCheckBox(choice.label, self)
            check.setChecked(value)
            self.value = check.isChecked
            return check
        if isinstance(value, str):
            line = QLineEdit(value, self)
            line.setMaxLength(_LONGEST_TEXT)
            default = getattr(Settings(), choice.field)
            self.value = lambda: line.text().strip() or default
            return line
        if isinstance(value, list):
            names = QLineEdit("; ".join(value), self)
            self.value = lambda: _parts(names.text())
            return names
        if isinstance(value, int):
            spin = QSpinBox(self)
            spin.setRange(int(choice.low), int(choice.high))
            spin.setSingleStep(int(choice.step))
            if choice.low == 0:
                spin.setSpecialValueText("Automatic")
            spin.setValue(value)
        else:
            spin = QDoubleSpinBox(self)
            spin.setRange(choice.low, choice.high)
            spin.setSingleStep(choice.step)
            spin.setValue(float(str(value)))
        spin.setSuffix(choice.unit)
        self.value = spin.value
        return spin


def _set_by_policy() -> frozenset[str]:
    """Return the settings that have no effect by the administrator's policy."""
    rules = policy()
    fields: set[str] = set()
    if not rules.foreign_models:
        fields.add("unconfined_models")
    if rules.recording == "off":
        fields |= {"record_names", "record_texts"}
    if not rules.plugins:
        fields |= {"slide_readers", "agent_policies"}
    if rules.allowed_folders == ():
        fields.add("trusted_folders")
    return frozenset(fields)


def _parts(text: str) -> list[str]:
    """Return what stands between semicolons."""
    return [part.strip() for part in text.split(";") if part.strip()]
