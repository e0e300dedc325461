"""What lies on the slides of a window: layers, map buttons, context menu, microscope mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from viewer.ui.services import SettingsHost
from viewer.ui.view.context_menu import CanvasMenu, CanvasMenuHost
from viewer.ui.view.pane_layers import PaneLayers, PaneLayersHost
from viewer.ui.view.pane_overlay import PaneOverlay

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenuBar

    from viewer.geometry import Point
    from viewer.ui.annotations.toolbox import Toolbox
    from viewer.ui.shell.frame import WindowFrame
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.status_bar import WindowStatusBar


class ViewHost(CanvasMenuHost, PaneLayersHost, SettingsHost, Protocol):
    """What the view asks of the window."""

    frame: WindowFrame
    status: WindowStatusBar
    toolbox: Toolbox

    def menuBar(self) -> QMenuBar:
        """Return the menus over everything."""
        ...


class ViewController(QObject):
    """Owned by the window."""

    def __init__(self, window: ViewHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._overlays: dict[SlidePane, PaneOverlay] = {}
        self.menu = CanvasMenu(window)
        self.is_bare = False
        window.overlays.values.others.append(self._time_at)
        window.panes.watch(self._watch)
        window.panes.panes_changed.connect(self._on_panes_changed)

    def apply_settings(self) -> None:
        """Give the maps of all panes the size that is kept."""
        for overlay in self._overlays.values():
            overlay.set_map_px(self._window.settings.overview_px)

    def set_microscope(self, *, on: bool) -> None:
        """Show slides, scale bars and maps alone, or all round them as it was."""
        self.is_bare = on
        window = self._window
        window.frame.set_bare(bare=on)
        window.menuBar().setVisible(not on)
        window.status.setVisible(not on)
        window.annotations.tool_options.show_tool(window.toolbox.name)
        for pane, overlay in self._overlays.items():
            pane.bars.set_bare(bare=on)
            overlay.set_bare(bare=on)
        window.panes.active.focus()

    # -----------------------------------------------------------------------------------------

    def _watch(self, pane: SlidePane) -> None:
        window = self._window
        overlay = PaneOverlay(
            pane, window.commands, PaneLayers(window, pane), window.settings.overview_px
        )
        overlay.map_resized.connect(lambda px: window.change_settings(overview_px=px))
        overlay.activated.connect(lambda: window.panes.activate(pane))
        pane.canvas.menu_requested.connect(lambda at: self._open_menu(pane, at))
        self._overlays[pane] = overlay
        if self.is_bare:
            pane.bars.set_bare(bare=True)
            overlay.set_bare(bare=True)

    def _on_panes_changed(self) -> None:
        for pane in [pane for pane in self._overlays if pane not in self._window.panes.panes]:
            del self._overlays[pane]

    def _open_menu(self, pane: SlidePane, at: Point | None) -> None:
        if pane.source is not None:
            self.menu.open(pane, at)

    def _time_at(self, pane: SlidePane, point: Point) -> str:
        seen = self._window.recording.panels.seen
        return seen.value_at(point) if seen.canvas is pane.canvas else ""
