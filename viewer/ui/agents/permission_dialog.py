"""Asked once a study, before the first picture leaves: what is sent, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from viewer.agents.permission import what_will_be_sent

if TYPE_CHECKING:
    from viewer.agents.endpoint import Endpoint


class PermissionDialog(QDialog):
    """Accepted when the user allows it; nothing is the default."""

    def __init__(self, endpoint: Endpoint, study: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Pictures are to be sent")
        heading, *lines = what_will_be_sent(endpoint, study)
        notice = QLabel("\n\n".join([heading, *(f"\u2022 {line}" for line in lines)]), self)
        notice.setTextFormat(Qt.TextFormat.PlainText)
        notice.setWordWrap(True)
        self.understood = QCheckBox(f"I may send these slides to {endpoint.host}", self)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.allow = buttons.addButton(
            "Allow for this study", QDialogButtonBox.ButtonRole.AcceptRole
        )
        self.allow.setEnabled(False)
        self.understood.toggled.connect(self.allow.setEnabled)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(notice)
        layout.addWidget(self.understood)
        layout.addWidget(buttons)
        self.setMinimumWidth(480)
        cancel = buttons.button(QDialogButtonBox.StandardButton.Cancel)
        cancel.setDefault(True)
        cancel.setFocus()
