"""The menu bar, built from the registry of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.ui.commands import COMMANDS

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu, QMenuBar

    from viewer.ui.actions import ActionSet

MENU_ORDER = ("&File", "&Edit", "&View", "&Annotate", "A&I", "&Record", "&Help")


def build_menus(bar: QMenuBar, actions: ActionSet) -> dict[str, QMenu]:
    """Fill the menu bar; return the menus by title without the mnemonic mark."""
    menus: dict[tuple[str, ...], QMenu] = {}
    for title in MENU_ORDER:
        _menu_at(bar, (title,), menus)
    for command in COMMANDS:
        menu = _menu_at(bar, command.menu, menus)
        if command.separated:
            menu.addSeparator()
        menu.addAction(actions[command.id])
    return {path[-1].replace("&", ""): menu for path, menu in menus.items()}


def _menu_at(bar: QMenuBar, path: tuple[str, ...], menus: dict[tuple[str, ...], QMenu]) -> QMenu:
    """Return the menu at the end of the path, made with those above it where they are missing."""
    if path not in menus:
        *above, title = path
        parent = _menu_at(bar, tuple(above), menus) if above else bar
        menu = parent.addMenu(title)
        menu.setToolTipsVisible(True)
        menus[path] = menu
    return menus[path]
