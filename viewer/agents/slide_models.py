"""The bundled models at an agent's hand: each kept at work on the slide as long as it is needed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from viewer.agents.errors import ToolError
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.model_library import find_model
from viewer.inference.runs.engine import Engine
from viewer.inference.runs.plan import block_grid
from viewer.inference.tasks.known import TASKS
from viewer.overlays.objects import Objects

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.agents.canceling import Cancel
    from viewer.geometry import Box
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.runs.run_clock import Progress
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.patch_feature_map import PatchFeatureMap
    from viewer.overlays.result_map import BlockResult
    from viewer.slides.source import SlideSource

_MOST_BLOCKS = 96
"""Of a model, computed for one call: some tens of seconds without a GPU."""
_PATIENCE_S = 0.2


class SlideModels:
    """Models on one slide, by name, each in its process from the first call to `close`.

    What they find is kept as for the window, so nothing is computed twice.

    Parameters
    ----------
    path
        Of the slide.
    mpp_um
        Micrometers per level-0 pixel; None where nobody has said, and no model can run.
    """

    def __init__(
        self, path: Path, source: SlideSource, mpp_um: float | None, device: str = "auto"
    ) -> None:
        self._path = path.absolute()
        self._source = source
        self.mpp_um = mpp_um
        self._device = device
        self._running: dict[str, _Running] = {}

    def objects_in(self, model: str, box: Box, cancel: Cancel) -> Objects:
        """Return the objects whose middle lies in a level-0 box.

        Raises
        ------
        ToolError
            One sentence says why there is no result.
        AgentCancelledError
            The user stopped it.
        """
        objects = self._computed(model, box, cancel).objects(box)
        x, y = objects.centroids[:, 0], objects.centroids[:, 1]
        return objects.taken((x >= box.x0) & (x < box.x1) & (y >= box.y0) & (y < box.y1))

    def cells_of(self, model: str, box: Box, cancel: Cancel) -> PatchFeatureMap:
        """Return what is known of the slide's cells once all in a level-0 box are.

        Raises the same.
        """
        found = self._computed(model, box, cancel).found.as_patches
        assert found is not None
        return found

    def bundle(self, model: str) -> ModelBundle:
        """Return a model by its name. Raises ToolError."""
        try:
            return find_model(model)
        except BundleError as error:
            raise ToolError(str(error)) from error

    def close(self) -> None:
        """End all processes."""
        for running in self._running.values():
            running.engine.close()
        self._running.clear()

    def _computed(self, model: str, box: Box, cancel: Cancel) -> _Running:
        if model not in self._running:
            self._running[model] = self._started(model)
        running = self._running[model]
        running.compute(box, cancel)
        return running

    def _started(self, model: str) -> _Running:
        if self.mpp_um is None:
            raise ToolError("The pixel size is unknown: set it to run models.")
        bundle = self.bundle(model)
        return _Running(self._path, self._source, bundle, self.mpp_um, self._device)


class _Running:
    """A model at work; hears its engine in the engine's threads."""

    def __init__(
        self, path: Path, source: SlideSource, bundle: ModelBundle, mpp_um: float, device: str
    ) -> None:
        self._grid = block_grid(source, bundle.description, mpp_um)
        self.found = TASKS[bundle.task].empty_map(self._grid, mpp_um)
        self._changed = threading.Condition()
        self._known: set[BlockKey] = set()
        self._is_through = False
        self._failure = ""
        identity = source.info.identity
        self.engine = Engine(path, identity, self._grid, mpp_um, bundle, self, device)

    def compute(self, box: Box, cancel: Cancel) -> None:
        """Wait until all of a level-0 box is known, as far as it can be read."""
        wanted = set(self._grid.covering(box))
        if len(wanted) > _MOST_BLOCKS:
            side_px = (_MOST_BLOCKS**0.5) * self._grid.side
            raise ToolError(
                f"The box is too large: give one of about {side_px:.0f} x {side_px:.0f} "
                "level-0 pixels at most."
            )
        with self._changed:
            self._is_through = wanted <= self._known
        if self._is_through:
            return
        self.engine.run(box)
        with self._changed:
            while not (wanted <= self._known or self._is_through or self._failure):
                if cancel.is_set:
                    self.engine.stop()
                    cancel.check()
                self._changed.wait(_PATIENCE_S)
            if self._failure:
                raise ToolError(self._failure)

    def objects(self, box: Box) -> Objects:
        """Return those of the blocks that a level-0 box meets.

        Others may be on their way meanwhile.
        """
        found = self.found.as_objects
        assert found is not None
        with self._changed:
            return Objects.joined([objects for _, objects in found.inside(box)])

    def on_block(self, key: BlockKey, result: BlockResult) -> None:
        with self._changed:
            self.found.take(key, result)
            self._known.add(key)
            self._changed.notify_all()

    def on_progress(self, progress: Progress) -> None:
        if progress.total and progress.done == progress.total and not progress.is_busy:
            with self._changed:
                self._is_through = True
                self._changed.notify_all()

    def on_ready(self, device: str) -> None: ...

    def on_trouble(self, sentence: str, *, is_final: bool) -> None:
        if is_final:
            with self._changed:
                self._failure = sentence
                self._changed.notify_all()
