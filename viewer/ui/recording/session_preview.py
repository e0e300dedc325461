"""The path of the session that is selected in the list, on the slide while it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from viewer.canvas.layer import LayerOrder
from viewer.geometry import Box
from viewer.ui.recording.scrub_bar import action_color

if TYPE_CHECKING:
    from viewer.recording.trace import Action
    from viewer.ui.slides.slide_pane import SlidePane


class SessionPreview(QObject):
    """Paints one session at a time on one pane."""

    changed = Signal(bool)
    """A path is on a slide from now on, or no longer."""

    def __init__(self, parent: QObject) -> None:
        from viewer.canvas.scanpath_layer import ScanpathLayer

        super().__init__(parent)
        self._layer = ScanpathLayer(name="path of the selected session")
        self.pane: SlidePane | None = None

    def show(self, actions: list[Action], pane: SlidePane) -> None:
        """Show the fields of a session on a pane with its slide, numbered and joined."""
        self.clear()
        self.pane = pane
        self._layer.show_boxes([(Box(*each.box), action_color(each)) for each in actions])
        pane.canvas.add_layer(self._layer, LayerOrder.TOOLS)
        pane.canvas.update()
        self.changed.emit(True)

    def clear(self) -> None:
        """Show nothing."""
        pane, self.pane = self.pane, None
        self._layer.clear()
        if pane is not None:
            pane.canvas.remove_layer(self._layer)
            pane.canvas.update()
            self.changed.emit(False)
