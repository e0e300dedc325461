"""In the model process: blocks are fed to the model and cut into objects, each in a thread."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.geometry import Point
from viewer.inference.errors import ModelFailedError
from viewer.inference.process.batches import Batches
from viewer.inference.process.messages import Alive, Compute, Done, Refused
from viewer.inference.process.preview_messages import Previewed
from viewer.inference.steps.known import steps_of
from viewer.inference.teaching.errors import TeachingError
from viewer.memory.allocator import give_memory_back
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.processes.channel import ChannelClosedError
from viewer.processes.shared_pixels import SharedPixels, take_over

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from viewer.inference.models.description import ModelDescription
    from viewer.inference.process.messages import Answer
    from viewer.inference.process.network import Network
    from viewer.inference.process.preview_messages import PreviewBlock
    from viewer.inference.steps.step import TaskSteps
    from viewer.slides.source import RgbImage

_AHEAD = 2
"""Batches that lie ready before each step."""
_IDLE_S = 1.0
"""Nothing was asked for so long: what was computed with is given back to the system."""


class _Job(msgspec.Struct):
    """A block, or a part of one to be seen sooner, on its way through the steps."""

    key: BlockKey
    steps: TaskSteps
    region: RgbImage
    patches: list[tuple[int, int]]
    images: list[RgbImage]
    answers: NDArray[np.float32] | None = None
    forward_s: float = 0.0
    is_preview: bool = False


class BlockWorker:
    """Computes and cuts blocks in two threads, which end with `close` or with the process."""

    def __init__(
        self,
        network: Network,
        model: ModelDescription,
        grid: BlockGrid,
        mpp_um: float,
        shared: SharedPixels | None,
        send: Callable[[Answer], None],
    ) -> None:
        self._model, self._grid, self._mpp_um = model, grid, mpp_um
        self._network = network
        self._batches = Batches(network, lambda: send(Alive()))
        self._has_answered = False
        self._steps = self._steps_on(grid)
        self._shared = shared
        self._send = send
        self._batch = network.batch
        self._asked: queue.SimpleQueue[Compute | PreviewBlock | None] = queue.SimpleQueue()
        self._computed: queue.Queue[_Job | None] = queue.Queue(_AHEAD * self._batch)
        self._threads = [
            threading.Thread(target=self._run, args=(step,), daemon=True)
            for step in (self._serve_computing, self._serve_cutting)
        ]
        for thread in self._threads:
            thread.start()

    def ask(self, request: Compute | PreviewBlock) -> None:
        """Queue a block or a part of one; its answer is sent when it is known."""
        self._asked.put(request)

    def close(self) -> None:
        """End the threads, once every block is answered."""
        self._asked.put(None)
        for thread in self._threads:
            thread.join()
        give_memory_back()

    def _steps_on(self, grid: BlockGrid) -> TaskSteps:
        return steps_of(self._model.task)(self._model, grid, self._mpp_um)

    def _run(self, step: Callable[[], None]) -> None:
        try:
            step()
        except ChannelClosedError:
            return
        except (ModelFailedError, TeachingError) as error:
            self._send(Refused(str(error), is_failure=True))
        except Exception as error:  # said to the window, which restarts or gives up
            sentence = f"The model stopped: {type(error).__name__}: {error}"[:400]
            self._send(Refused(sentence, is_failure=True))

    def _serve_computing(self) -> None:
        while True:
            requests = [self._next_asked()]
            while len(requests) < self._batch and requests[-1] is not None:
                try:
                    requests.append(self._asked.get_nowait())
                except queue.Empty:
                    break
            if jobs := [self._job(request) for request in requests if request is not None]:
                self._compute(jobs)
            if requests[-1] is None:
                self._computed.put(None)
                return

    def _next_asked(self) -> Compute | PreviewBlock | None:
        try:
            return self._asked.get(timeout=_IDLE_S)
        except queue.Empty:
            give_memory_back()
            return self._asked.get()

    def _job(self, request: Compute | PreviewBlock) -> _Job:
        if request.ranges:
            self._network.set_ranges(request.ranges)
        key = BlockKey(request.column, request.row)
        if isinstance(request, Compute):
            region = take_over(request.tile, self._shared, max(0, request.tile.slot))
            images = self._steps.images(region, request.patches)
            return _Job(key, self._steps, region, request.patches, images)
        origin = Point(request.x0, request.y0)
        whole = self._grid
        part = BlockGrid(
            whole.slide, whole.downsample, request.core_px, request.margin_px, origin, whole.cells
        )
        steps, region = self._steps_on(part), take_over(request.tile, None)
        return _Job(key, steps, region, [], steps.images(region, []), is_preview=True)

    def _compute(self, jobs: list[_Job]) -> None:
        started_s = time.perf_counter()
        answers = self._batches.answers([each for job in jobs for each in job.images])
        forward_s = (time.perf_counter() - started_s) / len(jobs)
        if not self._has_answered:
            # Holes are for patches: a model that answers nothing, noise neither, is refused.
            self._has_answered = bool(np.isfinite(answers).any())
            if not self._has_answered:
                self._network.warm_up()
        at = 0
        for job in jobs:
            job.answers, job.forward_s = answers[at : at + len(job.images)], forward_s
            at += len(job.images)
            self._computed.put(job)

    def _serve_cutting(self) -> None:
        while True:
            job = self._computed.get()
            if job is None:
                return
            assert job.answers is not None
            started_s = time.perf_counter()
            at = BlockKey(0, 0) if job.is_preview else job.key  # which a part has for itself
            result = job.steps.result(job.answers, job.region, at, job.patches).to_bytes()
            cut_s = time.perf_counter() - started_s
            if job.is_preview:
                self._send(Previewed(*job.key, result))
            else:
                self._send(Done(*job.key, result, job.forward_s, cut_s))
