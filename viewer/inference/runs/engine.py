"""Keeps a model at work on a slide: starts its process, feeds it, keeps its results."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from viewer.annotations.tissue_correction import kept_correction
from viewer.inference.errors import ModelFailedError, ModelProcessError
from viewer.inference.models.bundle import STEPS_VERSION, BundleError
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
from viewer.inference.runs.attached_results import AttachedResults
from viewer.inference.runs.base_results import results_of_base
from viewer.inference.runs.block_previews import BlockPreviews
from viewer.inference.runs.block_queue import BlockQueue
from viewer.inference.runs.block_reading import BlockReader
from viewer.inference.runs.kept_results import KeptResults, made_on
from viewer.inference.runs.results import decode_kept_result, decode_result, no_result
from viewer.inference.runs.results_limit import limit_soon
from viewer.inference.runs.run_clock import Progress, RunClock, Timing
from viewer.overlays.area import blocks_of
from viewer.overlays.blocks import BlockKey
from viewer.overlays.objects import ObjectsError
from viewer.overlays.patch_features import PatchFeaturesError
from viewer.overlays.result_store import CORRECTED, ResultStoreError, StoreAbout
from viewer.processes.shared_pixels import hand_over
from viewer.slides import SlideError, TileError
from viewer.slides.known_slides import open_same
from viewer.slides.remote.address import is_address

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from pathlib import Path

    from viewer.annotations.tissue_correction import TissueCorrection
    from viewer.geometry import Box
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.models.description import Task
    from viewer.inference.process.messages import Answer
    from viewer.inference.process.model_process import ModelProcess
    from viewer.inference.runs.block_previews import OnPreview
    from viewer.inference.runs.results import Result
    from viewer.overlays.area import Area
    from viewer.overlays.blocks import BlockGrid
    from viewer.overlays.segments.places import StorePlace
    from viewer.processes.shared_pixels import SharedPixels
    from viewer.slides.source import SlideSource

_log = logging.getLogger(__name__)

_MOST_DEATHS = 2
"""After as many deaths of the process with a block under way the block is given up."""
_MOST_FRUITLESS = 4
"""After as many processes in a row that ended before any block was answered, no more begin."""
_BATCHES_AHEAD = 3
"""One is read, one computed and one cut at any time."""
_LEAST_ELAPSED_S = 1e-3
_FAR_TRIES = 5
"""Each takes as long as a server may be silent unnoticed."""
_END_S = 5.0
"""How long a process may take to forget a slide, else it is ended."""
_STORES_S = 5.0
"""How long blocks wait for what attached stores have of them."""
_MOST_PIXEL_BYTES = 512 << 20
"""Of the blocks that are under way."""


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
        File, `SlideInfo.identity`, and micrometers per level-0 pixel.
    device
        "auto", or a name that torch knows.
    falls_back
        Whether the CPU does where the device is not to be had, else that is a trouble.
    store
        Where results are kept that many machines share; by default on this machine. Where it
        takes no more, the engine ends.
    attached
        Gives the names of stores whose results are shown too, also those that come while the
        engine is there; nothing is written to them. Called in a thread.
    wants
        The blocks that are read of `store`; None for all.
    on_preview
        Called in a thread with some objects of a block that will be known soon.
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
        *,
        falls_back: bool = False,
        store: StorePlace | None = None,
        attached: Callable[[], Sequence[str]] | None = None,
        wants: Container[BlockKey] | None = None,
        on_preview: OnPreview | None = None,
    ) -> None:
        self._wants = wants
        self._slide = slide
        self._store = store
        self._attached = attached
        self._attached_results: AttachedResults | None = None
        self._from_stores: Counter[str] = Counter()
        self._bundle = bundle
        self._mpp_um = mpp_um
        self._device = device
        self._falls_back = falls_back
        about = StoreAbout(
            str(slide), identity, bundle.key, mpp_um, grid, STEPS_VERSION,
            task=bundle.task, classes=[name for name, _ in bundle.colors],
        )  # fmt: skip
        self._about = about
        self._task: Task = bundle.description.task
        self._listener = listener
        self._changed = threading.Condition()
        self._grid = grid
        self._wanted = BlockQueue(grid)
        self._previews = BlockPreviews(bundle.description, grid, on_preview)
        self._process: ModelProcess | None = None
        self._source: SlideSource | None = None
        self._reader: BlockReader | None = None
        self._shared: SharedPixels | None = None
        self._free_slots: list[int] = []
        self._sent: dict[BlockKey, tuple[int, float]] = {}
        self._depth = 0
        self._is_loaded = self._is_proven = self._has_ended_blocks = False
        self._is_paused = False
        self._is_closed = False
        self._deaths: Counter[BlockKey] = Counter()
        self._fruitless = 0
        self._kept: KeptResults | None = None
        self._made_on = made_on(device)
        self._correction: TissueCorrection | None = None
        self._clock = RunClock()
        self._run_computed = 0
        self.timing = Timing()
        self.results = ""
        """Name of the file of results, once they are read; "" where none are kept."""
        self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
        self._thread.start()

    def look_at(self, field: Box | None) -> None:
        """Computes what is on screen before anything else; level-0 pixels."""
        with self._changed:
            self._wanted.look_at(field)
            self._previews.look_at(field)
            self._changed.notify_all()
        self._tell_progress()

    def run(self, area: Area) -> None:
        """Computes all of an area, once what is on screen is known."""
        keys = blocks_of(self._grid, area)
        with self._changed:
            self._wanted.want(keys)
            self._clock.restart()
            self._run_computed = 0
            self._changed.notify_all()
        self._tell_progress()

    def stop(self) -> None:
        """Forgets what `run` and `look_at` asked for; what is known stays."""
        with self._changed:
            self._wanted.stop()
            self._wanted.look_at(None)
            self._previews.look_at(None)
        self._tell_progress()

    def set_paused(self, *, paused: bool) -> None:
        """Begins no block while paused; the rate and the time left leave the pause out."""
        with self._changed:
            self._clock.set_paused(paused=paused)
            self._is_paused = paused
            self._changed.notify_all()

    def close(self, wait_s: float = 2.0) -> None:
        """Ends the process; results that are known are kept."""
        with self._changed:
            self._is_closed = True
            process, attached = self._process, self._attached_results
            self._changed.notify_all()
        if attached is not None:
            attached.close()
        if process is not None and not self._may_stay():
            process.kill()
        if threading.current_thread() is not self._thread:
            self._thread.join(wait_s)

    def flush(self) -> None:
        """Return once all results are kept. Raises ResultStoreError."""
        if self._kept is not None:
            self._kept.flush()

    @property
    def process_id(self) -> int | None:
        """Of the model's process, while there is one."""
        process = self._process
        return process.pid if process is not None else None

    # The engine's thread ----------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            self._load_known()
            limit_soon()
            while self._wait_for_work():
                self._serve_process()
        except ModelProcessError as error:
            self._listener.on_trouble(str(error), is_final=True)
        except Exception as error:
            _log.exception("the engine stopped")
            self._listener.on_trouble(f"The overlay stopped ({error}).", is_final=True)
        finally:
            if self._attached_results is not None:
                self._attached_results.close()
            if self._kept is not None:
                self._kept.close()
            if self._source is not None:
                self._source.close()

    def _load_known(self) -> None:
        try:
            self._correct()
            if self._attached is not None:
                self._attached_results = AttachedResults(
                    self._attached, self._about, self._take_attached, self._say_passing
                )
            self._kept = KeptResults(self._about, self._store, self._wants)
            self.results = self._kept.name
            known: set[BlockKey] = set()
            for key, data in self._kept:
                if self._is_closed:
                    return
                known.add(key)
                self._take_known(key, data)
            for key, data, kind in results_of_base(self._bundle, self._about, known):
                if self._is_closed:
                    return
                self._kept.put(key, data, kind)
                self._take_known(key, data)
        except ResultStoreError as error:
            self._lose_kept(error)
        if self._attached_results is not None:
            # What others computed need not be computed here: it is worth a moment.
            self._attached_results.wait_for_first(_STORES_S)
            for name, count in self._from_stores.items():
                self._say_passing(f"{count:,} parts of the slide come from the store {name}.")

    def _say_passing(self, sentence: str) -> None:
        self._listener.on_trouble(sentence, is_final=False)

    def _take_attached(self, key: BlockKey, data: bytes, name: str) -> None:
        """Take a block of a store that is attached; in its thread."""
        with self._changed:
            if self._is_closed or self._wanted.is_settled(key):
                return
        self._take_known(key, data)
        self._from_stores[name] += 1
        self._tell_progress()

    def _take_known(self, key: BlockKey, data: bytes) -> None:
        """Take a block that was computed before."""
        try:
            result = decode_kept_result(self._task, data, self._grid.cells)
        except (ObjectsError, PatchFeaturesError) as error:
            _log.warning("a block is made again (%s)", error)
            return
        self._listener.on_block(key, result)
        with self._changed:
            self._wanted.settle(key)
            self._changed.notify_all()

    def _lose_kept(self, error: ResultStoreError) -> None:
        """Go on without keeping results, or end where they were to be shared."""
        self._kept = None
        if self._store is not None:
            self._give_up(str(error))
        else:
            self._listener.on_trouble(str(error), is_final=False)

    def _correct(self) -> None:
        """Learn what people drew to correct the tissue; results of others are kept apart."""
        about = self._about
        self._correction = kept_correction(about.identity, self._slide)
        if key := self._correction.key:
            self._about = replace(about, model=f"{about.model}{CORRECTED}{key}")

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
        """Feed one process until it ends."""
        wanted = LoadedModel(self._bundle.key, self._device, thread_count(), self._falls_back)
        process = spare_process.take_model_process(uses_cuda=self._device != "cpu", wanted=wanted)
        with self._changed:
            self._process, self._depth = process, 1
            self._has_ended_blocks = False
            self._free_slots, self._sent = [], {}
            self._is_loaded = self._is_proven = False
            if self._is_closed:
                process.kill()
        answers = threading.Thread(target=self._read, args=(process,), name="engine answers")
        answers.start()
        try:
            self._feed(process)
        except ModelProcessError as error:
            _log.info("the model process takes no more (%s)", error)
        except (SlideError, TileError) as error:
            if self._wait_until_loaded():  # else the model is to blame, and it is said
                self._give_up(str(error))
        finally:
            self._end_blocks(process, answers)
            if self._shared is not None:
                self._shared.close()
            with self._changed:
                self._process = self._shared = None
                if not self._is_closed:
                    self._after_death(process.stopped)

    def _may_stay(self) -> bool:
        """Return whether the process stays for the next slide; a script may hold too much."""
        with self._changed:
            is_sound = self._is_loaded and self._is_proven and not self._sent and self._depth > 0
        is_script = self._bundle.description.format == "torchscript"
        return is_sound and not is_script and spare_process.keeps_model_processes()

    def _end_blocks(self, process: ModelProcess, answers: threading.Thread) -> None:
        """End the process, or have it forget the slide where it is kept for the next one."""
        if self._is_closed and self._may_stay():
            with contextlib.suppress(ModelProcessError):
                process.send(EndBlocks())
                answers.join(_END_S)
        if self._has_ended_blocks:
            answers.join()
            spare_process.give_back(process)
            return
        process.kill()
        answers.join()
        process.close()

    def _feed(self, process: ModelProcess) -> None:
        """Read blocks and hand them over, never more than keep the process busy."""
        if self._reader is None:
            self._source = open_same(self._slide, self._about.identity)
            # The blocks of many machines must be the same whether a server refuses for a while.
            tries = _FAR_TRIES if self._store is not None and is_address(self._slide) else 1
            self._reader = BlockReader(
                self._source, self._grid, self._bundle.description, self._correction, tries
            )
        key: BlockKey | None = self._first
        while key is not None:
            patches = self._reader.patches(key)
            if patches is None:
                if not self._wait_until_proven(process):
                    return
                self._previews.pass_over(key)
                self._take_result(Done(*key, no_result(self._task).to_bytes()), 0.0)
            else:
                started_s = time.perf_counter()
                try:
                    ranges = self._reader.ranges()
                    region = self._reader.read(key)
                except TileError as error:
                    self._settle(key)
                    self._listener.on_trouble(str(error), is_final=False)
                else:
                    read_s = time.perf_counter() - started_s
                    slot = self._slot_for(key, read_s)
                    if slot is None:
                        return
                    with self._changed:
                        is_known = self._wanted.is_settled
                        preview = self._previews.request(key, region, ranges, is_known)
                    if preview is not None:
                        process.send(preview)
                    tile = hand_over(region, self._shared, slot)
                    process.send(Compute(*key, tile, patches, ranges))
            key = self._next()

    def _wait_until_loaded(self) -> bool:
        """Wait for the model; return False where the process is no more."""
        with self._changed:
            while not self._is_loaded and not self._is_over:
                self._changed.wait()
            return not self._is_over

    def _wait_until_proven(self, process: ModelProcess) -> bool:
        """Wait until the model has worked once, so that glass is not reported by one that fails.

        Return False where the process is no more.
        """
        self._wait_until_loaded()
        with self._changed:
            has_work = bool(self._sent)
        if not has_work and not self._is_proven and not self._is_over:
            process.send(TryOut())
        with self._changed:
            while not self._is_proven and not self._is_over:
                self._changed.wait()
            return not self._is_over

    @property
    def _is_over(self) -> bool:
        """Whether the process takes no more."""
        return self._is_closed or self._depth == 0

    def _slot_for(self, key: BlockKey, read_s: float) -> int | None:
        """A free slot once the model is loaded; None when the process is no more."""
        with self._changed:
            while not self._free_slots:
                if self._is_over:
                    return None
                self._changed.wait()
            slot = self._free_slots.pop()
            self._sent[key] = slot, read_s
            return slot

    def _next(self) -> BlockKey | None:
        """The next block once the process has room for it; None when the process is no more."""
        with self._changed:
            while True:
                if self._is_over:
                    return None
                if not self._is_paused and self._wanted.under_way < self._depth:
                    key = self._wanted.take()
                    if key is not None:
                        return key
                self._changed.wait()

    def _after_death(self, stopped: str) -> None:
        """Begin again what was under way, with the lock held; `stopped` says why we ended it."""
        self._fruitless += 1
        if self._fruitless >= _MOST_FRUITLESS or (stopped and not self._is_proven):
            self._is_closed = True
            sentence = "The model's process ends again and again before it finds anything."
            self._listener.on_trouble(stopped or sentence, is_final=True)
            return
        if stopped:
            self._listener.on_trouble(stopped, is_final=False)
        for key in self._wanted.give_back_all():
            self._deaths[key] += 1
            if self._deaths[key] >= _MOST_DEATHS:
                self._wanted.settle(key)
                sentence = "A part of the slide ends the model's process and is left out."
                self._listener.on_trouble(sentence, is_final=False)
        self._listener.on_trouble("The model's process ended and is started again.", is_final=False)

    # The thread that reads answers ------------------------------------------------------------

    def _read(self, process: ModelProcess) -> None:
        try:
            self._begin(process)
            while not isinstance(answer := process.receive(), BlocksEnded):
                self._take(answer)
            self._has_ended_blocks = True
        except ModelProcessError as error:
            _log.info("no more answers (%s)", error)
        except (BundleError, ModelFailedError) as error:
            self._give_up(str(error))
        except Exception as error:
            _log.exception("the engine stopped")
            self._give_up(f"The overlay stopped ({error}).")
        with self._changed:
            self._depth = 0
            self._changed.notify_all()

    def _begin(self, process: ModelProcess) -> None:
        """Have the model loaded and tell it of the grid; from then on blocks are taken."""
        ready = process.load(
            self._bundle, self._device, thread_count(), falls_back=self._falls_back
        )
        grid, side_px = self._grid, self._grid.input_px
        block_bytes = 3 * side_px * side_px
        depth = min(_BATCHES_AHEAD * ready.batch, max(2, _MOST_PIXEL_BYTES // block_bytes))
        shared = process.shared_slots(block_bytes, depth)
        count, size = (depth, 0) if shared is None else (shared.slot_count, shared.slot_bytes)
        layout = (grid.slide, grid.downsample, grid.core_px, grid.margin_px)
        process.post(Blocks(*layout, self._mpp_um, size, count, grid.cells))
        self._made_on = made_on(ready.device)
        self._previews.begin(ready.device)
        self._listener.on_ready(ready.device)
        if self._kept is not None and (sentence := self._kept.others(self._made_on)):
            self._listener.on_trouble(sentence, is_final=False)
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
                    self._is_proven = True
                    self._changed.notify_all()
                self._fruitless = 0
                self._take_result(answer, read_s)
            case Ready():
                with self._changed:
                    self._is_proven = True
                    self._changed.notify_all()
            case Previewed():
                self._previews.take(answer)
            case Refused(sentence):
                raise ModelFailedError(sentence)
            case _:
                raise ModelFailedError("The model gave an answer that nobody asked for.")

    def _give_up(self, sentence: str) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._listener.on_trouble(sentence, is_final=True)

    def _take_result(self, done: Done, read_s: float) -> None:
        key = BlockKey(done.column, done.row)
        try:
            result = decode_result(self._task, done.result, self._grid.cells)
        except (ObjectsError, PatchFeaturesError) as error:
            raise ModelFailedError(f"The model gave no result ({error}).") from error
        self.timing = self.timing.plus(read_s, done.forward_s, done.cut_s)
        if self._kept is not None:
            try:
                self._kept.put(key, done.result, self._made_on)
            except ResultStoreError as error:
                self._lose_kept(error)
        self._listener.on_block(key, result)
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
            elapsed_s = max(self._clock.elapsed_s, _LEAST_ELAPSED_S)
            rate = self._run_computed / elapsed_s if total and self._run_computed else 0.0
            left_s = (total - done) / rate if rate else None
            busy = not self._wanted.is_idle
        self._listener.on_progress(Progress(done, total, rate, left_s, busy))
