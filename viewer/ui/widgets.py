"""Labels, buttons, boxes and bars that several panels share."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, QStringListModel, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QCompleter,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.item_views import KeyKeeper
from viewer.ui.theme import icon

if TYPE_CHECKING:
    from PySide6.QtGui import QKeyEvent

_TIP_CHARACTERS = 100
_MOST_TIP_CHARACTERS = 4000


def plain_tip(text: str) -> str:
    """Return text of a slide, file or model as a tool tip of lines that fit the screen.

    The style sheet shows tips as they are, without markup, and Qt wraps those with markup alone.
    """
    return "\n".join(
        textwrap.fill(
            line, _TIP_CHARACTERS, break_long_words=False, break_on_hyphens=False,
            replace_whitespace=False, drop_whitespace=False,
        )
        for line in text[:_MOST_TIP_CHARACTERS].split("\n")
    )  # fmt: skip


def text_label(parent: QWidget, *, dim: bool = False) -> QLabel:
    """Return a label of plain text over several lines that can be selected and copied."""
    label = QLabel(parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    if dim:
        label.setProperty("dim", "true")
    return label


def show_or_hide(label: QLabel | QAbstractButton, text: str) -> None:
    """Show a text; hide the label or button where it is empty."""
    label.setText(text)
    label.setVisible(bool(text))


def set_look(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet asks for, and let the widget look by it."""
    widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)


def push_button(parent: QWidget, text: str, tip: str) -> QPushButton:
    """Return a button with a text that says what it does, and a tip that says more."""
    button = QPushButton(text, parent)
    button.setToolTip(tip)
    return button


def take_as_typed(box: QComboBox) -> None:
    """Let what is typed into a box be what it says: Qt completes it by the list of the box.

    So "0.2" becomes "0.2375", "2" becomes "20x" and Ann becomes Anna.
    """
    box.setCompleter(QCompleter(QStringListModel(box), box))


class LetterKeeper(KeyKeeper):
    """Keeps letters and digits, which choose an entry of a list."""

    def wants(self, event: QKeyEvent) -> bool:
        is_command = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        return event.text().isalnum() and not is_command


class LetteredCombo(QComboBox):
    """A list that a letter takes the first entry of, although letters are keys of tools too."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        LetterKeeper(self)


class ScrollColumn(QScrollArea):
    """Shows a widget that may be higher than there is room for.

    The keyboard goes to what is in it, which comes into sight by itself: the area is no tab stop.
    """

    def __init__(self, body: QWidget, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(body)


class IconButton(QToolButton):
    """A small button of an icon alone, which follows the theme."""

    def __init__(self, icon_name: str, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._icon_name = icon_name
        self.setIcon(icon(icon_name))
        self.setIconSize(QSize(14, 14))
        self.setToolTip(name)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    @guarded()
    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange:
            self.setIcon(icon(self._icon_name))
        super().changeEvent(event)


class ProgressBar(QProgressBar):
    """Shows how far something is.

    Qt's own paints itself at once, and with it whatever else of the window waits to be painted:
    a slide was painted twice for each step.
    """

    @guarded()
    def setValue(self, value: int) -> None:
        """Show another value with the next painting."""
        self.setUpdatesEnabled(False)
        super().setValue(value)
        self.setUpdatesEnabled(True)


class NoticeBar(QFrame):
    """One sentence across the top of a pane, with a button for what to do about it."""

    acted = Signal()
    """The user pressed the button."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sentence = QLabel(self)
        self.sentence.setWordWrap(True)
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.sentence.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.button = QPushButton(self)
        self.button.clicked.connect(self.acted)
        self.dismiss = IconButton("mdi6.close", "Hide this message", self)
        self.dismiss.clicked.connect(self.hide)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 4, 6, 4)
        layout.addWidget(self.sentence, 1)
        layout.addWidget(self.button)
        layout.addWidget(self.dismiss)
        self.hide()

    def tell(self, sentence: str, kind: str = "info", button: str = "") -> None:
        """Show the sentence; `kind` is "info", "warning", "error", or "mode" over a slide."""
        self.sentence.setText(sentence)
        show_or_hide(self.button, button)
        set_look(self, "notice", kind)
        self.show()
