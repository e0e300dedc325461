"""What a pane shows while it has no slide: a welcome, a wait, or why a slide does not open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.ui.theme import icon

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_ICON_SIZE = QSize(48, 48)
_MARGIN_PX = 32
_RECENT_SHOWN = 5


class MessagePage(QWidget):
    """An icon, a headline, a sentence, and buttons under them."""

    open_requested = Signal()
    folder_requested = Signal()
    retry_requested = Signal()
    recent_requested = Signal(object)
    """The Path of a recent slide."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icon_name = ""
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.picture = QLabel(self)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.headline = QLabel(self)
        self.headline.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.headline.setTextFormat(Qt.TextFormat.PlainText)
        self.headline.setWordWrap(True)
        font = self.headline.font()
        font.setPixelSize(round(self.fontInfo().pixelSize() * 1.4))
        self.headline.setFont(font)
        self.sentence = QLabel(self)
        self.sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setWordWrap(True)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.open_button = QPushButton("Open slide...", self)
        self.open_button.setToolTip("Open a slide in this pane")
        self.open_button.clicked.connect(self.open_requested)
        self.folder_button = QPushButton("Open folder...", self)
        self.folder_button.setToolTip("Show the slides of a folder as a tray of thumbnails")
        self.folder_button.clicked.connect(self.folder_requested)
        self.retry_button = QPushButton("Try again", self)
        self.retry_button.clicked.connect(self.retry_requested)
        self._recent = QWidget(self)
        self._recent_layout = QVBoxLayout(self._recent)
        self._recent_layout.setContentsMargins(0, 12, 0, 0)
        self._recent_layout.setSpacing(2)
        self._lay_out()
        self.welcome()

    def welcome(self) -> None:
        """Invites to open a slide."""
        self._show(
            "mdi6.microscope",
            "Open a slide",
            "Drop a slide or a folder of slides here, or choose one.",
        )
        self._recent.setVisible(self._recent_layout.count() > 0)

    def wait(self, name: str) -> None:
        """Says that a slide is being opened."""
        self._show("mdi6.timer-sand", f"Opening {name}...", "", buttons=False)

    def still_waiting(self, sentence: str) -> None:
        """Adds to `wait` that it takes long."""
        self.sentence.setText(sentence)
        self.sentence.show()

    def fail(self, name: str, sentence: str) -> None:
        """Says why a slide does not open."""
        self._show("mdi6.alert-circle-outline", f"{name} does not open", sentence)
        self.retry_button.show()

    def set_recent(self, paths: Sequence[Path]) -> None:
        """Lists the slides opened last under the welcome."""
        while (item := self._recent_layout.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        for path in paths[:_RECENT_SHOWN]:
            button = QPushButton(path.name, self._recent)
            button.setFlat(True)
            button.setToolTip(str(path))
            button.setAccessibleName(f"Open recent slide {path.name}")
            button.clicked.connect(lambda _=False, path=path: self.recent_requested.emit(path))
            self._recent_layout.addWidget(button)
        if self._icon_name == "mdi6.microscope":
            self._recent.setVisible(bool(paths))

    @guarded()
    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange and self._icon_name:
            self.picture.setPixmap(icon(self._icon_name).pixmap(_ICON_SIZE))
        super().changeEvent(event)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addStretch()
        for button in (self.open_button, self.folder_button, self.retry_button):
            buttons.addWidget(button)
        buttons.addStretch()
        centered = Qt.AlignmentFlag.AlignHCenter
        layout = QVBoxLayout(self)
        layout.setContentsMargins(_MARGIN_PX, _MARGIN_PX, _MARGIN_PX, _MARGIN_PX)
        layout.addStretch()
        layout.addWidget(self.picture)
        layout.addWidget(self.headline)
        layout.addWidget(self.sentence)
        layout.addSpacing(10)
        layout.addLayout(buttons)
        layout.addWidget(self._recent, 0, centered)
        layout.addStretch()

    def _show(self, icon_name: str, headline: str, sentence: str, *, buttons: bool = True) -> None:
        self._icon_name = icon_name
        self.picture.setPixmap(icon(icon_name).pixmap(_ICON_SIZE))
        self.headline.setText(headline)
        self.sentence.setText(sentence)
        self.sentence.setVisible(bool(sentence))
        self.open_button.setVisible(buttons)
        self.folder_button.setVisible(buttons)
        self.retry_button.hide()
        self._recent.hide()
