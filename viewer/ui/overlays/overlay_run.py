"""A model at work on the slide of a pane, and what it finds on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from viewer.inference.engine import Engine, Progress
from viewer.inference.plan import block_grid
from viewer.inference.results import add_result, empty_map
from viewer.overlays.object_map import ObjectMap
from viewer.ui.overlays.shown_attention import ShownAttention
from viewer.ui.overlays.shown_heatmap import ShownHeatmap
from viewer.ui.overlays.shown_objects import ShownObjects

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.inference.bundle import ModelBundle
    from viewer.inference.results import Result
    from viewer.overlays.blocks import BlockKey
    from viewer.ui.slide_pane import SlidePane

_SETTLE_MS = 120
"""The field is told to the engine once the view has rested as long, or it would chase a pan."""


class OverlayRun(QObject):
    """Owned by the part; `shut_down` ends the engine and takes the objects off the canvas.

    Parameters
    ----------
    fed
        The model that the engine runs: the bundle itself, or the encoder of a slide model.
    """

    changed = Signal()
    """Objects, progress or trouble changed."""
    failed = Signal(str)
    """The model cannot go on; one sentence."""
    troubled = Signal(str)
    """Something is missing; the model goes on."""

    _block_came = Signal(object, object)
    _progressed = Signal(object)
    _ready = Signal(str)
    _trouble_came = Signal(str, bool)

    def __init__(
        self,
        pane: SlidePane,
        path: Path,
        bundle: ModelBundle,
        fed: ModelBundle,
        device: str,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        source, canvas = pane.source, pane.canvas
        mpp_um = canvas.optics.mean_mpp_um
        assert source is not None
        assert mpp_um is not None
        self.pane = pane
        self.bundle = bundle
        self.identity = source.info.identity
        self.mpp_um = mpp_um
        self.device = ""
        self.progress = Progress(0, 0, 0.0, None, is_busy=False)
        grid = block_grid(source, fed.description, mpp_um)
        self.found = empty_map(fed.description.task, grid, mpp_um)
        if isinstance(self.found, ObjectMap):
            self.shown = ShownObjects(canvas, self.found, bundle, self)
        else:
            kind = ShownHeatmap if fed is bundle else ShownAttention
            self.shown = kind(canvas, self.found, bundle, self.identity, self)
        self.shown.changed.connect(self.changed)
        canvas.add_layer(self.shown.layer, self.shown.stratum)
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._look)
        canvas.view_changed.connect(self._on_view)
        self._block_came.connect(self._on_block)
        self._progressed.connect(self._on_progress)
        self._ready.connect(self._on_ready)
        self._trouble_came.connect(self._on_trouble)
        self._engine = Engine(path, self.identity, grid, mpp_um, fed, _Relay(self), device)
        self._look()

    def run_slide(self) -> None:
        """Works through the whole slide, after what is looked at."""
        self._engine.run(self.pane.canvas.slide_box)

    def stop(self) -> None:
        """No more of the whole slide; what is looked at goes on."""
        self._engine.stop()

    def set_visible(self, *, visible: bool) -> None:
        canvas, layer = self.pane.canvas, self.shown.layer
        if visible and not canvas.has_layer(layer):
            canvas.add_layer(layer, self.shown.stratum)
        elif not visible:
            canvas.remove_layer(layer)

    @property
    def is_visible(self) -> bool:
        return self.pane.canvas.has_layer(self.shown.layer)

    @property
    def opacity(self) -> float:
        return self.shown.layer.opacity

    def set_opacity(self, opacity: float) -> None:
        self.shown.layer.opacity = opacity
        self.pane.canvas.update()

    @property
    def process_id(self) -> int | None:
        """Of the model's process, while there is one."""
        return self._engine.process_id

    def shut_down(self) -> None:
        self._settle.stop()
        self._engine.close()
        self.shown.shut_down()
        self.pane.canvas.view_changed.disconnect(self._on_view)
        self.pane.canvas.remove_layer(self.shown.layer)

    def _on_view(self, _view: object, _cause: str) -> None:
        self._settle.start()

    def _look(self) -> None:
        canvas = self.pane.canvas
        self._engine.look_at(canvas.view.box.intersection(canvas.slide_box))
        self.changed.emit()

    def _on_block(self, key: BlockKey, result: Result) -> None:
        add_result(self.found, key, result)
        self.shown.refresh(key)
        self.changed.emit()

    def _on_progress(self, progress: Progress) -> None:
        if progress != self.progress:
            self.progress = progress
            self.changed.emit()

    def _on_ready(self, device: str) -> None:
        self.device = device
        self.changed.emit()

    def _on_trouble(self, sentence: str, is_final: bool) -> None:
        if is_final:
            self.failed.emit(sentence)
        else:
            self.troubled.emit(sentence)


class _Relay:
    """Hands what the engine's threads tell to the window's thread."""

    def __init__(self, run: OverlayRun) -> None:
        self._run = run

    def on_block(self, key: BlockKey, result: Result) -> None:
        self._run._block_came.emit(key, result)

    def on_progress(self, progress: Progress) -> None:
        self._run._progressed.emit(progress)

    def on_ready(self, device: str) -> None:
        self._run._ready.emit(device)

    def on_trouble(self, sentence: str, *, is_final: bool) -> None:
        self._run._trouble_came.emit(sentence, is_final)
