"""Small widgets that several panels share."""

from __future__ import annotations

import html

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListView,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QTreeWidget,
    QWidget,
)

from viewer.ui.theme import icon

_TRAVEL_KEYS = (
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
    Qt.Key.Key_Plus,
    Qt.Key.Key_Minus,
)


def keeps_key(event: QEvent, *, travel: bool = True) -> bool:
    """Whether a list in focus wants this key for itself rather than for the window's commands.

    Call it from `event()` and return True where it does. Covers copying and, with `travel`, the
    keys that move in a list.
    """
    if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
        return False
    moves = (
        travel
        and event.key() in _TRAVEL_KEYS
        and event.modifiers() == Qt.KeyboardModifier.NoModifier
    )
    if moves or event.matches(QKeySequence.StandardKey.Copy):
        event.accept()
        return True
    return False


def plain_tip(text: str) -> str:
    """Text of a slide, file or model as a tool tip, in which nothing is markup."""
    return f'<p style="white-space: pre-wrap">{html.escape(text)}</p>' if text else ""


class KeyedTree(QTreeWidget):
    """A tree that keeps its own keys while it has the focus, and copies its rows as text."""

    def event(self, event: QEvent) -> bool:
        return keeps_key(event) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_rows()
        else:
            super().keyPressEvent(event)

    def copy_rows(self) -> None:
        """Puts the selected rows on the clipboard, columns parted by tabs."""
        rows = sorted(self.selectedItems(), key=lambda row: self.indexOfTopLevelItem(row))
        lines = ["\t".join(row.text(c) for c in range(self.columnCount())) for row in rows]
        if lines:
            QGuiApplication.clipboard().setText("\n".join(lines))


class KeyedList(QListView):
    """A list that keeps Home and End for itself; page keys stay with the window."""

    def event(self, event: QEvent) -> bool:
        page = isinstance(event, QKeyEvent) and event.key() in (
            Qt.Key.Key_PageUp,
            Qt.Key.Key_PageDown,
        )
        return keeps_key(event, travel=not page) or super().event(event)


class LetteredCombo(QComboBox):
    """A list that a letter takes the first entry of, although letters are keys of tools too."""

    def event(self, event: QEvent) -> bool:
        is_letter = (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.text().isalnum()
            and not event.modifiers() & Qt.KeyboardModifier.ControlModifier
        )
        if is_letter:
            event.accept()
            return True
        return super().event(event)


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

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange:
            self.setIcon(icon(self._icon_name))
        super().changeEvent(event)


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
        """Shows the sentence; `kind` is "info", "warning" or "error"."""
        self.sentence.setText(sentence)
        self.button.setText(button)
        self.button.setVisible(bool(button))
        self.setProperty("notice", kind)
        self.style().unpolish(self)
        self.style().polish(self)
        self.show()
