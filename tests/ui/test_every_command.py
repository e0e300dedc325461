"""Every command does something that a user sees, or says why it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot
from seen_changes import changes, seen, tidy
from ui_steps import rest, show_slide

from viewer.ui.commands import COMMANDS
from viewer.ui.commands.command import Command
from viewer.ui.main_window import MainWindow

pytestmark = pytest.mark.timeout(400)
"""More than two hundred commands, each with its picture before and after."""

ENDS_THE_WINDOW = {"file.quit"}
NOTHING_TO_CHANGE = {
    "annotate.move": "the slide moves with the hand at first",
    "stain.none": "the slide is shown in its own colors at first",
    "display.reset": "nothing was adjusted yet",
    "view.upright": "the slide stands upright at first",
    "view.reload": "no tile failed",
    "edit.undo": "said in the status bar",
}
"""Commands that have nothing to change in the state in which they are asked, and why."""


@pytest.fixture
def walked_window(window: MainWindow) -> MainWindow:
    window.resize(1200, 720)
    return window


def test_with_a_slide(walked_window: MainWindow, sample_slide: Path, qtbot: QtBot) -> None:
    show_slide(walked_window, sample_slide, qtbot)
    rest(walked_window, qtbot)
    assert ", ".join(silent_commands(walked_window, qtbot, select=True)) == ""


def test_without_a_slide(walked_window: MainWindow, qtbot: QtBot) -> None:
    assert ", ".join(silent_commands(walked_window, qtbot, select=False)) == ""


def test_every_menu_opens_and_offers_something(walked_window: MainWindow) -> None:
    menus = walked_window.menuBar().actions()
    assert len(menus) <= 7
    for action in menus:
        menu = action.menu()
        assert isinstance(menu, QMenu)
        menu.popup(walked_window.mapToGlobal(QPoint(0, 20)))
        assert menu.isVisible()
        assert any(each.isVisible() and not each.isSeparator() for each in menu.actions())
        menu.close()


def silent_commands(window: MainWindow, qtbot: QtBot, *, select: bool) -> list[str]:
    """Run each command that can run; return those after which nothing was different."""
    silent: list[str] = []
    if select:
        qtbot.waitUntil(lambda: window.annotations.active is not None)
        active = window.annotations.active
        assert active is not None
        for count in (1, 2):
            window.commands["annotate.whole_slide"].trigger()
            qtbot.waitUntil(lambda count=count: len(active.document) == count)
    for command in commands_in_order():
        if command.id in ENDS_THE_WINDOW:
            continue
        if select and command.id not in ("edit.select_all", "edit.paste"):
            window.commands["edit.select_all"].trigger()
        tidy(window, qtbot)
        action = window.commands[command.id]
        if not action.isEnabled():
            continue
        before = seen(window)
        was_checked = action.isChecked()
        said = window.status.currentMessage()
        action.trigger()

        def is_told(command: Command = command, said: str = said) -> bool:
            sentence = window.status.currentMessage()
            return command.id in NOTHING_TO_CHANGE or (bool(sentence) and sentence != said)

        if not changes(lambda: seen(window), before, qtbot, is_told):
            silent.append(command.id)
        tidy(window, qtbot)
        if command.checkable and action.isChecked() != was_checked and action.isEnabled():
            action.trigger()
    return silent


def commands_in_order() -> Iterator[Command]:
    """Yield the commands, those that take the slide or its annotations away at the end."""
    last = {"file.close", "edit.delete", "annotate.merge"}
    yield from (each for each in COMMANDS if each.id not in last)
    yield from (each for each in COMMANDS if each.id in last)
