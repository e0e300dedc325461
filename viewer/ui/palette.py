"""The search for commands: type what a command may be called, or a slide, and press Enter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QAction, QHideEvent, QKeyEvent
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QHeaderView,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.commands import COMMANDS
from viewer.ui.matching import command_match
from viewer.ui.theme import icon
from viewer.ui.widgets import plain_tip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.ui.actions import ActionSet
    from viewer.ui.commands.command import Command

_WIDTH_PX = 600
_HEIGHT_PX = 400
_MARGIN_PX = 8
_MOST_SLIDES = 30
_LIST_KEYS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


class CommandPalette(QDialog):
    """A field over a list of what is found; Escape or a click elsewhere closes it.

    Commands are found by their names, by what other programs call them, and by what they do. One
    that cannot run now says why.
    """

    slide_requested = Signal(object)
    """The Path of a slide that was chosen by its name."""

    def __init__(self, actions: ActionSet, window: QWidget) -> None:
        super().__init__(window, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setObjectName("command_search")
        self.setAccessibleName("Search commands")
        self._actions = actions
        self._chosen: QAction | Path | None = None
        self.slides_named: Callable[[str], Sequence[tuple[str, str, Path]]] = lambda _: ()
        """Gives name, case and path of the slides that fit what is typed."""
        self.box = QLineEdit(self)
        self.box.setPlaceholderText("Search commands, or the name or case of a slide")
        self.box.setAccessibleName("Command to find")
        self.box.setClearButtonEnabled(True)
        self.list = QTreeWidget(self)
        self.list.setAccessibleName("Commands found")
        self.list.setColumnCount(2)
        self.list.setHeaderHidden(True)
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        header = self.list.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(_MARGIN_PX, _MARGIN_PX, _MARGIN_PX, _MARGIN_PX)
        layout.addWidget(self.box)
        layout.addWidget(self.list)
        self.box.textChanged.connect(self._show_matches)
        self.box.returnPressed.connect(self._run_current)
        self.box.installEventFilter(self)
        self.list.itemClicked.connect(self._run_current)
        self.list.currentItemChanged.connect(lambda row, _: self._announce(row))

    def open_over(self, window: QWidget) -> None:
        """Show the search, empty, centered near the top of `window`."""
        size = QSize(_WIDTH_PX, _HEIGHT_PX).boundedTo(window.size())
        self._open(QRect(QPoint((window.width() - size.width()) // 2, 60), size), window)

    def open_below(self, anchor: QWidget) -> None:
        """Show the search, empty, as what opens of a field in a bar: over it and below it."""
        window = anchor.window()
        size = QSize(max(_WIDTH_PX, anchor.width()), _HEIGHT_PX).boundedTo(window.size())
        corner = anchor.mapTo(window, QPoint(0, 0)) - QPoint(_MARGIN_PX, _MARGIN_PX)
        corner.setX(max(0, min(corner.x(), window.width() - size.width())))
        self._open(QRect(corner, size), window)

    def _open(self, place: QRect, window: QWidget) -> None:
        """Show the search, empty, at a place in `window`."""
        self._chosen = None
        self.box.clear()
        self._show_matches("")
        self.resize(place.size())
        place.moveTopLeft(window.mapToGlobal(place.topLeft()))
        screen = window.screen().availableGeometry()
        place.moveRight(min(place.right(), screen.right()))
        place.moveLeft(max(place.left(), screen.left()))
        self.move(place.topLeft())
        self.show()
        self.box.setFocus()

    @guarded()
    def hideEvent(self, event: QHideEvent) -> None:
        """Run the chosen command once the palette is gone, so dialogs open over the window."""
        super().hideEvent(event)
        chosen, self._chosen = self._chosen, None
        if isinstance(chosen, QAction):
            chosen.trigger()
        elif chosen is not None:
            self.slide_requested.emit(chosen)

    @guarded(False)
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Up and Down move in the list while the typing goes to the box."""
        if (
            watched is self.box
            and isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and event.key() in _LIST_KEYS
        ):
            QApplication.sendEvent(self.list, event)
            return True
        return super().eventFilter(watched, event)

    def _show_matches(self, typed: str) -> None:
        ranked: list[tuple[int, bool, float, int, Command, str]] = []
        for index, command in enumerate(COMMANDS):
            match = command_match(
                typed, command.plain_text, _menu(command), command.synonyms, command.tip
            )
            if match is not None:
                disabled = not self._actions[command.id].isEnabled()
                ranked.append(
                    (match.rank, disabled, -match.score, index, command, match.other_name)
                )
        ranked.sort(key=lambda entry: entry[:4])
        self.list.clear()
        slides = [self._slide_row(*each) for each in self.slides_named(typed)[:_MOST_SLIDES]]
        commands = [self._row(command, other) for *_, command, other in ranked]
        # A number is that of a slide; words are commands first.
        are_first = any(map(str.isdecimal, typed)) or not commands or commands[0].isDisabled()
        rows = [*slides, *commands] if are_first else [*commands, *slides]
        self.list.addTopLevelItems(rows or [_nothing_row(typed)])
        for row in rows:  # a name may be as long as the list where nothing stands beside it
            row.setFirstColumnSpanned(not row.text(1))
        first = self.list.topLevelItem(0)
        if first is not None and not first.isDisabled():
            self.list.setCurrentItem(first)

    def _row(self, command: Command, other_name: str) -> QTreeWidgetItem:
        action = self._actions[command.id]
        keys = "   ".join(key.toString(key.SequenceFormat.NativeText) for key in action.shortcuts())
        reason = self._actions.reason(command.id)
        name = f"{_title(command)} ({other_name})" if other_name else _title(command)
        row = QTreeWidgetItem([name, reason or keys])
        row.setData(0, Qt.ItemDataRole.UserRole, command.id)
        row.setIcon(0, action.icon())
        row.setToolTip(0, f"{name}\n{command.tip}")
        row.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row.setDisabled(bool(reason))
        return row

    def _slide_row(self, name: str, case: str, path: Path) -> QTreeWidgetItem:
        row = QTreeWidgetItem([f"Slide: {name}", case])
        row.setData(0, Qt.ItemDataRole.UserRole, path)
        row.setIcon(0, icon("mdi6.image-outline"))
        row.setToolTip(0, plain_tip(str(path)))
        row.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return row

    def _announce(self, row: QTreeWidgetItem | None) -> None:
        """Say the current row to who does not see it: the keyboard stays in the field."""
        self.box.setAccessibleDescription("" if row is None else f"{row.text(0)}, {row.text(1)}")

    def _run_current(self) -> None:
        row = self.list.currentItem()
        if row is None or row.isDisabled():
            return
        wanted = row.data(0, Qt.ItemDataRole.UserRole)
        self._chosen = self._actions[wanted] if isinstance(wanted, str) else wanted
        self.hide()


def _nothing_row(typed: str) -> QTreeWidgetItem:
    row = QTreeWidgetItem([f'No command found for "{typed.strip()}"', "Try another word"])
    row.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    row.setDisabled(True)
    return row


def _title(command: Command) -> str:
    return f"{_menu(command)}: {command.plain_text}"


def _menu(command: Command) -> str:
    return command.menu[-1].replace("&", "")
