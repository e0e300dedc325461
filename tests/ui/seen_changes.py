"""What a user sees of a window, and whether something they did changed it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from ui_steps import rest

from viewer.annotations.sets.together import together
from viewer.ui.main_window import MainWindow

PATIENCE_MS = 1500
STEP_MS = 20


def seen(window: MainWindow) -> tuple[object, ...]:
    """Return all that a user sees or that is kept, but for the status bar's passing sentence."""
    clipboard = QApplication.clipboard()
    pictures = [
        (type(each).__name__, each.windowTitle(), each.grab().toImage())
        for each in QApplication.topLevelWidgets()
        if each.isVisible() and each is not window
    ]
    return (
        window.frame.grab().toImage(),
        pictures,
        window.status.overlay.text(),
        window.windowState(),
        window.settings,
        clipboard.text(),
        clipboard.image(),
        [together(window.annotations.states_in_sight(pane)) for pane in window.panes.panes],
    )


def changes(
    state: Callable[[], object],
    before: object,
    qtbot: QtBot,
    is_told: Callable[[], bool] = lambda: False,
) -> bool:
    """Wait until something is seen to be another; return whether it is, or is told at least."""
    for _ in range(PATIENCE_MS // STEP_MS):
        qtbot.wait(STEP_MS)
        if is_told() or state() != before:
            return True
    return False


def tidy(window: MainWindow, qtbot: QtBot) -> None:
    """Close dialogs and menus, and put the keyboard back on the slide."""
    for widget in QApplication.topLevelWidgets():
        if widget is not window and widget.isVisible():
            widget.close()
    window.activateWindow()
    window.panes.active.focus()
    qtbot.wait(STEP_MS)
    rest(window, qtbot)
