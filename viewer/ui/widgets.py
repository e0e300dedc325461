"""Small widgets that several panels share."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QObject,
    QSize,
    QStringListModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QComboBox,
    QCompleter,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QListView,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QTableView,
    QToolButton,
    QTreeView,
    QTreeWidget,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.style_sheet import ROW_PX
from viewer.ui.theme import icon

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from viewer.ui.rows_model import Index

_TIP_CHARACTERS = 100
_MOST_TIP_CHARACTERS = 4000
_TRAVEL_KEYS = (
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
    Qt.Key.Key_Plus,
    Qt.Key.Key_Minus,
)


class KeyKeeper(QObject):
    """Keeps keys for a list in focus that are shortcuts of the window's commands too.

    A filter: Qt has no handler of its own for the event that asks. Copying is kept always.

    Parameters
    ----------
    travel
        The keys that move in a list and are kept, when pressed alone.
    """

    def __init__(self, widget: QWidget, travel: Container[int] = _TRAVEL_KEYS) -> None:
        super().__init__(widget)
        self._travel = travel
        widget.installEventFilter(self)

    @guarded(False)
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
            return False
        if not self.wants(event):
            return False
        event.accept()
        return True

    def wants(self, event: QKeyEvent) -> bool:
        """Return whether a key is for the widget."""
        is_plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        travels = is_plain and event.key() in self._travel
        return travels or event.matches(QKeySequence.StandardKey.Copy)


class LetterKeeper(KeyKeeper):
    """Keeps letters and digits, which choose an entry of a list."""

    def wants(self, event: QKeyEvent) -> bool:
        is_command = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        return event.text().isalnum() and not is_command


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


def put_rows(rows: Iterable[Iterable[str]]) -> None:
    """Put rows on the clipboard, columns parted by tabs; where there are none, it stays."""
    text = "\n".join(map("\t".join, rows))
    if text:
        QGuiApplication.clipboard().setText(text)


class KeyedTree(QTreeWidget):
    """A tree that keeps its own keys while it has the focus, and copies its rows as text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        KeyKeeper(self)

    @guarded()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_rows()
        else:
            super().keyPressEvent(event)

    def copy_rows(self) -> None:
        """Put the selected rows on the clipboard."""
        rows = sorted(self.selectedItems(), key=lambda row: self.indexOfTopLevelItem(row))
        put_rows([row.text(column) for column in range(self.columnCount())] for row in rows)


def be_table(tree: QTreeWidget, name: str, columns: Sequence[str]) -> None:
    """Let a tree be a table with a name, which only screen readers tell, and columns."""
    tree.setAccessibleName(name)
    tree.setHeaderLabels(list(columns))
    tree.setRootIsDecorated(False)


def fit_columns(tree: QTreeWidget) -> None:
    """Let columns be as wide as what they hold, and the first take what is left."""
    header = tree.header()
    header.setStretchLastSection(False)
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)


class KeyedList(QListView):
    """A list that keeps Home and End for itself; page keys stay with the window.

    Rows of one height are not laid out anew because one of them looks different: Qt's own list
    goes through all of them.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        pages = (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)
        KeyKeeper(self, [key for key in _TRAVEL_KEYS if key not in pages])

    @guarded()
    def dataChanged(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, first: Index, last: Index, roles: Sequence[int] | None = None
    ) -> None:
        if self.uniformItemSizes():
            QAbstractItemView.dataChanged(self, first, last, list(roles or ()))
        else:
            super().dataChanged(first, last, list(roles or ()))


class CountedModel(QStringListModel):
    """Rows that Qt counts by itself: to lay out a list it asks twice a row how many there are."""

    def recount(self, count: int) -> None:
        """There are so many other rows now, which views learn here."""
        self.setStringList([""] * count)

    @guarded(Qt.ItemFlag.NoItemFlags)
    def flags(self, index: Index) -> Qt.ItemFlag:
        """Nothing is typed into rows or dropped on them."""
        return QAbstractListModel.flags(self, index) & ~Qt.ItemFlag.ItemIsDropEnabled


def take_as_typed(box: QComboBox) -> None:
    """Let what is typed into a box be what it says: Qt completes it by the list of the box.

    So "0.2" becomes "0.2375", "2" becomes "20x" and Ann becomes Anna.
    """
    box.setCompleter(QCompleter(QStringListModel(box), box))


class LetteredCombo(QComboBox):
    """A list that a letter takes the first entry of, although letters are keys of tools too."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        LetterKeeper(self)


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


def push_button(parent: QWidget, text: str, tip: str) -> QPushButton:
    """Return a button with a text that says what it does, and a tip that says more."""
    button = QPushButton(text, parent)
    button.setToolTip(tip)
    return button


class ElidedLabel(QLabel):
    """A text that gives way: its middle is left out where it does not fit."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._text = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def show_text(self, text: str) -> None:
        """Show a text; the whole of it is the tool tip."""
        self._text = text
        self.setToolTip(plain_tip(text))
        self.setAccessibleName(text)
        self._elide()

    @guarded()
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        middle, metrics = Qt.TextElideMode.ElideMiddle, self.fontMetrics()
        self.setText(metrics.elidedText(self._text, middle, self.contentsRect().width()))


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


class RowTable(QTableView):
    """A table of rows as high as those of all lists; Tab leaves it, as it leaves any control."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.verticalHeader().setDefaultSectionSize(ROW_PX)

    def fit_columns(self, widest: int) -> None:
        """Make columns as wide as their contents, but for one that has the rest."""
        header = self.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(widest, QHeaderView.ResizeMode.Stretch)


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
        self.setProperty("notice", kind)
        self.style().unpolish(self)
        self.style().polish(self)
        self.show()


def set_up_columns(tree: QTreeView, name: int, count: int, widths_px: Mapping[int, int]) -> None:
    """Make a list of names in columns; a million fits as a count, in bold too."""
    tree.setHeaderHidden(True)
    tree.setRootIsDecorated(False)
    tree.setUniformRowHeights(True)
    tree.setAllColumnsShowFocus(True)
    tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
    header = tree.header()
    header.setStretchLastSection(False)
    header.setMinimumSectionSize(20)
    header.setSectionResizeMode(name, QHeaderView.ResizeMode.Stretch)
    count_px = tree.fontMetrics().horizontalAdvance("1,000,000") + 16
    for column, width_px in (*widths_px.items(), (count, count_px)):
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
        header.resizeSection(column, width_px)


def rows_in_sight(view: QListView, count: int) -> range:
    """Return the rows of a list of so many that can be seen now."""
    shown = view.viewport().rect()
    first, last = (view.indexAt(at).row() for at in (shown.topLeft(), shown.bottomLeft()))
    return range(first, last + 1 if last >= 0 else count) if first >= 0 else range(0)


def selected_runs(view: QAbstractItemView) -> list[tuple[int, int]]:
    """Return the first and last rows of what is selected in a list, from the top.

    An index for each of thousands of rows takes Python longer than all that is done with it.
    """
    ranges = view.selectionModel().selection().toList()
    return sorted((each.top(), each.bottom()) for each in ranges if each.isValid())
