"""What floats over a pane's canvas: the buttons at the map, its corner, the Layers button."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Signal

from viewer.canvas.overview import LEAST_PX, MOST_PX
from viewer.canvas.qt_guard import guarded
from viewer.ui.view.layers_popover import LayersButton, LayersPopover
from viewer.ui.view.map_cluster import MapCluster, MapGrip

if TYPE_CHECKING:
    from viewer.ui.actions import ActionSet
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.view.pane_layers import PaneLayers

_MARGIN_PX, _GAP_PX = 12, 8
_MOVING = (QEvent.Type.Resize, QEvent.Type.Move, QEvent.Type.Show, QEvent.Type.Hide)


class PaneOverlay(QObject):
    """Places widgets over the canvas; they belong to the pane, so pictures of the canvas lack them.

    Parameters
    ----------
    map_px
        The length of the map's longer side, logical pixels.
    """

    map_resized = Signal(float)
    """The user gave the map another size, which is to be kept."""
    activated = Signal()
    """One of the buttons is pressed: its pane is meant."""

    def __init__(
        self, pane: SlidePane, actions: ActionSet, layers: PaneLayers, map_px: float
    ) -> None:
        super().__init__(pane)
        self._pane = pane
        self._map_px = map_px
        self._is_bare = False
        self.layers = layers
        self.cluster = MapCluster(actions, pane)
        self.grip = MapGrip(pane)
        self.button = LayersButton(pane)
        self.button.take_popover(LayersPopover(layers.entries, layers.move, self.button))
        self._bar = pane.mode_bar
        self._widgets = (self.cluster, self.grip, self.button, self._bar)
        pane.modes.bar_changed.connect(self.place)
        self.cluster.pressed.connect(self.activated)
        self.button.pressed.connect(self.activated)
        self.grip.dragged.connect(self._resize_map)
        self.grip.let_go.connect(lambda: self.map_resized.emit(self._map_px))
        pane.canvas.set_overview_px(map_px)
        pane.canvas.installEventFilter(self)
        pane.canvas.source_changed.connect(self.place)
        self.place()

    def set_map_px(self, map_px: float) -> None:
        """Give the map this size."""
        if map_px != self._map_px:
            self._map_px = map_px
            self._pane.canvas.set_overview_px(map_px)
        self.place()

    def set_bare(self, *, bare: bool) -> None:
        """Show the slide, scale bar and map alone, or the buttons too."""
        self._is_bare = bare
        self.place()

    def place(self) -> None:
        """Put everything where it belongs now."""
        canvas = self._pane.canvas
        is_shown = canvas.isVisible() and canvas.source is not None and not self._is_bare
        area = QRect(canvas.mapTo(self._pane, QPoint(0, 0)), canvas.size())
        overview = canvas.overview_rect
        right = area.right() - _MARGIN_PX
        if overview is not None:
            right = area.left() + round(overview.left()) - _GAP_PX
            here = overview.toRect().translated(area.topLeft())
            self.grip.place(here)
        self.cluster.move(right - self.cluster.width(), area.top() + _MARGIN_PX)
        hint = self.button.sizeHint()
        self.button.setGeometry(
            area.right() - _MARGIN_PX - hint.width(),
            area.bottom() - _MARGIN_PX - hint.height(),
            hint.width(),
            hint.height(),
        )
        is_high = area.height() > self.cluster.height() + hint.height() + 3 * _MARGIN_PX
        self.cluster.setVisible(is_shown and is_high)
        self.grip.setVisible(is_shown and overview is not None)
        self.button.setVisible(is_shown)
        first = area.left() + _GAP_PX
        self._bar.fit((self.cluster.x() if is_high else area.right()) - _GAP_PX - first)
        middle = area.left() + (area.width() - self._bar.width()) // 2
        beside = self.cluster.x() - _GAP_PX - self._bar.width()
        left = max(first, min(middle, beside))
        self._bar.move(left, area.top() + _GAP_PX)
        self._bar.setVisible(is_shown and bool(self._pane.modes.names))
        if self._bar.isVisible() and self._bar.geometry().intersects(self.cluster.geometry()):
            self.cluster.move(self.cluster.x(), self._bar.geometry().bottom() + _GAP_PX)
        for widget in self._widgets:
            widget.raise_()

    @guarded(False)
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._pane.canvas and event.type() in _MOVING:
            self.place()
        return False

    def _resize_map(self, more_px: float) -> None:
        canvas = self._pane.canvas
        shown = canvas.overview_rect
        now = max(shown.width(), shown.height()) if shown is not None else self._map_px
        self._map_px = min(max(now + more_px, LEAST_PX), MOST_PX)
        canvas.set_overview_px(self._map_px)
        self.place()
