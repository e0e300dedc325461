"""A model at work on the slide of a pane, and what it finds on the canvas."""

from __future__ import annotations

import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from viewer.plurals import percent
from viewer.processes.confinement.readable import cuda_devices
from viewer.ui.overlays.overlay import Overlay

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.runs.run_clock import Progress
    from viewer.overlays.area import Area
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.objects import Objects
    from viewer.overlays.result_map import BlockResult
    from viewer.ui.slides.slide_pane import SlidePane

_SETTLE_MS = 120
"""The engine gets the field once the view has rested this long, or it would chase a pan."""


class OverlayRun(Overlay):
    """Its engine ends with `shut_down`.

    Parameters
    ----------
    fed
        The model that the engine runs: the bundle itself, or the encoder of a slide model.
    stores
        Names of the stores whose results are shown too, besides those of batches that were run on
        this machine.
    """

    rested = Signal()
    """All that was asked for is known."""
    _block_came = Signal(object, object)
    _previewed = Signal(object, object)
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
        stores: Sequence[str] = (),
    ) -> None:
        from viewer.inference.runs.engine import Engine
        from viewer.inference.runs.plan import block_grid
        from viewer.inference.tasks.known import TASKS

        source, canvas = pane.source, pane.canvas
        mpp_um = canvas.optics.mean_mpp_um
        assert source is not None
        assert mpp_um is not None
        grid = block_grid(source, fed.description, mpp_um)
        about = fed.description
        found = TASKS[about.task].empty_map(grid, mpp_um, about.head)
        super().__init__(pane, bundle, found, parent)
        self._path = path
        self._wanted_device = device
        if device.startswith("cuda") and sys.platform == "linux" and not cuda_devices():
            self.device = "cpu"  # what was kept is shown without a process that would tell
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._look)
        canvas.view_changed.connect(self._on_view)
        self._block_came.connect(self._on_block)
        self._previewed.connect(self._on_preview)
        self._progressed.connect(self._on_progress)
        self._ready.connect(self._on_ready)
        self._trouble_came.connect(self._on_trouble)
        self._relay = _Relay(self)
        self._engine = Engine(
            path, self.identity, grid, mpp_um, fed, self._relay, device,
            falls_back=True, attached=partial(_all_stores, tuple(stores)),
            on_preview=self._relay.on_preview,
        )  # fmt: skip
        self._look()

    def run_over(self, area: Area) -> None:
        """Work through an area, after what is looked at."""
        from viewer.overlays.area import part_within

        self.is_stopped = False
        self._look()
        self._engine.run(part_within(area, self.pane.canvas.slide_box))

    def set_paused(self, *, paused: bool) -> None:
        """What the model has in hand is still finished."""
        self._engine.set_paused(paused=paused)

    def stop(self) -> None:
        """Find no more, whatever is looked at, before `run_over` is called."""
        self.is_stopped = True
        self._engine.stop()
        self.changed.emit()

    @property
    def can_run(self) -> bool:
        return True

    @property
    def process_id(self) -> int | None:
        """Return the id of the model's process, while there is one."""
        return self._engine.process_id

    def left_undone(self) -> str:
        if self.is_stopped or self.progress.total <= self.progress.done:
            return ""
        share = percent(self.progress.done / self.progress.total)
        return (
            f"{self.origin.name} ended on {self.pane.name_of(self._path)} with {share} done: what "
            "it found is kept. Run it there again to go on."
        )

    def shut_down(self) -> None:
        self._settle.stop()
        self._relay.cut_off()
        self._engine.end()
        self.pane.canvas.view_changed.disconnect(self._on_view)
        super().shut_down()

    def _on_view(self, _view: object, _cause: str) -> None:
        self._settle.start()

    @property
    def device_text(self) -> str:
        """Return what it runs on, and why not on the device that was asked for; "" before."""
        if not self.device:
            return ""
        kind = self.device.partition(":")[0].upper()
        wanted = self._wanted_device.partition(":")[0].upper()
        is_other = wanted not in ("AUTO", kind)
        return f"Running on {kind}" + (f": no {wanted} device found." if is_other else "")

    def _look(self) -> None:
        if self.is_stopped:
            return
        canvas = self.pane.canvas
        self._engine.look_at(canvas.view.box.intersection(canvas.slide_box))
        self.changed.emit()

    def _on_block(self, key: BlockKey, result: BlockResult) -> None:
        self.found.take(key, result)
        self.shown.refresh(key)
        if result.has_holes:
            self.refresh_holes()
        self.found_in.emit(key)
        self.changed.emit()

    def _on_preview(self, key: BlockKey, objects: Objects) -> None:
        self.shown.show_preview(key, objects)
        self.changed.emit()

    def _on_progress(self, progress: Progress) -> None:
        if progress != self.progress:
            has_come_to_rest = self.progress.is_busy and not progress.is_busy
            self.progress = progress
            self.changed.emit()
            if has_come_to_rest:
                self.rested.emit()

    def _on_ready(self, device: str) -> None:
        self.device = device
        self.changed.emit()

    def _on_trouble(self, sentence: str, is_final: bool) -> None:
        self.shown.end_preview()  # its block may never be known
        if is_final:
            self.failed.emit(sentence)
        else:
            self.troubled.emit(sentence)


def _all_stores(named: Sequence[str]) -> list[str]:
    """Return stores with those of batches; reads files, so it is called in a thread."""
    from viewer.cohort.batch import batch_stores

    return [*named, *batch_stores()]


class _Relay:
    """Hands what the engine's threads tell to the window's thread, until it is cut off."""

    def __init__(self, run: OverlayRun) -> None:
        self._run: OverlayRun | None = run
        self._lock = threading.RLock()

    def cut_off(self) -> None:
        """Hand over nothing from now on: the engine may end after the run is gone."""
        with self._lock:
            self._run = None

    def on_block(self, key: BlockKey, result: BlockResult) -> None:
        self._hand(lambda run: run._block_came.emit(key, result))

    def on_preview(self, key: BlockKey, objects: Objects) -> None:
        self._hand(lambda run: run._previewed.emit(key, objects))

    def on_progress(self, progress: Progress) -> None:
        self._hand(lambda run: run._progressed.emit(progress))

    def on_ready(self, device: str) -> None:
        self._hand(lambda run: run._ready.emit(device))

    def on_trouble(self, sentence: str, *, is_final: bool) -> None:
        self._hand(lambda run: run._trouble_came.emit(sentence, is_final))

    def _hand(self, emit: Callable[[OverlayRun], object]) -> None:
        with self._lock:
            if self._run is not None:
                emit(self._run)
