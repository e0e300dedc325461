"""What counts as tissue and what models skip, painted over the slide of a pane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from PySide6.QtCore import QObject

from viewer.canvas.layer import LayerOrder
from viewer.canvas.patch_layer import PatchLayer
from viewer.plurals import percent
from viewer.slides.tissue import both_masks
from viewer.ui.services import CommandHost, MessageHost, PaneHost

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.source import SlideSource
    from viewer.slides.tissue import TissueMask
    from viewer.ui.background_runner import BackgroundRunner
    from viewer.ui.slides.slide_pane import SlidePane

_TISSUE_RGBA, _SKIPPED_RGBA = (0, 158, 115, 255), (60, 60, 60, 255)
CLASSES = (("Tissue", "#009e73"), ("Skipped by models", "#3c3c3c"))
"""The color key."""


class TissueHost(MessageHost, PaneHost, CommandHost, Protocol):
    """What showing the tissue asks of the window."""


class TissueView(QObject):
    """Shown and hidden by its command; made anew each time, with what was drawn meanwhile."""

    def __init__(self, window: TissueHost, background: BackgroundRunner, parent: QObject) -> None:
        super().__init__(parent)
        self._window, self._background = window, background
        self._layers: dict[SlidePane, PatchLayer] = {}
        window.commands.on_toggle("overlays.tissue", self._toggle)
        window.panes.watch(self._watch)
        window.panes.active_changed.connect(lambda _: self._show_checked())

    def layer_of(self, pane: SlidePane) -> PatchLayer | None:
        """Return what paints the tissue in a pane; None where it is not shown."""
        return self._layers.get(pane)

    def show_on(self, pane: SlidePane, *, shown: bool) -> None:
        """Show or hide the tissue of a pane, as the command does."""
        self._window.panes.activate(pane)
        if self._window.commands["overlays.tissue"].isChecked() != shown:
            self._window.commands["overlays.tissue"].trigger()

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_changed.connect(self._hide)

    def _toggle(self, on: bool) -> None:
        pane = self._window.panes.active
        self._hide(pane)
        source = pane.source
        if not on or source is None:
            self._show_checked()
            return
        self._window.say("Looking for tissue...")
        self._background.run(
            lambda: _masks(source),
            lambda masks: self._show(pane, source, *masks),
            lambda error: self._window.show_error(f"The tissue is not known: {error}"),
        )

    def _show(
        self, pane: SlidePane, source: SlideSource, tissue: TissueMask, candidates: TissueMask
    ) -> None:
        from viewer.annotations.tissue_correction import IGNORE, TISSUE

        if pane.source is not source:
            return
        self._hide(pane)
        layer = PatchLayer("tissue")
        width_px, height_px = tissue.cell_px
        colors = _colors(tissue, candidates)
        layer.show_colors(colors, width_px, smooth=False, cell_height_px=height_px)
        self._layers[pane] = layer
        pane.canvas.add_layer(layer, LayerOrder.HEATMAPS)
        share, skipped = float(tissue.cells.mean()), 1 - float(candidates.cells.mean())
        box, mpp_um = pane.canvas.slide_box, pane.canvas.optics.mean_mpp_um
        area = (
            ""
            if mpp_um is None
            else f"{share * box.width * box.height * mpp_um**2 / 1e6:.3g} mm², "
        )
        self._window.say(
            f"Tissue (green): {area}{percent(share)} of the slide. Models skip what is gray, "
            f"{percent(skipped)}. Regions of the classes {TISSUE} and {IGNORE} correct both."
        )
        self._show_checked()

    def _hide(self, pane: SlidePane) -> None:
        layer = self._layers.pop(pane, None)
        if layer is not None:
            pane.canvas.remove_layer(layer)
        self._show_checked()

    def _show_checked(self) -> None:
        is_on = self._window.panes.active in self._layers
        self._window.commands["overlays.tissue"].setChecked(is_on)


def _masks(source: SlideSource) -> tuple[TissueMask, TissueMask]:
    """For worker threads."""
    from viewer.annotations.tissue_correction import kept_correction

    correction = kept_correction(source.info.identity, source.path)
    tissue, candidates = both_masks(source)
    return correction.applied(tissue), correction.applied(candidates)


def _colors(tissue: TissueMask, candidates: TissueMask) -> NDArray[np.uint8]:
    colors = np.zeros((*tissue.cells.shape, 4), np.uint8)
    colors[~candidates.cells] = _SKIPPED_RGBA
    colors[tissue.cells] = _TISSUE_RGBA
    return colors
