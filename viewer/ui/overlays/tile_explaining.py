"""Shows on the slide which parts of a tile, or which patches of it, speak for a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from PySide6.QtCore import QObject

from viewer.canvas.layer import LayerOrder
from viewer.canvas.patch_layer import PatchLayer
from viewer.geometry import ORIGIN, Point
from viewer.inference.tasks.known import TASKS
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.overlays.explanation_page import ExplanationPage
from viewer.ui.overlays.services import OverlaysOn
from viewer.ui.services import CommandHost, MessageHost, PaneHost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.runs.explaining import Explanation
    from viewer.inference.runs.explaining_slides import SlideExplanation
    from viewer.inference.runs.part_weights import PartWeights
    from viewer.overlays.patch_feature_map import PatchFeatureMap
    from viewer.ui.overlays.overlay_source import OverlaySource
    from viewer.ui.overlays.overlays_panel import OverlaysPanel
    from viewer.ui.slides.slide_pane import SlidePane

_NO_CLASSIFIER = "On the page AI, turn on a classifier of tiles or a slide model first."
_WARM = (255, 140, 0)
_MOST_ALPHA = 230


class ExplainerHost(MessageHost, PaneHost, CommandHost, Protocol):
    """What explaining a tile asks of the window."""


class ExplainedOverlays(OverlaysOn, Protocol):
    """The overlays that are explained, and the page that lists them."""

    panel: OverlaysPanel


class TileExplainer(QObject):
    """Owned by the part; `shut_down` ends its thread."""

    def __init__(self, window: ExplainerHost, overlays: ExplainedOverlays, parent: QObject) -> None:
        super().__init__(parent)
        self._window = window
        self._overlays = overlays
        self._command = window.commands["overlays.explain"]
        self._background = BackgroundRunner("explain", 1, self)
        self._layer = PatchLayer("Explanation")
        self._layer.opacity = 1.0
        self._pane: SlidePane | None = None
        self._task: Task | None = None
        self._explained: ModelBundle | None = None
        self._ways: Sequence[PartWeights] = ()
        self._place = (1.0, ORIGIN)
        """Side of a part, level-0 pixels, and where the first lies."""
        self.page = ExplanationPage(overlays.panel)
        overlays.panel.add_page(self.page)
        self.page.way_chosen.connect(self._paint)
        self.page.end_wanted.connect(self._end)
        overlays.panel.models.switched.connect(self._on_switched)
        window.commands.on_toggle("overlays.explain", self.set_shown)
        window.panes.panes_changed.connect(self._on_panes_changed)

    def shut_down(self) -> None:
        """Take the explanation away and end the thread."""
        self._end()
        self._background.close()

    def set_shown(self, on: bool) -> None:
        """Explain what is on, or no more.

        A classifier is asked about the tile in the middle of the view, a slide model about all
        patches that are known.
        """
        from viewer.inference.models.bundle import ModelBundle
        from viewer.inference.runs.explaining import explain_tile

        self._end()
        if not on:
            return
        pane, run = self._window.panes.active, self._overlays.active
        bundle = run.origin if run is not None else None
        explains = TASKS[bundle.task].explains if isinstance(bundle, ModelBundle) else ""
        if run is None or not isinstance(bundle, ModelBundle) or not explains:
            self._command.setChecked(False)
            self._window.say(_NO_CLASSIFIER)
            return
        path, at = pane.path, pane.canvas.view.box.center
        mpp_um = pane.canvas.optics.mean_mpp_um
        if path is None:
            self._command.setChecked(False)
            return
        self._pane, self._explained = pane, bundle
        self._command.setChecked(True)
        pane.slide_changed.connect(self._on_slide_changed)
        pane.canvas.add_layer(self._layer, LayerOrder.OBJECTS)
        if (patches := run.found.as_patches) is not None and explains == "slide":
            self._explain_slide(bundle, patches)
            return
        self._say(f"{bundle.name} is explained in the middle of the view...")
        self._task = self._background.run(
            lambda: explain_tile(path, bundle, at, "", mpp_um), self._show, self._on_failed
        )

    def _explain_slide(self, bundle: ModelBundle, found: PatchFeatureMap) -> None:
        from viewer.inference.runs.explaining_slides import explain_slide

        def show(explained: SlideExplanation) -> None:
            self._show_ways(explained, found.raster_px, found.origin)

        self._say(f"{bundle.name} is explained by all patches that it knows...")
        self._task = self._background.run(
            lambda: explain_slide(bundle, found), show, self._on_failed
        )

    def _say(self, sentence: str) -> None:
        self.page.show_waiting(sentence)
        self._overlays.panel.show_page(self.page, is_shown=True)
        self._window.say(sentence)

    def _show(self, found: Explanation) -> None:
        side_px = found.box.width / found.by_class.values.shape[1]
        self._show_ways(found, side_px, Point(found.box.x0, found.box.y0))

    def _show_ways(
        self, found: Explanation | SlideExplanation, side_px: float, origin: Point
    ) -> None:
        self._ways, self._place = found.ways, (side_px, origin)
        name = "" if self._explained is None else self._explained.name
        outcome = f"{name}: {found.name} {found.chance:.2f}"
        self.page.show_ways(outcome, found.ways, found.note)
        self._paint(0)
        self._window.say(found.sentence)

    def _paint(self, number: int) -> None:
        """Paint one of the maps, what counts in warm colors."""
        pane = self._pane
        if pane is None or not 0 <= number < len(self._ways):
            return
        way, (side_px, origin) = self._ways[number], self._place
        self.page.show_tested(way)
        values = np.nan_to_num(way.values)
        share = np.clip(values / max(float(values.max()), 1e-12), 0, 1)
        rgba = np.empty((*share.shape, 4), np.uint8)
        rgba[..., :3] = _WARM
        rgba[..., 3] = share * _MOST_ALPHA
        self._layer.show_colors(rgba, side_px, origin=origin)
        pane.canvas.update()

    def _on_failed(self, error: Exception) -> None:
        self._end()
        self._window.show_error(str(error))

    def _on_switched(self, source: OverlaySource, is_on: bool) -> None:
        if not is_on and self._explained is not None and source.key == self._explained.key:
            self._end()

    def _on_slide_changed(self, _: object) -> None:
        self._end()

    def _on_panes_changed(self) -> None:
        if self._pane is not None and self._pane not in self._window.panes.panes:
            self._pane = None
            self._end()

    def _end(self) -> None:
        self._command.setChecked(False)
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._layer.clear()
        self._ways, self._explained = (), None
        self.page.hide()
        pane, self._pane = self._pane, None
        if pane is not None:
            pane.slide_changed.disconnect(self._on_slide_changed)
            pane.canvas.remove_layer(self._layer)
            pane.canvas.update()
