"""Dialogs that are shown once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QDialog


def open_dialog(dialog: QDialog) -> None:
    """Show a dialog over its window without waiting, and free it when it is closed."""
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()
