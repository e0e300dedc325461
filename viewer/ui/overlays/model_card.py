"""A card on the AI page: one model, or one file of results."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.theme import icon
from viewer.ui.widgets import IconButton, plain_tip

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QMouseEvent

    from viewer.ui.overlays.card_body import CardBody
    from viewer.ui.overlays.overlay_source import OverlaySource

_RESEARCH_ONLY = "For research use, not for diagnosis."
"""What the descriptions of models end with, and the page says once."""
_NAME_PX, _SWITCH_PX, _HANDLE_PX = 176, 20, 14


class DragHandle(QLabel):
    """The place by which a card is dragged above or below others."""

    dragged = Signal(int)
    """The height on the screen at which the mouse is, while the button is held."""

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFixedWidth(_HANDLE_PX)
        self.setCursor(Qt.CursorShape.SizeVerCursor)
        self.setToolTip("Drag: the upper card is painted above those below it")
        self.setAccessibleName(f"Move {name}")
        self.show_sign()

    def show_sign(self) -> None:
        """Paint the sign in the colors of the theme."""
        self.setPixmap(icon("mdi6.drag-vertical").pixmap(QSize(_HANDLE_PX, 18)))

    @guarded()
    def mousePressEvent(self, event: QMouseEvent) -> None:
        event.setAccepted(event.button() == Qt.MouseButton.LeftButton)

    @guarded()
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.dragged.emit(round(event.globalPosition().y()))


class ModelCard(QFrame):
    """Switch, name and menu; below them what the model does and, while it is on, its body."""

    switched = Signal(bool)
    """The user turned the overlay on or off."""
    chosen = Signal()
    """The user did something with the card while its overlay is on."""
    unfolded = Signal()
    """The user asked to see all of the card."""
    body_made = Signal()
    menu_asked = Signal(object)
    """A QMenu that is to be filled, before it opens."""
    dragged = Signal(int)
    """As of a DragHandle."""

    def __init__(self, source: OverlaySource, shown_name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.source = source
        self._body: CardBody | None = None
        self._is_folded = True
        self._is_on = False
        self._shown_name = shown_name
        self.setProperty("card", True)
        self.setAccessibleName(shown_name)
        self.switch = QCheckBox(self)
        self.switch.setAccessibleName(f"Show {shown_name}")
        self.switch.setFixedWidth(_SWITCH_PX)
        self.switch.setToolTip(f"Turn {shown_name} on or off")
        self.fold = QToolButton(self)
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.setIconSize(QSize(16, 16))
        self.fold.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.fold.setProperty("name", True)
        self.fold.setText(
            self.fontMetrics().elidedText(shown_name, Qt.TextElideMode.ElideMiddle, _NAME_PX)
        )
        self.fold.setAccessibleName(shown_name)
        self.fold.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.more = IconButton("mdi6.dots-horizontal", f"More of {shown_name}", self)
        self.more.setIconSize(QSize(18, 18))
        self.more.setProperty("more", True)
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self)
        self.menu.setToolTipsVisible(True)
        self.more.setMenu(self.menu)
        self.about = QLabel(self)
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.about.setWordWrap(True)
        self.about.setProperty("dim", "true")
        self.setToolTip(plain_tip(str(source.place)))
        self.handle = DragHandle(shown_name, self)
        self.handle.dragged.connect(self.dragged)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.handle)
        row.addWidget(self.switch)
        row.addWidget(self.fold, 1)
        row.addWidget(self.more)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(8, 4, 8, 6)
        self._column.setSpacing(4)
        self._column.addLayout(row)
        self._column.addWidget(self.about)
        self.switch.clicked.connect(self.switched)
        self.fold.clicked.connect(self._on_fold)
        self.menu.aboutToShow.connect(self._on_menu)
        self._show_fold()

    @property
    def body(self) -> CardBody:
        """Return the lower part, made when it is first asked for."""
        if self._body is None:
            from viewer.ui.overlays.card_body import CardBody

            self._body = CardBody(self.source.name, self.source.task, self)
            self._column.addWidget(self._body)
            self._body.setVisible(self._is_open)
            self.body_made.emit()
        return self._body

    @property
    def has_body(self) -> bool:
        """Return whether the lower part was made."""
        return self._body is not None

    @property
    def is_on(self) -> bool:
        """Return whether the overlay is on."""
        return self._is_on

    def show_on(self, *, is_on: bool) -> None:
        """Check the switch; a card that is turned on unfolds, one that is turned off folds."""
        self.switch.setChecked(is_on)
        if is_on == self._is_on:
            return
        self._is_on = is_on
        self.set_folded(folded=not is_on)

    def set_folded(self, *, folded: bool) -> None:
        """Show the name alone, or all."""
        self._is_folded = folded
        self._show_fold()

    @property
    def _is_open(self) -> bool:
        return self._is_on and not self._is_folded

    def _on_fold(self) -> None:
        if self._is_on:
            self.chosen.emit()
        self.set_folded(folded=not self._is_folded)
        if not self._is_folded:
            self.unfolded.emit()

    def _on_menu(self) -> None:
        if self._is_on:
            self.chosen.emit()
        self.menu.clear()
        self.menu_asked.emit(self.menu)

    def _show_fold(self) -> None:
        text = self.source.about.replace(_RESEARCH_ONLY, "").strip()
        first = re.split(r"[.;:](?:\s|$)", text, maxsplit=1)[0]
        self.about.setText(first if self._is_folded else text)
        self.about.setVisible(bool(text))
        sign = "mdi6.chevron-right" if self._is_folded else "mdi6.chevron-down"
        self.fold.setIcon(icon(sign))
        what = "Unfold" if self._is_folded else "Fold"
        self.fold.setToolTip(plain_tip(f"{what} {self._shown_name}"))
        if self._is_open:
            self.body.show()
        elif self._body is not None:
            self._body.hide()

    @guarded()
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "handle"):
            self._show_fold()
            self.handle.show_sign()


def add_action(
    menu: QMenu, text: str, run: Callable[[], object], *, is_enabled: bool = True, tip: str = ""
) -> None:
    """Add an entry to the menu of a card."""
    action = menu.addAction(text)
    action.setEnabled(is_enabled)
    action.setToolTip(tip)
    action.triggered.connect(lambda _checked=False: run())
