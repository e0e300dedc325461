"""The command palette: type a part of a command's name, press Enter, it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPoint, Qt
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

if TYPE_CHECKING:
    from viewer.ui.actions import ActionSet
    from viewer.ui.commands.command import Command

_WIDTH_PX = 560
_HEIGHT_PX = 380
_LIST_KEYS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


class CommandPalette(QDialog):
    """A box at the top of the window; Escape or a click elsewhere closes it."""

    def __init__(self, actions: ActionSet, window: QWidget) -> None:
        super().__init__(window, Qt.WindowType.Popup)
        self.setAccessibleName("Command palette")
        self._actions = actions
        self._chosen: QAction | None = None
        self.box = QLineEdit(self)
        self.box.setPlaceholderText("Type a command, for example: fit, rotate, settings")
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
        if chosen is not None:
            chosen.trigger()

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
        for disabled, _, _, command in sorted(ranked, key=lambda entry: entry[:3]):
            self.list.addTopLevelItem(self._row(command, disabled))
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

    def _run_current(self) -> None:
        row = self.list.currentItem()
        if row is None or row.isDisabled():
            return
        self._chosen = self._actions[row.data(0, Qt.ItemDataRole.UserRole)]
        self.hide()


def _title(command: Command) -> str:
    return f"{command.menu[-1].replace('&', '')}: {command.plain_text}"
