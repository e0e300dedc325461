"""The model's own process, run by the engine as `python -m viewer.inference.worker`.

Blocks are read, fed to the model and cut into objects, each step in a thread of its own.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import torch

from viewer.inference.batches import Batches
from viewer.inference.bundle import BundleError, ModelDescription, load_bundle
from viewer.inference.messages import (
    Compute,
    Done,
    Ready,
    Refused,
    Start,
    Unreadable,
    receive_request,
    send,
)
from viewer.inference.network import ModelFailedError, Network, choose_device
from viewer.inference.plan import block_grid
from viewer.inference.results import no_result
from viewer.inference.tasks import AttentionSteps, InstanceSteps, PatchSteps
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.slides import SlideError, TileError, open_slide
from viewer.slides.region import Beyond, read_region
from viewer.slides.tissue import TissueMask, tissue_mask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from viewer.geometry import Box
    from viewer.inference.messages import Answer
    from viewer.inference.tasks import TaskSteps
    from viewer.slides.source import RgbImage, SlideSource

_AHEAD = 2
"""Batches that lie ready before each step."""
_FIRST_CUDA_BATCH = 16
"""Blocks."""
_NICE = 10


@dataclass(slots=True)
class _Job:
    """A block on its way through the steps."""

    key: BlockKey
    region: RgbImage
    pictures: list[RgbImage]
    read_s: float
    answers: NDArray[np.float32] | None = None
    forward_s: float = 0.0


class Worker:
    """Reads, computes and cuts until the pipe ends."""

    def __init__(
        self,
        source: SlideSource,
        network: Network,
        model: ModelDescription,
        grid: BlockGrid,
        mpp_um: float,
    ) -> None:
        self._source = source
        self._batches = Batches(network)
        self._grid = grid
        self._tissue: TissueMask | None = None
        self._nothing = no_result(model.task).to_bytes()
        self._steps = self._steps_of(model, mpp_um)
        self.batch = _FIRST_CUDA_BATCH if network.device.type == "cuda" else 1
        self._asked: queue.SimpleQueue[BlockKey] = queue.SimpleQueue()
        self._read: queue.Queue[_Job] = queue.Queue(_AHEAD * self.batch)
        self._computed: queue.Queue[_Job] = queue.Queue(_AHEAD * self.batch)
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    def start(self) -> None:
        for step in (self._serve_reading, self._serve_computing, self._serve_cutting):
            threading.Thread(target=self._run, args=(step,), daemon=True).start()

    def ask(self, key: BlockKey) -> None:
        self._asked.put(key)

    def answer(self) -> Answer:
        """The next answer; waits for it."""
        return self._answers.get()

    def _steps_of(self, model: ModelDescription, mpp_um: float) -> TaskSteps:
        match model.task:
            case "instances":
                return InstanceSteps(self._grid, mpp_um)
            case "attention":
                return AttentionSteps(self._grid)
            case _:
                return PatchSteps(self._grid, model, self._has_tissue)

    def _run(self, step: object) -> None:
        try:
            step()  # type: ignore[operator]
        except ModelFailedError as error:
            self._answers.put(Refused(str(error)))
        except Exception as error:  # told to the window, which restarts or gives up
            self._answers.put(Refused(f"The model stopped: {type(error).__name__}: {error}"))

    def _serve_reading(self) -> None:
        try:
            self._tissue = tissue_mask(self._source)
        except TileError:
            self._tissue = None  # then every block counts as tissue
        while True:
            key = self._asked.get()
            if not self._has_tissue(self._grid.core_box(key)):
                self._answers.put(Done(key.column, key.row, self._nothing))
                continue
            side_px = self._grid.input_px
            started = time.perf_counter()
            try:
                region = read_region(
                    self._source, self._grid.input_box(key), side_px, side_px, Beyond.WHITE
                )
            except TileError as error:
                self._answers.put(Unreadable(key.column, key.row, str(error)))
                continue
            pictures = self._steps.pictures(region, key)
            if pictures:
                self._read.put(_Job(key, region, pictures, time.perf_counter() - started))
            else:
                self._answers.put(Done(key.column, key.row, self._nothing))

    def _serve_computing(self) -> None:
        while True:
            jobs = [self._read.get()]
            while len(jobs) < self.batch:
                try:
                    jobs.append(self._read.get_nowait())
                except queue.Empty:
                    break
            self._compute(jobs)

    def _compute(self, jobs: list[_Job]) -> None:
        started = time.perf_counter()
        answers = self._batches.answers([each for job in jobs for each in job.pictures])
        forward_s = (time.perf_counter() - started) / len(jobs)
        at = 0
        for job in jobs:
            job.answers, job.forward_s = answers[at : at + len(job.pictures)], forward_s
            at += len(job.pictures)
            self._computed.put(job)

    def _serve_cutting(self) -> None:
        while True:
            job = self._computed.get()
            assert job.answers is not None
            started = time.perf_counter()
            data = self._steps.result(job.answers, job.region, job.key).to_bytes()
            cut_s = time.perf_counter() - started
            self._answers.put(Done(*job.key, data, job.read_s, job.forward_s, cut_s))

    def _has_tissue(self, box: Box) -> bool:
        return self._tissue is None or self._tissue.meets(box)


def main() -> None:
    """Serves one engine over stdin and stdout, and ends with it."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # a library that prints must not speak between the messages
    start = receive_request(requests)
    if not isinstance(start, Start):
        return
    if hasattr(os, "nice"):
        os.nice(_NICE)
    torch.set_num_threads(start.threads)
    try:
        worker, ready = _prepared(start)
    except (BundleError, ModelFailedError, SlideError) as error:
        send(answers, Refused(str(error)))
        return
    threading.Thread(target=_tell, args=(worker, answers, ready), daemon=True).start()
    while isinstance(request := receive_request(requests), Compute):
        worker.ask(BlockKey(request.column, request.row))
    # The threads may hold work that nobody wants any more.
    os._exit(0)


def _prepared(start: Start) -> tuple[Worker, Ready]:
    bundle = load_bundle(Path(start.model))
    try:
        device = choose_device(start.device)
        network = Network(bundle, device)
    except (RuntimeError, AssertionError) as error:
        raise BundleError(f"The device {start.device} cannot be used ({error}).") from error
    network.warm_up()
    source = open_slide(Path(start.slide))
    grid = block_grid(source, bundle.description, start.mpp_um)
    worker = Worker(source, network, bundle.description, grid, start.mpp_um)
    worker.start()
    return worker, Ready(str(device), 3 * worker.batch)


def _tell(worker: Worker, pipe: BinaryIO, ready: Ready) -> None:
    try:
        send(pipe, ready)
        while True:
            send(pipe, worker.answer())
    except (OSError, ValueError):
        os._exit(0)


if __name__ == "__main__":
    main()
