"""Qt's actions, made from the registry of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QKeySequence

from viewer.ui.commands import COMMANDS, COMMANDS_BY_ID
from viewer.ui.theme import icon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from PySide6.QtWidgets import QWidget

    from viewer.ui.commands.command import Bindings, Command, Situation

_TIPS = {command.id: command.tip for command in COMMANDS}


def shown_shortcut(shortcut: str) -> str:
    """Return a shortcut as this platform writes it, e.g. "Ctrl+O" or the Mac's signs."""
    return QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText)


class ActionSet(QObject):
    """The QActions of one window, made from COMMANDS.

    Every action is added to `window`, so its keys work whether or not a menu shows it.
    """

    def __init__(self, window: QWidget, bindings: Bindings) -> None:
        super().__init__(window)
        self._actions = {command.id: self._made(command, window) for command in COMMANDS}
        self._reasons: dict[str, str] = {}
        self._bindings: Bindings | None = None
        self.bind(bindings)
        self.recolor()
        window.addActions(list(self._actions.values()))  # complete: it hears of each later change

    def __getitem__(self, command_id: str) -> QAction:
        return self._actions[command_id]

    def on(self, command_id: str, handler: Callable[[], object]) -> None:
        """Run `handler` when the user asks for the command."""
        self._actions[command_id].triggered.connect(lambda _checked=False: handler())

    def on_toggle(self, command_id: str, handler: Callable[[bool], object]) -> None:
        """Run `handler` with the new state when the user checks or unchecks the command."""
        self._actions[command_id].triggered.connect(handler)

    def bind(self, bindings: Bindings) -> None:
        """Give the actions their keys, and their tool tips with the first of them."""
        if bindings == self._bindings:
            return
        self._bindings = {command_id: tuple(keys) for command_id, keys in bindings.items()}
        for command in COMMANDS:
            action = self._actions[command.id]
            shortcuts = bindings.get(command.key_of or command.id, command.shortcuts)
            action.setShortcuts([QKeySequence(shortcut) for shortcut in shortcuts])
            shown = f" ({shown_shortcut(shortcuts[0])})" if shortcuts else ""
            tip = self._reasons.get(command.id) or command.tip
            action.setToolTip(f"{command.plain_text}{shown}\n{tip}")
            action.setStatusTip(tip)

    def explain(self, command_ids: Iterable[str], reason: str) -> None:
        """Say in the tips of commands why they cannot run; "" says again what they do."""
        for command_id in command_ids:
            action, tip = self._actions[command_id], _TIPS[command_id]
            before = self._reasons.get(command_id) or tip
            self._reasons[command_id] = reason
            action.setToolTip(action.toolTip().removesuffix(before) + (reason or tip))
            action.setStatusTip(reason or tip)

    def reason(self, command_id: str) -> str:
        """Return one sentence that says why a command cannot run now; "" where it can."""
        if self._actions[command_id].isEnabled():
            return ""
        return self._reasons.get(command_id) or COMMANDS_BY_ID[command_id].enabled.reason

    def set_situation(self, situation: Situation) -> None:
        """Enable what can run now."""
        for command in COMMANDS:
            self._actions[command.id].setEnabled(command.enabled(situation))

    def recolor(self) -> None:
        """Paint the icons anew in the theme's colors."""
        for command in COMMANDS:
            self._actions[command.id].setIcon(icon(command.icon))

    @staticmethod
    def _made(command: Command, window: QWidget) -> QAction:
        action = QAction(command.text, window)
        action.setObjectName(command.id)
        action.setIconText(command.plain_text)
        action.setCheckable(command.checkable)
        return action
