"""A widget that paints layers over one another, the slide's tiles the lowest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QPainter

from viewer.canvas.input_widget import InputWidget
from viewer.canvas.layer import Layer, LayerOrder, Scene, shown_names
from viewer.canvas.layer_stack import LayerStack
from viewer.canvas.qt_guard import failures, guarded

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from PySide6.QtGui import QPaintEvent
    from PySide6.QtWidgets import QWidget

    from viewer.slides.source import SlideSource


class LayeredWidget(InputWidget):
    """Paints a stack of layers; a subclass says of which scene."""

    layers_changed = Signal(object)
    """The names of the layers that now paint something over the slide, a frozenset of str."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._source: SlideSource | None = None
        self._stack = LayerStack()
        self.shown_layers: frozenset[str] = frozenset()
        """Names of the layers that the last frame had over the slide."""
        self.is_finished = True
        """Whether the last frame had all that belongs in it."""

    def add_layer(self, layer: Layer, stratum: LayerOrder) -> None:
        """Paint a layer above those of the same and lower strata, or where it was moved to."""
        self._stack.add(layer, stratum)
        self.update()

    def remove_layer(self, layer: Layer) -> None:
        """No longer paints a layer."""
        self._stack.remove(layer)
        self.update()

    def has_layer(self, layer: Layer) -> bool:
        """Return whether a layer lies on the slide, be it hidden by a mode or by itself."""
        return layer in self._stack

    def paints(self, layer: Layer) -> bool:
        """Return whether a layer lies on the slide and is hidden by nothing."""
        return self._stack.paints(layer)

    def paint_only(self, layers: Collection[Layer] | None) -> None:
        """Paint over the slide only these and the tool in hand; None paints all again."""
        self._stack.paint_only(layers)
        self.update()

    def set_masked(self, layer: Layer, *, masked: bool) -> None:
        """Hide a layer that has no state of its own for that, or show it again."""
        self._stack.set_masked(layer, masked=masked)
        self.update()

    def is_masked(self, layer: Layer) -> bool:
        """Return whether a layer is hidden by itself."""
        return self._stack.is_masked(layer)

    @property
    def named_layers(self) -> list[tuple[Layer, str]]:
        """Return the layers over the slide that say what they show now, painted or not."""
        return self._stack.named()

    def order_of(self, layer: Layer, stratum: LayerOrder) -> float:
        """Return where a layer is painted, or would be; the lower the earlier."""
        return self._stack.order_of(layer, stratum)

    def set_order(self, groups: Sequence[Sequence[Layer]]) -> None:
        """Paint groups of layers in this order, the lowest first, under the tools."""
        self._stack.set_order(groups)
        self.update()

    def layers_over_slide(self) -> list[tuple[LayerOrder, Layer]]:
        """Return what is painted over the tiles, the lowest first; no tool, no scale bar."""
        over = (LayerOrder.HEATMAPS, LayerOrder.OBJECTS, LayerOrder.SETS, LayerOrder.ANNOTATIONS)
        return [entry for entry in self._stack if entry[0] in over]

    # For subclasses --------------------------------------------------------------------------

    @property
    def _scene(self) -> Scene:
        """Return what layers need to know to paint the next frame."""
        raise NotImplementedError

    def _paint_soon(self) -> None:
        """Paint another frame, as the last one lacked something."""

    # -----------------------------------------------------------------------------------------

    @guarded()
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        scene = self._scene
        is_unfinished = False
        for stratum, layer in self._stack:
            if self._source is None and stratum is not LayerOrder.TILES:
                continue
            is_unfinished |= self._paint_layer(layer, painter, scene)
        painter.end()
        self._note_layers()
        self.is_finished = not is_unfinished
        if is_unfinished:
            self._paint_soon()

    def _note_layers(self) -> None:
        """Tell what was painted over the slide, where that is another set than before."""
        layers = [layer for _, layer in self._stack] if self._source else []
        shown = frozenset(name for layer in layers for name in shown_names(layer))
        if shown != self.shown_layers:
            self.shown_layers = shown
            self.layers_changed.emit(shown)

    def _paint_layer(self, layer: Layer, painter: QPainter, scene: Scene) -> bool:
        """Paint one layer; one that fails leaves the others on screen."""
        painter.save()
        painter.setOpacity(getattr(layer, "opacity", 1.0))
        try:
            return bool(layer.paint(painter, scene))
        except Exception as error:
            failures.report(f"{type(layer).__name__}.paint", error)
            painter.end()  # whatever it saved, clipped or turned
            painter.begin(self)
            painter.save()
            return False
        finally:
            painter.restore()
