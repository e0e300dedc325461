"""Asked before the first image leaves: what is sent, and to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from viewer.agents.clients.client_limits import MEGAPIXELS
from viewer.agents.permission import what_will_be_sent

if TYPE_CHECKING:
    from viewer.agents.endpoint import Endpoint


class _AskedPermission(QDialog):
    """Accepted when the user says that he understood and allows it; nothing is the default."""

    def __init__(
        self, title: str, lines: list[str], understood: str, allow: str, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        heading, *rest = lines
        self.notice = QLabel("\n\n".join([heading, *(f"\u2022 {line}" for line in rest)]), self)
        self.notice.setTextFormat(Qt.TextFormat.PlainText)
        self.notice.setWordWrap(True)
        self.understood = QCheckBox(understood, self)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.allow = buttons.addButton(allow, QDialogButtonBox.ButtonRole.AcceptRole)
        self.allow.setEnabled(False)
        self.understood.toggled.connect(self.allow.setEnabled)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.notice)
        layout.addWidget(self.understood)
        layout.addWidget(buttons)
        self.setMinimumWidth(480)
        cancel = buttons.button(QDialogButtonBox.StandardButton.Cancel)
        cancel.setDefault(True)
        cancel.setFocus()


class PermissionDialog(_AskedPermission):
    """Asks once a study and host whether images may go to a model's server."""

    def __init__(self, endpoint: Endpoint, study: str, parent: QWidget) -> None:
        super().__init__(
            "Send images to the model?",
            what_will_be_sent(endpoint, study),
            f"I may send these slides to {endpoint.host}",
            "Allow for this study",
            parent,
        )


class ClientPermissionDialog(_AskedPermission):
    """Asks once a client and slide whether an agent of another program may read it.

    Parameters
    ----------
    slide
        What the user calls it.
    """

    def __init__(self, client: str, slide: str, parent: QWidget) -> None:
        lines = [
            f"A program on this machine that calls itself {client} asks to read {slide}.",
            "It gets images of the slide, which it may send to other machines: at most "
            f"{MEGAPIXELS:.0f} megapixels.",
            "It gets names and classes of your annotations where it asks for them, and what the "
            "bundled models measure. It moves the slide before your eyes, and drafts annotations "
            "in a set of its own.",
            "Not given: the file's name, the label, the macro image, the metadata, your pseudonym.",
            "This holds for this slide until the program leaves.",
        ]
        super().__init__(
            "An agent asks to read a slide",
            lines,
            f"I may give images of this slide to {client}",
            "Allow for this slide",
            parent,
        )
