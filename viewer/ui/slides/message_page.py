"""What a pane shows while it has no slide: the start page, a wait, or why a slide does not open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.slides.start_page import StartPage
from viewer.ui.theme import icon
from viewer.ui.widgets import show_or_hide

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtGui import QResizeEvent

_ICON_SIZE = QSize(48, 48)
_MARGIN_PX = 32
_WIDE_PX = 460
_LEAST_SIZE = QSize(200, 120)


class MessagePage(QStackedWidget):
    """The start page, or an icon, a headline, a sentence, and buttons under them."""

    open_requested = Signal()
    folder_requested = Signal()
    retry_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icon_name = ""
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setAccessibleName("No slide")
        self.start = StartPage(self)
        self.start.open_requested.connect(self.open_requested)
        self.start.folder_requested.connect(self.folder_requested)
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
        self.folder_button.setToolTip("List the slides of a folder and open the first")
        self.folder_button.clicked.connect(self.folder_requested)
        self.retry_button = QPushButton("Try again", self)
        self.retry_button.setProperty("primary", True)
        self.retry_button.clicked.connect(self.retry_requested)
        self._message = self._laid_out()
        self.addWidget(self.start)
        self.addWidget(self._message)
        self.welcome()

    @property
    def first_button(self) -> QWidget:
        """Return what the keyboard goes to."""
        return self.start.first_button if self.currentWidget() is self.start else self.open_button

    def welcome(self) -> None:
        """Invite to open a slide."""
        self.setCurrentWidget(self.start)

    def wait(self, name: str) -> None:
        """Say that a slide is being opened."""
        self._show("mdi6.timer-sand", f"Opening {name}...", "", buttons=False)

    def still_waiting(self, sentence: str) -> None:
        """Add to `wait` that it takes long."""
        self.sentence.setText(sentence)
        self.sentence.show()

    def fail(self, name: str, sentence: str) -> None:
        """Say why a slide does not open."""
        self._show("mdi6.alert-circle-outline", f"{name} does not open", sentence)
        self.retry_button.show()

    def set_recent(self, paths: Sequence[Path]) -> None:
        """List the slides opened last on the start page."""
        self.start.set_recent(paths)

    def shut_down(self) -> None:
        """End the threads."""
        self.start.shut_down()

    @guarded(QSize())
    def minimumSizeHint(self) -> QSize:
        """Return little: what has no room is cut rather than the window made larger."""
        return _LEAST_SIZE

    @guarded()
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the buttons under one another where they have no room beside."""
        super().resizeEvent(event)
        is_wide = self.width() >= _WIDE_PX
        direction = QBoxLayout.Direction
        self._buttons.setDirection(direction.LeftToRight if is_wide else direction.TopToBottom)

    @guarded()
    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange and self._icon_name:
            self.picture.setPixmap(icon(self._icon_name).pixmap(_ICON_SIZE))
        super().changeEvent(event)

    def _laid_out(self) -> QWidget:
        buttons = self._buttons = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        buttons.addStretch()
        for button in (self.retry_button, self.open_button, self.folder_button):
            buttons.addWidget(button)
        buttons.addStretch()
        message = QWidget(self)
        layout = QVBoxLayout(message)
        layout.setContentsMargins(_MARGIN_PX, _MARGIN_PX, _MARGIN_PX, _MARGIN_PX)
        layout.addStretch()
        layout.addWidget(self.picture)
        layout.addWidget(self.headline)
        layout.addWidget(self.sentence)
        layout.addSpacing(10)
        layout.addLayout(buttons)
        layout.addStretch()
        return message

    def _show(self, icon_name: str, headline: str, sentence: str, *, buttons: bool = True) -> None:
        self._icon_name = icon_name
        self.picture.setPixmap(icon(icon_name).pixmap(_ICON_SIZE))
        self.headline.setText(headline)
        show_or_hide(self.sentence, sentence)
        self.open_button.setVisible(buttons)
        self.folder_button.setVisible(buttons)
        self.retry_button.hide()
        self.setCurrentWidget(self._message)
