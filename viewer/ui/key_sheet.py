"""The sheet of all keys and mouse gestures (F1)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from viewer.ui.actions import shown_shortcut
from viewer.ui.commands import COMMANDS, GESTURES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viewer.ui.commands.command import Bindings


class KeySheet(QDialog):
    """Lists the keys as they are bound now; `class_keys` gives the name of a class by its key."""

    def __init__(
        self,
        bindings: Bindings,
        class_keys: Mapping[str, str] = MappingProxyType({}),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        self.text = QTextBrowser(self)
        self.text.setAccessibleName("Keys and mouse gestures")
        self.text.setHtml(sheet_html(bindings, class_keys))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(buttons)
        self.resize(560, 640)


def sheet_html(bindings: Bindings, class_keys: Mapping[str, str]) -> str:
    """Return one table a menu; commands without keys are left out."""
    groups: dict[str, list[tuple[str, str]]] = {"Mouse and arrow keys": list(GESTURES)}
    for command in COMMANDS:
        shortcuts = bindings.get(command.id, ())
        if shortcuts:
            keys = ", ".join(shown_shortcut(shortcut) for shortcut in shortcuts)
            group = groups.setdefault(command.menu[-1].replace("&", ""), [])
            group.append((keys, command.plain_text))
    groups["Class of what is selected or drawn next"] = [
        (shown_shortcut(key), name) for key, name in class_keys.items()
    ]
    return "".join(_table_html(title, rows) for title, rows in groups.items() if rows)


def _table_html(title: str, rows: list[tuple[str, str]]) -> str:
    from html import escape

    lines = "".join(
        f"<tr><td width='210'><b>{escape(keys)}</b></td><td>{escape(text)}</td></tr>"
        for keys, text in rows
    )
    return f"<h3>{escape(title)}</h3><table cellspacing='3'>{lines}</table>"
