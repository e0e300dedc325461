"""The command palette: type a part of a command's name, or of a slide's, and press Enter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Signal
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
from viewer.ui.matching import match_score
from viewer.ui.theme import icon
from viewer.ui.widgets import plain_tip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.ui.actions import ActionSet
    from viewer.ui.commands.command import Command

_WIDTH_PX = 560
_HEIGHT_PX = 380
_MOST_SLIDES = 30
_LIST_KEYS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


class CommandPalette(QDialog):
    """A box at the top of the window; Escape or a click elsewhere closes it."""

    slide_requested = Signal(object)
    """The Path of a slide that was chosen by its name."""

    def __init__(self, actions: ActionSet, window: QWidget) -> None:
        super().__init__(window, Qt.WindowType.Popup)
        self.setAccessibleName("Command palette")
        self._actions = actions
        self._chosen: QAction | Path | None = None
        self.slides_named: Callable[[str], Sequence[tuple[str, str, Path]]] = lambda _: ()
        """Gives name, case and path of the slides that fit what is typed."""
        self.box = QLineEdit(self)
        self.box.setPlaceholderText("Type a command, or the name or case of a slide")
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
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(self.box)
        layout.addWidget(self.list)
        self.box.textChanged.connect(self._show_matches)
        self.box.returnPressed.connect(self._run_current)
        self.box.installEventFilter(self)
        self.list.itemClicked.connect(self._run_current)

    def open_over(self, window: QWidget) -> None:
        """Shows the palette, empty, centered near the top of `window`."""
        self._chosen = None
        self.box.clear()
        self._show_matches("")
        self.resize(min(_WIDTH_PX, window.width()), min(_HEIGHT_PX, window.height()))
        self.move(window.mapToGlobal(QPoint((window.width() - self.width()) // 2, 60)))
        self.show()
        self.box.setFocus()

    @guarded()
    def hideEvent(self, event: QHideEvent) -> None:
        """Runs the chosen command once the palette is gone, so dialogs open over the window."""
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
        ranked: list[tuple[bool, float, int, Command]] = []
        for index, command in enumerate(COMMANDS):
            score = match_score(typed, _title(command))
            if score is not None:
                disabled = not self._actions[command.id].isEnabled()
                ranked.append((disabled, -score, index, command))
        self.list.clear()
        slides = [self._slide_row(*each) for each in self.slides_named(typed)[:_MOST_SLIDES]]
        commands = [
            self._row(command, disabled)
            for disabled, _, _, command in sorted(ranked, key=lambda entry: entry[:3])
        ]
        # A number is that of a slide; words are commands first.
        are_first = any(map(str.isdecimal, typed)) or not commands or commands[0].isDisabled()
        self.list.addTopLevelItems([*slides, *commands] if are_first else [*commands, *slides])
        first = self.list.topLevelItem(0)
        if first is not None and not first.isDisabled():
            self.list.setCurrentItem(first)

    def _row(self, command: Command, disabled: bool) -> QTreeWidgetItem:
        action = self._actions[command.id]
        keys = "   ".join(key.toString(key.SequenceFormat.NativeText) for key in action.shortcuts())
        row = QTreeWidgetItem([_title(command), keys])
        row.setData(0, Qt.ItemDataRole.UserRole, command.id)
        row.setIcon(0, action.icon())
        row.setToolTip(0, command.tip)
        row.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row.setDisabled(disabled)
        return row

    def _slide_row(self, name: str, case: str, path: Path) -> QTreeWidgetItem:
        row = QTreeWidgetItem([f"Slide: {name}", case])
        row.setData(0, Qt.ItemDataRole.UserRole, path)
        row.setIcon(0, icon("mdi6.image-outline"))
        row.setToolTip(0, plain_tip(str(path)))
        row.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return row

    def _run_current(self) -> None:
        row = self.list.currentItem()
        if row is None or row.isDisabled():
            return
        wanted = row.data(0, Qt.ItemDataRole.UserRole)
        self._chosen = self._actions[wanted] if isinstance(wanted, str) else wanted
        self.hide()


def _title(command: Command) -> str:
    return f"{command.menu[-1].replace('&', '')}: {command.plain_text}"
