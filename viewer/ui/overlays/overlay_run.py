"""A model at work on the slide of a pane, and its objects on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from viewer.canvas.layer import Stratum
from viewer.canvas.objects_layer import ObjectsLayer
from viewer.inference.engine import Engine, Progress
from viewer.inference.plan import block_grid
from viewer.overlays.object_map import ObjectMap

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.inference.bundle import ModelBundle
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.objects import Objects
    from viewer.ui.slide_pane import SlidePane

_SETTLE_MS = 120
"""The field is told to the engine once the view has rested as long, or it would chase a pan."""


class OverlayRun(QObject):
    """Owned by the part; `shut_down` ends the engine and takes the objects off the canvas."""

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

    def __init__(self, pane: SlidePane, path: Path, bundle: ModelBundle, parent: QObject) -> None:
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
        grid = block_grid(source, bundle.description, mpp_um)
        self.objects = ObjectMap(grid, mpp_um)
        self.layer = ObjectsLayer()
        self.layer.show_map(self.objects, [colour for _, colour in bundle.colours])
        canvas.add_layer(self.layer, Stratum.OBJECTS)
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._look)
        canvas.view_changed.connect(self._on_view)
        self._block_came.connect(self._on_block)
        self._progressed.connect(self._on_progress)
        self._ready.connect(self._on_ready)
        self._trouble_came.connect(self._on_trouble)
        self._engine = Engine(path, self.identity, grid, mpp_um, bundle, _Relay(self))
        self._look()

    @property
    def count_in_view(self) -> int:
        """Objects whose middle is in the field of view."""
        box = self.pane.canvas.view.box
        count = 0
        for _, objects in self.objects.inside(box):
            x, y = objects.centroids[:, 0], objects.centroids[:, 1]
            count += int(((x >= box.x0) & (x < box.x1) & (y >= box.y0) & (y < box.y1)).sum())
        return count

    def run_slide(self) -> None:
        """Works through the whole slide, after what is looked at."""
        self._engine.run(self.pane.canvas.slide_box)

    def stop(self) -> None:
        """No more of the whole slide; what is looked at goes on."""
        self._engine.stop()

    def set_visible(self, *, visible: bool) -> None:
        canvas = self.pane.canvas
        if visible and not canvas.has_layer(self.layer):
            canvas.add_layer(self.layer, Stratum.OBJECTS)
        elif not visible:
            canvas.remove_layer(self.layer)

    @property
    def is_visible(self) -> bool:
        return self.pane.canvas.has_layer(self.layer)

    def set_opacity(self, opacity: float) -> None:
        self.layer.opacity = opacity
        self.pane.canvas.update()

    def set_filled(self, *, filled: bool) -> None:
        self.layer.is_filled = filled
        self.pane.canvas.update()

    @property
    def process_id(self) -> int | None:
        """Of the model's process, while there is one."""
        return self._engine.process_id

    def shut_down(self) -> None:
        self._settle.stop()
        self._engine.close()
        self.pane.canvas.view_changed.disconnect(self._on_view)
        self.pane.canvas.remove_layer(self.layer)

    def _on_view(self, _view: object, _cause: str) -> None:
        self._settle.start()

    def _look(self) -> None:
        canvas = self.pane.canvas
        self._engine.look_at(canvas.view.box.intersection(canvas.slide_box))
        self.changed.emit()

    def _on_block(self, key: BlockKey, objects: Objects) -> None:
        self.objects.add(key, objects)
        self.layer.refresh(key)
        if self.pane.canvas.view.box.intersects(self.objects.grid.input_box(key)):
            self.pane.canvas.update()
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

    def on_block(self, key: BlockKey, objects: Objects) -> None:
        self._run._block_came.emit(key, objects)

    def on_progress(self, progress: Progress) -> None:
        self._run._progressed.emit(progress)

    def on_ready(self, device: str) -> None:
        self._run._ready.emit(device)

    def on_trouble(self, sentence: str, *, is_final: bool) -> None:
        self._run._trouble_came.emit(sentence, is_final)
