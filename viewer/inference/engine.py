"""Keeps a model at work on a slide: starts its process, feeds it, keeps its results."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

from viewer.inference.block_queue import BlockQueue
from viewer.inference.bundle import STEPS_VERSION
from viewer.inference.messages import (
    Compute,
    Done,
    Ready,
    Refused,
    Start,
    Unreadable,
    receive_answer,
    send,
)
from viewer.inference.results import decode_result
from viewer.overlays.area import blocks_of
from viewer.overlays.blocks import BlockKey
from viewer.overlays.objects import ObjectsError
from viewer.overlays.patch_features import PatchFeaturesError
from viewer.overlays.result_store import (
    ResultStore,
    ResultStoreError,
    StoreAbout,
    result_path,
)

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.geometry import Box
    from viewer.inference.bundle import ModelBundle, Task
    from viewer.inference.messages import Answer
    from viewer.inference.results import Result
    from viewer.overlays.area import Area
    from viewer.overlays.blocks import BlockGrid

_log = logging.getLogger(__name__)

_MOST_DEATHS = 2
"""After as many deaths of the process with a block under way the block is given up."""
_MOST_FRUITLESS = 4
"""After as many processes in a row that ended before they had told of any block, no more begin."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far what was asked for as a whole has come.

    Attributes
    ----------
    done, total
        Blocks.
    blocks_per_s
        0 where it is not known yet.
    left_s
        None where it is not known yet.
    is_busy
        Whether any block that was asked for is not known yet.
    """

    done: int
    total: int
    blocks_per_s: float
    left_s: float | None
    is_busy: bool


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds spent in the steps of the model's process, and blocks computed."""

    read_s: float = 0.0
    forward_s: float = 0.0
    cut_s: float = 0.0
    blocks: int = 0


class EngineListener(Protocol):
    """Who hears of the engine's work; called in the engine's threads."""

    def on_block(self, key: BlockKey, result: Result) -> None:
        """A block is known, from the model or from before."""

    def on_progress(self, progress: Progress) -> None: ...

    def on_ready(self, device: str) -> None: ...

    def on_trouble(self, sentence: str, *, is_final: bool) -> None:
        """Something failed; after a final trouble the engine does no more."""


