"""Every button of the pages does something that a user sees, or says why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDialog,
    QFileDialog,
    QRadioButton,
    QWidget,
)
from pytestqt.qtbot import QtBot
from seen_changes import changes, seen, tidy
from ui_steps import rest, show_slide

from viewer.ui.commands import COMMANDS
from viewer.ui.main_window import MainWindow

MENU_MS = 150
DIALOG_MS = 900


@pytest.mark.slow
def test_with_a_slide(window: MainWindow, sample_slide: Path, qtbot: QtBot) -> None:
    window.resize(1366, 768)
    show_slide(window, sample_slide, qtbot)
    window.commands["annotate.whole_slide"].trigger()
    rest(window, qtbot)
    assert ", ".join(silent_buttons(window, qtbot)) == ""


@pytest.mark.slow
def test_without_a_slide(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(1366, 768)
    assert ", ".join(silent_buttons(window, qtbot)) == ""


@pytest.mark.slow
def test_of_dialogs_with_a_slide(window: MainWindow, sample_slide: Path, qtbot: QtBot) -> None:
    window.resize(1366, 768)
    show_slide(window, sample_slide, qtbot)
    window.commands["annotate.whole_slide"].trigger()
    rest(window, qtbot)
    silent, walked = silent_in_dialogs(window, qtbot)
    assert ", ".join(silent) == ""
    assert walked > 12


@pytest.mark.slow
def test_of_dialogs_without_a_slide(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(1366, 768)
    silent, walked = silent_in_dialogs(window, qtbot)
    assert ", ".join(silent) == ""
    assert walked > 2


def silent_in_dialogs(window: MainWindow, qtbot: QtBot) -> tuple[list[str], int]:
    """Press each button of each dialog that a command opens, each in a dialog opened anew.

    Return those after which nothing was different, and how many dialogs there were.
    """
    silent: list[str] = []
    walked = 0
    for command in COMMANDS:
        if not command.text.endswith("..."):
            continue  # it opens none, and may close what the next needs
        index, count = 0, 1
        while index < count:
            dialog = dialog_of(window, command.id, qtbot)
            if dialog is None:
                break
            walked += index == 0
            buttons = pressable(dialog)
            count = len(buttons)
            if index >= count:
                break
            button = buttons[index]
            index += 1
            if button.isChecked() and (button.autoExclusive() or isinstance(button, QRadioButton)):
                continue  # it says what holds already
            before, said = seen(window), window.status.currentMessage()
            name = called(button)
            menus = menus_of_a_click(button, qtbot)
            if not menus and not changes(lambda before=before: seen(window), before, qtbot):
                sentence = window.status.currentMessage()
                if not sentence or sentence == said:
                    silent.append(f"{command.id}: {name}")
            tidy(window, qtbot)
        tidy(window, qtbot)
    return silent, walked


def dialog_of(window: MainWindow, command_id: str, qtbot: QtBot) -> QDialog | None:
    """Return the dialog of our own that a command opens; of the desktop's none is walked."""
    tidy(window, qtbot)
    if not window.commands[command_id].isEnabled():
        return None
    window.commands["edit.select_all"].trigger()
    action = window.commands[command_id]
    action.trigger()
    for _ in range(DIALOG_MS // MENU_MS if action.text().endswith("...") else 1):
        qtbot.wait(MENU_MS)
        dialogs = [each for each in QApplication.topLevelWidgets() if isinstance(each, QDialog)]
        ours = [each for each in dialogs if each.isVisible() and not isinstance(each, QFileDialog)]
        if dialogs and any(each.isVisible() for each in dialogs):
            return ours[-1] if ours else None
    return None


def silent_buttons(window: MainWindow, qtbot: QtBot) -> list[str]:
    """Press each button of each page; return those after which nothing was different."""
    silent: list[str] = []
    for page in window.frame.inspector.pages.values():
        for panel in page.panels:
            panel.show()
            tidy(window, qtbot)
            for index in range(len(pressable(panel))):
                panel.show()
                buttons = pressable(panel)
                if index >= len(buttons):
                    break
                button = buttons[index]
                before, said = seen(window), window.status.currentMessage()
                menus = menus_of_a_click(button, qtbot)
                if not menus and not changes(lambda before=before: seen(window), before, qtbot):
                    sentence = window.status.currentMessage()
                    if not sentence or sentence == said:
                        silent.append(f"{panel.windowTitle()}: {called(button)}")
                tidy(window, qtbot)
    return silent


def menus_of_a_click(button: QAbstractButton, qtbot: QtBot) -> list[QWidget]:
    """Click a button; return the menus that opened; Qt waits in the click until they close."""
    menus: list[QWidget] = []

    def close_menu() -> None:
        menu = QApplication.activePopupWidget()
        if menu is not None:
            menus.append(menu)
            menu.close()

    QTimer.singleShot(MENU_MS, close_menu)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.wait(MENU_MS + 20)
    return menus


def pressable(panel: QWidget) -> list[QAbstractButton]:
    """Return the buttons that a user can press now."""
    return [
        each
        for each in panel.findChildren(QAbstractButton)
        if each.isVisible() and each.isEnabled() and called(each)
    ]


def called(button: QAbstractButton) -> str:
    return button.text() or button.accessibleName()
