"""Dialogs that are shown once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox, QMessageBox

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QDialog, QPushButton, QWidget


def open_dialog(dialog: QDialog) -> None:
    """Show a dialog over its window without waiting, and free it when it is closed."""
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()


def ok_cancel(dialog: QDialog) -> QDialogButtonBox:
    """Return the buttons at the foot of a dialog."""
    buttons = QDialogButtonBox(
        QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, dialog
    )
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    return buttons


def answer_buttons(dialog: QDialog, text: str) -> tuple[QDialogButtonBox, QPushButton]:
    """Return the buttons of a dialog that does something, and the one of them that does it.

    Cancel is the other; Return presses the one of this text.
    """
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, dialog)
    does = buttons.addButton(text, QDialogButtonBox.ButtonRole.AcceptRole)
    does.setProperty("primary", True)
    does.setDefault(True)
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    return buttons, does


def confirm(
    parent: QWidget,
    title: str,
    question: str,
    explanation: str,
    yes: str,
    then: Callable[[], object],
    icon: QMessageBox.Icon = QMessageBox.Icon.Question,
) -> None:
    """Ask before something is done away with; call `then` once the button `yes` is clicked."""
    box = QMessageBox(parent)
    box.setIcon(icon)
    box.setWindowTitle(title)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(question)
    box.setInformativeText(explanation)
    box.addButton(yes, QMessageBox.ButtonRole.DestructiveRole).clicked.connect(lambda: then())
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    open_dialog(box)
