"""What lies over the slide of a pane, gathered from those who put it there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from viewer.canvas.layer import LayerOrder
from viewer.ui.overlays.tissue_view import CLASSES
from viewer.ui.view.layer_entries import LayerEntry, from_top, moved

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.canvas.layer import Layer
    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.overlays.controller import OverlaysController
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.recording.controller import RecordingController
    from viewer.ui.slides.slide_pane import SlidePane

_IN_MODE = "Hidden while the mode at the top lasts."


@runtime_checkable
class Fading(Protocol):
    """A layer that can fade."""

    opacity: float


class PaneLayersHost(Protocol):
    """What the layers of a pane ask of the window."""

    annotations: AnnotationsController
    overlays: OverlaysController
    recording: RecordingController


class PaneLayers:
    """Gives the entries of a pane's Layers list, exactly what its canvas paints or hides."""

    def __init__(self, window: PaneLayersHost, pane: SlidePane) -> None:
        self._window = window
        self._pane = pane

    def entries(self) -> list[LayerEntry]:
        """Return what lies over the slide, what is painted last first; the slide at the end."""
        if self._pane.source is None:
            return []
        known = [
            *self._sets(),
            *self._overlays(),
            *self._coverage(),
            *self._tissue(),
        ]
        claimed = {id(layer) for entry in known for layer in entry.layers}
        known += [
            self._other(layer, name)
            for layer, name in self._pane.canvas.named_layers
            if id(layer) not in claimed
        ]
        return [*from_top(known), self._slide()]

    def move(self, key: str, step: int) -> None:
        """Paint the layer of a key further up (-1) or down (1) in the list."""
        order = moved(self.entries(), key, step)
        self._pane.canvas.set_order([entry.layers for entry in reversed(order) if entry.layers])

    # -----------------------------------------------------------------------------------------

    def _slide(self) -> LayerEntry:
        veil = self._pane.canvas.veil

        def fade(opacity: float) -> None:
            veil.set_slide_opacity(opacity)
            self._pane.canvas.update()

        return LayerEntry(
            "slide",
            "Slide",
            veil.is_slide_shown,
            lambda shown: (veil.show_slide(shown=shown), self._pane.canvas.update()),
            veil.slide_opacity,
            fade,
            order=LayerOrder.TILES,
        )

    def _order(self, layers: tuple[Layer, ...], stratum: LayerOrder) -> float:
        return self._pane.canvas.order_of(layers[0], stratum) if layers else float(stratum)

    def _note(self, layers: tuple[Layer, ...]) -> str:
        canvas = self._pane.canvas
        return _IN_MODE if layers and not canvas.paints(layers[0]) else ""

    def _sets(self) -> list[LayerEntry]:
        """Return a row for each set that was opened, and one for the signs of notes."""
        part, pane = self._window.annotations, self._pane
        sets, here, painted = part.sets_of(pane), part.of(pane), part.painted
        if sets is None:
            return []
        entries: list[LayerEntry] = []
        for entry in sets.entries:
            if not entry.is_open:
                continue
            layer = painted.layer_of(pane, entry)
            layers = () if layer is None else (layer,)
            stratum = LayerOrder.ANNOTATIONS if entry is sets.current else LayerOrder.SETS
            entries.append(
                LayerEntry(
                    f"set {entry.label}",
                    entry.label,
                    painted.is_shown(entry),
                    partial(painted.show_set, pane, entry),
                    entry.opacity,
                    partial(painted.fade_set, pane, entry),
                    layers,
                    self._order(layers, stratum),
                    note=self._note(layers),
                )
            )
        if here is not None and here.notes.count:
            entries.append(self._other(here.notes, "Notes"))
        return entries

    def _overlays(self) -> list[LayerEntry]:
        return [self._overlay(run) for run in self._window.overlays.all_of(self._pane)]

    def _overlay(self, run: Overlay) -> LayerEntry:
        return LayerEntry(
            f"overlay {run.listed_as}",
            run.origin.name,
            run.is_visible,
            partial(self._window.overlays.show_overlay, run),
            run.opacity,
            run.set_opacity,
            run.layers,
            self._order(run.layers, run.shown.stratum),
            tuple(run.shown.color_key()),
            run.shown.ramp(),
            self._note(run.layers) if run.is_visible else "",
        )

    def _coverage(self) -> list[LayerEntry]:
        """Return rows for what the page Coverage paints."""
        seen, entries = self._window.recording.panels.seen, list[LayerEntry]()
        if seen.canvas is not self._pane.canvas:
            return []
        for row in seen.painted():
            layers = (row.layer,)
            entries.append(
                LayerEntry(
                    f"coverage {row.name}",
                    row.name,
                    is_shown=True,
                    show=row.show,
                    opacity=row.layer.opacity,
                    fade=row.fade,
                    layers=layers,
                    order=self._order(layers, row.stratum),
                    ramp=row.ramp,
                    classes=row.classes,
                    note=self._note(layers),
                )
            )
        return entries

    def _tissue(self) -> list[LayerEntry]:
        tissue = self._window.overlays.tissue
        layer = tissue.layer_of(self._pane)
        if layer is None:
            return []
        return [
            LayerEntry(
                "tissue",
                "Tissue",
                is_shown=True,
                show=lambda shown: tissue.show_on(self._pane, shown=shown),
                opacity=layer.opacity,
                fade=self._fading(layer),
                layers=(layer,),
                order=self._order((layer,), LayerOrder.HEATMAPS),
                classes=CLASSES,
                note=self._note((layer,)),
            )
        ]

    def _other(self, layer: Layer, name: str) -> LayerEntry:
        """Return a layer that has no page where it is hidden and shown."""
        canvas = self._pane.canvas
        return LayerEntry(
            f"{name} {id(layer)}",
            name[:1].upper() + name[1:],
            not canvas.is_masked(layer),
            lambda shown: canvas.set_masked(layer, masked=not shown),
            layer.opacity if isinstance(layer, Fading) else 1.0,
            self._fading(layer) if isinstance(layer, Fading) else None,
            (layer,),
            canvas.order_of(layer, LayerOrder.TOOLS),
            note="" if canvas.is_masked(layer) else self._note((layer,)),
        )

    def _fading(self, layer: Fading) -> Callable[[float], object]:
        def fade(opacity: float) -> None:
            layer.opacity = opacity
            self._pane.canvas.update()

        return fade
