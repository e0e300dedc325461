"""Feeds one model process with blocks of a slide, and takes its answers, until it ends."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol

import msgspec

from viewer.inference.errors import ModelFailedError, ModelProcessError
from viewer.inference.models.bundle import BundleError
from viewer.inference.process import spare_process
from viewer.inference.process.messages import (
    Blocks,
    BlocksEnded,
    Compute,
    Done,
    EndBlocks,
    Ready,
    Refused,
    TryOut,
)
from viewer.inference.process.model_process import LoadedModel, thread_count
from viewer.inference.process.preview_messages import Previewed
from viewer.inference.tasks.known import TASKS
from viewer.overlays.blocks import BlockKey
from viewer.processes.shared_pixels import hand_over
from viewer.slides.errors import SlideError, SlideLostError, TileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.process.messages import Answer
    from viewer.inference.runs.block_previews import BlockPreviews
    from viewer.inference.runs.block_queue import BlockQueue
    from viewer.inference.runs.block_reading import BlockReader
    from viewer.overlays.blocks import BlockGrid
    from viewer.processes.shared_pixels import SharedPixels

_log = logging.getLogger(__name__)

_BATCHES_AHEAD = 3
"""One is read, one computed and one cut at any time."""
_END_S = 5.0
"""How long a process may take to forget a slide, else it is ended."""
_MOST_PIXEL_BYTES = 512 << 20
"""Of the blocks that are under way."""


class Agenda(msgspec.Struct):
    """What an engine is to do; `changed` guards it and tells its threads."""

    blocks: BlockQueue
    changed: threading.Condition = msgspec.field(default_factory=threading.Condition)
    is_paused: bool = False
    is_closed: bool = False


class FedModel(msgspec.Struct, frozen=True):
    """A model, where it is to run, and how blocks of the slide are cut for it."""

    bundle: ModelBundle
    device: str
    falls_back: bool
    grid: BlockGrid
    mpp_um: float


class FeedListener(Protocol):
    """Who hears of a process; called in the threads of the feed."""

    def on_loaded(self, device: str) -> None:
        """The process takes blocks."""

    def on_result(self, done: Done, read_s: float) -> None:
        """A block is computed, or has no tissue. Raises ModelFailedError where it is damaged."""

    def on_unreadable(self, key: BlockKey, sentence: str) -> None:
        """A block cannot be read from the slide."""

    def on_failed(self, sentence: str) -> None:
        """Another process would do no better."""


class ProcessFeed:
    """One model process at work, from its start until it ends or is kept for another slide.

    Attributes
    ----------
    is_proven
        Whether the model has worked once.
    has_answered
        Whether any block was answered.

    Raises
    ------
    ModelProcessError
        The process cannot be started.
    """

    def __init__(
        self, model: FedModel, agenda: Agenda, previews: BlockPreviews, listener: FeedListener
    ) -> None:
        self._model = model
        self._agenda = agenda
        self._changed = agenda.changed
        self._previews = previews
        self._listener = listener
        self._shared: SharedPixels | None = None
        self._free_slots: list[int] = []
        self._sent: dict[BlockKey, tuple[int, float]] = {}
        self._depth = 1
        self._is_loaded = self._has_ended_blocks = False
        self.is_proven = self.has_answered = False
        wanted = LoadedModel(model.bundle.key, model.device, thread_count(), model.falls_back)
        self._process = spare_process.take_model_process(
            uses_cuda=model.device != "cpu", wanted=wanted
        )

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def stopped(self) -> str:
        """Return why the process was stopped from outside, "" where it was not."""
        return self._process.stopped

    def kill(self) -> None:
        """End the process."""
        self._process.kill()

    def may_stay(self) -> bool:
        """Return whether the process stays for the next slide; a script may hold too much."""
        with self._changed:
            is_sound = self._is_loaded and self.is_proven and not self._sent and self._depth > 0
        is_script = self._model.bundle.description.format == "torchscript"
        return is_sound and not is_script and spare_process.keeps_model_processes()

    def serve(self, first: BlockKey, reader: Callable[[], BlockReader]) -> None:
        """Feed the process until it ends, from a block on.

        Parameters
        ----------
        reader
            Gives what reads blocks. Raises SlideError where the slide cannot be opened.
        """
        answers = threading.Thread(target=self._read, name="engine answers")
        answers.start()
        try:
            self._feed(first, reader())
        except ModelProcessError as error:
            _log.info("the model process takes no more (%s)", error)
        except (SlideError, TileError) as error:
            if self._wait_until_loaded():  # else the model is to blame, and it is said
                self._listener.on_failed(str(error))
        finally:
            self._end_blocks(answers)
            if self._shared is not None:
                self._shared.close()

    def _end_blocks(self, answers: threading.Thread) -> None:
        """End the process, or have it forget the slide where it is kept for the next one."""
        if self._agenda.is_closed and self.may_stay():
            with contextlib.suppress(ModelProcessError):
                self._process.send(EndBlocks())
                answers.join(_END_S)
        if self._has_ended_blocks:
            answers.join()
            spare_process.give_back(self._process)
            return
        self._process.kill()
        answers.join()
        self._process.close()

    # The thread that reads blocks -------------------------------------------------------------

    def _feed(self, first: BlockKey, reader: BlockReader) -> None:
        """Read blocks and hand them over, never more than keep the process busy."""
        kind = TASKS[self._model.bundle.description.task]
        key: BlockKey | None = first
        while key is not None:
            patches = reader.patches(key)
            if patches is None:
                if not self._wait_until_proven():
                    return
                self._previews.pass_over(key)
                self._listener.on_result(Done(*key, kind.no_result().to_bytes()), 0.0)
            else:
                started_s = time.perf_counter()
                try:
                    ranges = reader.ranges()
                    region = reader.read(key)
                except SlideLostError:
                    raise
                except TileError as error:
                    self._listener.on_unreadable(key, str(error))
                else:
                    read_s = time.perf_counter() - started_s
                    slot = self._slot_for(key, read_s)
                    if slot is None:
                        return
                    with self._changed:
                        is_known = self._agenda.blocks.is_settled
                        preview = self._previews.request(key, region, ranges, is_known)
                    if preview is not None:
                        self._process.send(preview)
                    tile = hand_over(region, self._shared, slot)
                    self._process.send(Compute(*key, tile, patches, ranges))
            key = self._next()

    def _wait_until_loaded(self) -> bool:
        """Wait for the model; return False where the process is no more."""
        with self._changed:
            while not self._is_loaded and not self._is_over:
                self._changed.wait()
            return not self._is_over

    def _wait_until_proven(self) -> bool:
        """Wait until the model has worked once, so that glass is not reported by one that fails.

        Return False where the process is no more.
        """
        self._wait_until_loaded()
        with self._changed:
            has_work = bool(self._sent)
        if not has_work and not self.is_proven and not self._is_over:
            self._process.send(TryOut())
        with self._changed:
            while not self.is_proven and not self._is_over:
                self._changed.wait()
            return not self._is_over

    @property
    def _is_over(self) -> bool:
        """Return whether the process takes no more."""
        return self._agenda.is_closed or self._depth == 0

    def _slot_for(self, key: BlockKey, read_s: float) -> int | None:
        """Return a free slot once the model is loaded; None when the process is no more."""
        with self._changed:
            while not self._free_slots:
                if self._is_over:
                    return None
                self._changed.wait()
            slot = self._free_slots.pop()
            self._sent[key] = slot, read_s
            return slot

    def _next(self) -> BlockKey | None:
        """Return the next block once the process has room for it.

        None when the process is no more.
        """
        agenda = self._agenda
        with self._changed:
            while True:
                if self._is_over:
                    return None
                if not agenda.is_paused and agenda.blocks.under_way < self._depth:
                    key = agenda.blocks.take()
                    if key is not None:
                        return key
                self._changed.wait()

    # The thread that reads answers ------------------------------------------------------------

    def _read(self) -> None:
        try:
            self._begin()
            while not isinstance(answer := self._process.receive(), BlocksEnded):
                self._take(answer)
            self._has_ended_blocks = True
        except ModelProcessError as error:
            _log.info("no more answers (%s)", error)
        except (BundleError, ModelFailedError) as error:
            self._listener.on_failed(str(error))
        except Exception as error:
            _log.exception("the engine stopped")
            self._listener.on_failed(f"The overlay stopped ({error}).")
        with self._changed:
            self._depth = 0
            self._changed.notify_all()

    def _begin(self) -> None:
        """Have the model loaded and tell it of the grid; from then on blocks are taken."""
        model, process, grid = self._model, self._process, self._model.grid
        ready = process.load(
            model.bundle, model.device, thread_count(), falls_back=model.falls_back
        )
        block_bytes = 3 * grid.input_px * grid.input_px
        depth = min(_BATCHES_AHEAD * ready.batch, max(2, _MOST_PIXEL_BYTES // block_bytes))
        shared = process.shared_slots(block_bytes, depth)
        count, size = (depth, 0) if shared is None else (shared.slot_count, shared.slot_bytes)
        layout = (grid.slide, grid.downsample, grid.core_px, grid.margin_px)
        process.post(Blocks(*layout, model.mpp_um, size, count, grid.cells))
        self._previews.begin(ready.device)
        self._listener.on_loaded(ready.device)
        with self._changed:
            self._shared, self._depth, self._free_slots = shared, count, list(range(count))
            self._is_loaded = True
            self._changed.notify_all()

    def _take(self, answer: Answer) -> None:
        match answer:
            case Done():
                with self._changed:
                    sent = self._sent.pop(BlockKey(answer.column, answer.row), None)
                    if sent is None:
                        raise ModelFailedError("The model answered for what nobody asked for.")
                    slot, read_s = sent
                    self._free_slots.append(slot)
                    self.is_proven = self.has_answered = True
                    self._changed.notify_all()
                self._listener.on_result(answer, read_s)
            case Ready():
                with self._changed:
                    self.is_proven = True
                    self._changed.notify_all()
            case Previewed():
                self._previews.take(answer)
            case Refused(sentence):
                raise ModelFailedError(sentence)
            case _:
                raise ModelFailedError("The model gave an answer that nobody asked for.")