class Engine:
    """One model on one slide. All methods return at once and may be called from any thread.

    Parameters
    ----------
    slide, identity, mpp_um
        File, `SlideInfo.identity`, and micrometres per level-0 pixel.
    device
        "auto", or a name that torch knows.
    """

    def __init__(
        self,
        slide: Path,
        identity: str,
        grid: BlockGrid,
        mpp_um: float,
        bundle: ModelBundle,
        listener: EngineListener,
        device: str = "auto",
    ) -> None:
        self._start = Start(
            str(slide), str(bundle.folder), mpp_um, device, max(1, (os.cpu_count() or 2) - 1)
        )
        self._about = StoreAbout(str(slide), identity, bundle.key, mpp_um, grid, STEPS_VERSION)
        self._task: Task = bundle.description.task
        self._listener = listener
        self._changed = threading.Condition()
        self._grid = grid
        self._wanted = BlockQueue(grid)
        self._process: subprocess.Popen[bytes] | None = None
        self._depth = 0
        self._is_paused = False
        self._is_closed = False
        self._deaths: Counter[BlockKey] = Counter()
        self._fruitless = 0
        self._store: ResultStore | None = None
        self._run_started_s = 0.0
        self._run_computed = 0
        self.timing = Timing()
        self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
        self._thread.start()

    def look_at(self, field: Box | None) -> None:
        """Computes what is on screen before anything else; level-0 pixels."""
        with self._changed:
            self._wanted.look_at(field)
            self._changed.notify_all()
        self._tell_progress()

    def run(self, area: Area) -> None:
        """Computes all of an area, once what is on screen is known."""
        keys = blocks_of(self._grid, area)
        with self._changed:
            self._wanted.want(keys)
            self._run_started_s, self._run_computed = time.monotonic(), 0
            self._changed.notify_all()
        self._tell_progress()

    def stop(self) -> None:
        """Forgets what `run` asked for; what is known stays."""
        with self._changed:
            self._wanted.stop()
        self._tell_progress()

    def set_paused(self, *, paused: bool) -> None:
        with self._changed:
            self._is_paused = paused
            self._changed.notify_all()

    def close(self, wait_s: float = 2.0) -> None:
        """Ends the process; results that are known are kept."""
        with self._changed:
            self._is_closed = True
            process = self._process
            self._changed.notify_all()
        if process is not None:
            process.kill()
        if threading.current_thread() is not self._thread:
            self._thread.join(wait_s)

    @property
    def process_id(self) -> int | None:
        """Of the model's process, while there is one."""
        process = self._process
        return process.pid if process is not None else None

    # The engine's thread ----------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            self._load_known()
            while self._wait_for_work():
                self._serve_process()
        except Exception as error:
            _log.exception("the engine stopped")
            self._listener.on_trouble(f"The overlay stopped ({error}).", is_final=True)
        finally:
            if self._store is not None:
                self._store.close()

    def _load_known(self) -> None:
        try:
            about = self._about
            path = result_path(about.identity, about.model, about.mpp_um)
            self._store = ResultStore(path, about)
        except ResultStoreError as error:
            self._listener.on_trouble(str(error), is_final=False)
            return
        for key, data in self._store:
            if self._is_closed:
                return
            try:
                result = decode_result(self._task, data)
            except (ObjectsError, PatchFeaturesError) as error:
                _log.warning("a block is made again (%s)", error)
                continue
            with self._changed:
                self._wanted.settle(key)
            self._listener.on_block(key, result)

    def _wait_for_work(self) -> bool:
        """Waits until a block is wanted; False at the end."""
        while True:
            with self._changed:
                if self._is_closed:
                    return False
                if not self._is_paused and (key := self._wanted.take()) is not None:
                    self._first = key
                    return True
            self._tell_progress()
            with self._changed:
                if not self._is_closed:
                    self._changed.wait(0.5)

    def _serve_process(self) -> None:
        """Feeds one process until it ends."""
        process = subprocess.Popen(
            [sys.executable, "-m", "viewer.inference.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=worker_environment(),
        )
        with self._changed:
            self._process, self._depth = process, 1
            if self._is_closed:
                process.kill()
        assert process.stdin is not None
        assert process.stdout is not None
        reader = threading.Thread(target=self._read, args=(process.stdout,), name="engine answers")
        reader.start()
        try:
            send(process.stdin, self._start)
            send(process.stdin, Compute(*self._first))
            while (key := self._next()) is not None:
                send(process.stdin, Compute(*key))
        except (OSError, ValueError) as error:
            _log.info("the model's process takes no more (%s)", error)
        process.kill()
        process.wait()
        reader.join()
        process.stdin.close()
        with self._changed:
            self._process = None
            if not self._is_closed:
                self._after_death()

    def _next(self) -> BlockKey | None:
        """The next block once the process has room for it; None when the process is no more."""
        with self._changed:
            while True:
                if self._is_closed or self._depth == 0:
                    return None
                if not self._is_paused and self._wanted.under_way < self._depth:
                    key = self._wanted.take()
                    if key is not None:
                        return key
                self._changed.wait()

    def _after_death(self) -> None:
        self._fruitless += 1
        if self._fruitless >= _MOST_FRUITLESS:
            self._is_closed = True
            sentence = "The model's process ends again and again before it finds anything."
            self._listener.on_trouble(sentence, is_final=True)
            return
        for key in self._wanted.give_back_all():
            self._deaths[key] += 1
            if self._deaths[key] >= _MOST_DEATHS:
                self._wanted.settle(key)
                sentence = "A part of the slide ends the model's process and is left out."
                self._listener.on_trouble(sentence, is_final=False)
        self._listener.on_trouble("The model's process ended and is started again.", is_final=False)

    # The thread that reads answers ------------------------------------------------------------

    def _read(self, answers: IO[bytes]) -> None:
        with answers as pipe:
            while (answer := receive_answer(pipe)) is not None:
                self._take(answer)
        with self._changed:
            self._depth = 0
            self._changed.notify_all()

    def _take(self, answer: Answer) -> None:
        match answer:
            case Ready(device, depth):
                with self._changed:
                    self._depth = depth
                    self._changed.notify_all()
                self._listener.on_ready(device)
            case Refused(sentence):
                with self._changed:
                    self._is_closed = True
                    self._changed.notify_all()
                self._listener.on_trouble(sentence, is_final=True)
            case Unreadable(column, row, sentence):
                self._settle(BlockKey(column, row))
                self._listener.on_trouble(sentence, is_final=False)
            case Done():
                self._take_block(answer)

    def _take_block(self, done: Done) -> None:
        self._fruitless = 0
        key = BlockKey(done.column, done.row)
        before = self.timing
        self.timing = Timing(
            before.read_s + done.read_s,
            before.forward_s + done.forward_s,
            before.cut_s + done.cut_s,
            before.blocks + (done.forward_s > 0),
        )
        if self._store is not None:
            try:
                self._store.put(key, done.result)
            except ResultStoreError as error:
                self._store = None
                self._listener.on_trouble(str(error), is_final=False)
        self._listener.on_block(key, decode_result(self._task, done.result))
        self._settle(key)

    def _settle(self, key: BlockKey) -> None:
        with self._changed:
            self._wanted.settle(key)
            self._run_computed += 1
            self._changed.notify_all()
        self._tell_progress()

    def _tell_progress(self) -> None:
        with self._changed:
            done, total = self._wanted.whole_done, self._wanted.whole_count
            elapsed_s = time.monotonic() - self._run_started_s
            rate = self._run_computed / elapsed_s if total and self._run_computed else 0.0
            left_s = (total - done) / rate if rate else None
            busy = not self._wanted.is_idle
        self._listener.on_progress(Progress(done, total, rate, left_s, busy))


def worker_environment() -> dict[str, str]:
    """Ours, without what would make numeric libraries start threads of their own."""
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
