"""The panels round the slides: where they stand, and how they are shown and hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtWidgets import QDockWidget, QMainWindow

    from viewer.ui.actions import ActionSet

LEFT = Qt.DockWidgetArea.LeftDockWidgetArea
RIGHT = Qt.DockWidgetArea.RightDockWidgetArea
BOTTOM = Qt.DockWidgetArea.BottomDockWidgetArea


@dataclass(frozen=True, slots=True)
class DockGroup:
    """Panels that share a place, one over the other as tabs.

    Attributes
    ----------
    docks
        By the last word of their command, "panels.NAME".
    width_px, height_px
        What the group takes of the window when one of them is shown; None as Qt likes it.
    """

    area: Qt.DockWidgetArea
    docks: dict[str, QDockWidget]
    width_px: int | None = None
    height_px: int | None = None


class WindowDocks(QObject):
    """Places the panels of a window; all are hidden at first.

    Parameters
    ----------
    give_back
        Puts the keyboard back on the slide when a panel is hidden.
    """

    def __init__(
        self,
        window: QMainWindow,
        actions: ActionSet,
        groups: Sequence[DockGroup],
        give_back: Callable[[], object],
    ) -> None:
        super().__init__(window)
        self._window = window
        self._groups = groups
        self._give_back = give_back
        self._seen: list[str] = []
        for group in groups:
            for dock in group.docks.values():
                dock.hide()  # first, or the window grows for the height of all of them
            first, *others = group.docks.values()
            window.addDockWidget(group.area, first)
            for dock in others:
                window.addDockWidget(group.area, dock)
                window.tabifyDockWidget(first, dock)
        for group in groups:
            for name, dock in group.docks.items():
                command = f"panels.{name}"
                dock.toggleViewAction().toggled.connect(actions[command].setChecked)
                actions.on_toggle(command, lambda shown, dock=dock: self._show(dock, shown=shown))
                dock.visibilityChanged.connect(
                    lambda is_seen, name=name: self._note(name, is_seen=is_seen)
                )
        self._resize(Qt.Orientation.Horizontal)

    @property
    def front(self) -> str:
        """Return the name of the panel with the keyboard, else of the one that came last."""
        focused = self._window.focusWidget()
        for group in self._groups:
            for name, dock in group.docks.items():
                if focused is not None and dock.isAncestorOf(focused):
                    return name
        return self._seen[-1] if self._seen else ""

    def _note(self, name: str, *, is_seen: bool) -> None:
        if name in self._seen:
            self._seen.remove(name)
        if is_seen:
            self._seen.append(name)

    def check(self, actions: ActionSet) -> None:
        """Checks the commands of the panels that are shown, as after a restored state."""
        for group in self._groups:
            for name, dock in group.docks.items():
                actions[f"panels.{name}"].setChecked(not dock.isHidden())

    def _show(self, dock: QDockWidget, *, shown: bool) -> None:
        dock.setVisible(shown)
        if not shown:
            self._give_back()
            return
        self._resize(Qt.Orientation.Vertical)
        dock.raise_()
        dock.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _resize(self, along: Qt.Orientation) -> None:
        is_height = along is Qt.Orientation.Vertical
        wanted = [
            (dock, size_px)
            for group in self._groups
            if (size_px := group.height_px if is_height else group.width_px) is not None
            for dock in group.docks.values()
        ]
        self._window.resizeDocks(
            [dock for dock, _ in wanted], [size_px for _, size_px in wanted], along
        )
