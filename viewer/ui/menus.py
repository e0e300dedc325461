"""Menu bar and tool bar, built from the registry of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QMainWindow, QMenu, QMenuBar, QToolBar

from viewer.ui.commands import COMMANDS, DRAWING_BAR, TOOLBAR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.ui.actions import ActionSet

MENU_ORDER = (
    "&File",
    "&Edit",
    "&View",
    "&Display",
    "&Panes",
    "&Annotate",
    "&Overlays",
    "&Recording",
    "A&gent",
    "Pane&ls",
    "&Help",
)


def build_menus(bar: QMenuBar, actions: ActionSet) -> dict[str, QMenu]:
    """Fills the menu bar; returns the menus by title without the mnemonic mark."""
    menus: dict[tuple[str, ...], QMenu] = {}
    for title in MENU_ORDER:
        _menu_at(bar, (title,), menus)
    for command in COMMANDS:
        menu = _menu_at(bar, command.menu, menus)
        if command.separated:
            menu.addSeparator()
        menu.addAction(actions[command.id])
    return {path[-1].replace("&", ""): menu for path, menu in menus.items()}


def build_toolbar(window: QMainWindow, actions: ActionSet) -> QToolBar:
    """Return the bar of the commands used most, under the menus."""
    return _filled_bar(QToolBar("Tool bar", window), "toolbar", TOOLBAR, actions, window)


def build_drawing_bar(window: QMainWindow, actions: ActionSet) -> QToolBar:
    """Return the bar of the drawing tools, at the left."""
    bar = QToolBar("Drawing tools", window)
    window.addToolBar(Qt.ToolBarArea.LeftToolBarArea, bar)
    return _filled_bar(bar, "drawing", DRAWING_BAR, actions, window)


def _filled_bar(
    bar: QToolBar,
    name: str,
    groups: Sequence[Sequence[str]],
    actions: ActionSet,
    window: QMainWindow,
) -> QToolBar:
    bar.setObjectName(name)
    bar.setIconSize(QSize(20, 20))
    bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
    for index, group in enumerate(groups):
        if index:
            bar.addSeparator()
        for command_id in group:
            action = actions[command_id]
            bar.addAction(action)
            button = bar.widgetForAction(action)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setAccessibleName(action.iconText())
    if window.toolBarArea(bar) is Qt.ToolBarArea.NoToolBarArea:
        window.addToolBar(bar)
    return bar


def _menu_at(bar: QMenuBar, path: tuple[str, ...], menus: dict[tuple[str, ...], QMenu]) -> QMenu:
    """Return the menu at the end of the path, made with those above it where they are missing."""
    if path not in menus:
        *above, title = path
        parent = _menu_at(bar, tuple(above), menus) if above else bar
        menu = parent.addMenu(title)
        menu.setToolTipsVisible(True)
        menus[path] = menu
    return menus[path]
