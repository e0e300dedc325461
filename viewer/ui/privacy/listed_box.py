"""A part of the settings that lists something, with a sentence and a button below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGroupBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from viewer.ui.item_views import KeyedTree, be_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QWidget

    from viewer.ui.background_runner import BackgroundRunner


class ListedBox(QGroupBox):
    """Has a `table`, and what is said of it in `state`; files are read by `_disk`."""

    def __init__(
        self, title: str, columns: Sequence[str], disk: BackgroundRunner, parent: QWidget
    ) -> None:
        super().__init__(title, parent)
        self._disk = disk
        self.table = KeyedTree(self)
        be_table(self.table, title, columns)
        self.state = QLabel(self)
        self.state.setWordWrap(True)
        self.state.setTextFormat(Qt.TextFormat.PlainText)
        self._below = QHBoxLayout()
        self._below.addWidget(self.state, 1)
        layout = QVBoxLayout(self)
        layout.addWidget(self.table, 1)
        layout.addLayout(self._below)

    def add_button(self, text: str) -> QPushButton:
        """Return a button beside the sentence."""
        button = QPushButton(text, self)
        self._below.addWidget(button)
        return button
