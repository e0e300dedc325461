"""The part of the settings that says what the administrator of the machine allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGroupBox, QLabel, QVBoxLayout

from viewer.policy import POLICY_PATH, policy_sentences, read_policy

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget


class PolicyBox(QGroupBox):
    """Hidden where the administrator set nothing."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Set by the administrator's policy", parent)
        read = read_policy()
        lines = policy_sentences(read.policy) or ["Everything is allowed."]
        self.text = QLabel("\n".join(filter(None, (read.problem, *lines))), self)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setWordWrap(True)
        self.text.setToolTip(str(POLICY_PATH))
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        self.setVisible(read.is_set)
