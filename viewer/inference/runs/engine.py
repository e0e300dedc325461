"""Keeps a model at work on a slide: starts its process, feeds it, keeps its results."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from viewer.annotations.tissue_correction import kept_correction
from viewer.inference.errors import ModelFailedError, ModelProcessError
from viewer.inference.models.bundle import STEPS_VERSION
from viewer.inference.runs.block_previews import BlockPreviews
from viewer.inference.runs.block_queue import BlockQueue
from viewer.inference.runs.block_reading import BlockReader
from viewer.inference.runs.ending import let_end, wait_for_ending
from viewer.inference.runs.kept_results import made_on
from viewer.inference.runs.known_blocks import KnownBlocks
from viewer.inference.runs.process_feed import Agenda, FedModel, ProcessFeed
from viewer.inference.runs.results_limit import limit_soon
from viewer.inference.runs.run_clock import Progress, RunClock, Timing
from viewer.inference.tasks.known import TASKS
from viewer.overlays.area import blocks_of
from viewer.overlays.blocks import BlockKey
from viewer.overlays.result_map import BlockResultError
from viewer.overlays.result_store import CORRECTED, StoreAbout
from viewer.slides.known_slides import open_same
from viewer.slides.remote.address import is_address

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from pathlib import Path

    from viewer.annotations.tissue_correction import TissueCorrection
    from viewer.geometry import Box
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.process.messages import Done
    from viewer.inference.runs.block_previews import OnPreview
    from viewer.overlays.area import Area
    from viewer.overlays.blocks import BlockGrid
    from viewer.overlays.result_map import BlockResult
    from viewer.overlays.segments.places import StorePlace
    from viewer.slides.source import SlideSource

_log = logging.getLogger(__name__)

_MOST_DEATHS = 2
"""After as many deaths of the process with a block under way the block is given up."""
_MOST_FRUITLESS = 4
"""After as many processes in a row that ended before any block was answered, no more begin."""
_LEAST_ELAPSED_S = 1e-3
_FAR_TRIES = 5
"""Each takes as long as a server may be silent unnoticed."""


class EngineListener(Protocol):
    """Who hears of the engine's work; called in the engine's threads."""

    def on_block(self, key: BlockKey, result: BlockResult) -> None:
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
        self._slide = slide
        self._store = store
        self._bundle = bundle
        about = StoreAbout(
            str(slide), identity, bundle.key, mpp_um, grid, STEPS_VERSION,
            task=bundle.task, classes=[name for name, _ in bundle.colors],
        )  # fmt: skip
        self._about = about
        self._kind = TASKS[bundle.description.task]
        self._listener = listener
        self._grid = grid
        self._agenda = Agenda(BlockQueue(grid))
        self._changed = self._agenda.changed
        self._model = FedModel(bundle, device, falls_back, grid, mpp_um)
        self._previews = BlockPreviews(bundle.description, grid, on_preview)
        self._feed: ProcessFeed | None = None
        self._source: SlideSource | None = None
        self._reader: BlockReader | None = None
        self._deaths: Counter[BlockKey] = Counter()
        self._fruitless = 0
        self._known = KnownBlocks(bundle, store, attached, wants, self)
        self._made_on = made_on(device)
        self._correction: TissueCorrection | None = None
        self._clock = RunClock()
        self._run_computed = 0
        self.timing = Timing()
        self.unreadable = 0
        """Blocks of which tiles could not be read."""
        self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
        self._thread.start()

    def look_at(self, field: Box | None) -> None:
        """Compute what is on screen before anything else; level-0 pixels."""
        with self._changed:
            self._agenda.blocks.look_at(field)
            self._previews.look_at(field)
            self._changed.notify_all()
        self._tell_progress()

    def run(self, area: Area) -> None:
        """Compute all of an area, once what is on screen is known."""
        keys = blocks_of(self._grid, area)
        with self._changed:
            self._agenda.blocks.want(keys)
            self._clock.restart()
            self._run_computed = 0
            self._changed.notify_all()
        self._tell_progress()

    def stop(self) -> None:
        """Forget what `run` and `look_at` asked for; what is known stays."""
        with self._changed:
            self._agenda.blocks.stop()
            self._agenda.blocks.look_at(None)
            self._previews.look_at(None)
        self._tell_progress()

    def set_paused(self, *, paused: bool) -> None:
        """Begin no block while paused; the rate and the time left leave the pause out."""
        with self._changed:
            self._clock.set_paused(paused=paused)
            self._agenda.is_paused = paused
            self._changed.notify_all()

    def end(self) -> None:
        """Have the process ended and what is known kept; the next engine waits for that."""
        with self._changed:
            self._agenda.is_closed = True
            feed = self._feed
            self._changed.notify_all()
        self._known.stop_reading()
        if feed is not None and not feed.may_stay():
            feed.kill()
        let_end(self._thread)

    def close(self, wait_s: float = 2.0) -> None:
        """End, and wait until it has ended."""
        self.end()
        if threading.current_thread() is not self._thread:
            self._thread.join(wait_s)

    def flush(self) -> None:
        """Return once all results are kept. Raises ResultStoreError."""
        self._known.flush()

    @property
    def results(self) -> str:
        """Return the name of the file of results, once they are read; "" where none are kept."""
        return self._known.name

    @property
    def process_id(self) -> int | None:
        """Return the id of the model's process, while there is one."""
        feed = self._feed
        return feed.process_id if feed is not None else None

    # The engine's thread ----------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            self._correct()
            if not self._agenda.is_closed:
                wait_for_ending()  # what it keeps is read now, and its process taken over
            self._known.load(self._about)
            limit_soon()
            while (first := self._wait_for_work()) is not None:
                self._serve_process(first)
        except ModelProcessError as error:
            self._listener.on_trouble(str(error), is_final=True)
        except Exception as error:
            _log.exception("the engine stopped")
            self._listener.on_trouble(f"The overlay stopped ({error}).", is_final=True)
        finally:
            self._known.close()
            if self._source is not None:
                self._source.close()

    def on_known(self, key: BlockKey, data: bytes) -> None:
        try:
            result = self._kind.decode_kept(data, self._grid.cells)
        except BlockResultError as error:
            _log.warning("a block is made again (%s)", error)
            return
        self._listener.on_block(key, result)
        with self._changed:
            self._agenda.blocks.mark_done(key)
            self._changed.notify_all()

    def _correct(self) -> None:
        """Learn what people drew to correct the tissue; results of others are kept apart."""
        about = self._about
        self._correction = kept_correction(about.identity, self._slide)
        if key := self._correction.key:
            self._about = replace(about, model=f"{about.model}{CORRECTED}{key}")

    def _wait_for_work(self) -> BlockKey | None:
        """Wait until a block is wanted and return it; None at the end."""
        while True:
            with self._changed:
                if self._agenda.is_closed:
                    return None
                if not self._agenda.is_paused and (key := self._agenda.blocks.take()) is not None:
                    return key
            self._tell_progress()
            with self._changed:
                if not self._agenda.is_closed:
                    self._changed.wait(0.5)

    def _serve_process(self, first: BlockKey) -> None:
        """Feed one process until it ends."""
        feed = ProcessFeed(self._model, self._agenda, self._previews, self)
        with self._changed:
            self._feed = feed
            if self._agenda.is_closed:
                feed.kill()
        try:
            feed.serve(first, self._opened_reader)
        finally:
            with self._changed:
                self._feed = None
                if not self._agenda.is_closed:
                    self._after_death(feed)

    def _opened_reader(self) -> BlockReader:
        """Return what reads blocks of the slide, which is opened once. Raises SlideError."""
        if self._reader is None:
            self._source = open_same(self._slide, self._about.identity)
            # The blocks of many machines must be the same whether a server refuses for a while.
            tries = _FAR_TRIES if self._store is not None and is_address(self._slide) else 1
            self._reader = BlockReader(
                self._source, self._grid, self._bundle.description, self._correction, tries
            )
        return self._reader

    def _after_death(self, feed: ProcessFeed) -> None:
        """Begin again what was under way, with the lock held."""
        stopped = feed.stopped
        self._fruitless = 1 if feed.has_answered else self._fruitless + 1
        if self._fruitless >= _MOST_FRUITLESS or (stopped and not feed.is_proven):
            self._agenda.is_closed = True
            sentence = "The model's process ends again and again before it finds anything."
            self._listener.on_trouble(stopped or sentence, is_final=True)
            return
        if stopped:
            self.on_passing(stopped)
        for key in self._agenda.blocks.give_back_all():
            self._deaths[key] += 1
            if self._deaths[key] >= _MOST_DEATHS:
                self._agenda.blocks.mark_done(key)
                self.on_passing("A part of the slide ends the model's process and is left out.")
        self.on_passing("The model's process ended and is started again.")

    # In the threads of the feed, and of the blocks that are known ---------------------------

    @property
    def is_over(self) -> bool:
        return self._agenda.is_closed

    def on_passing(self, sentence: str) -> None:
        self._listener.on_trouble(sentence, is_final=False)

    def on_attached(self, key: BlockKey, data: bytes) -> bool:
        with self._changed:
            if self._agenda.is_closed or self._agenda.blocks.is_settled(key):
                return False
        self.on_known(key, data)
        self._tell_progress()
        return True

    def on_loaded(self, device: str) -> None:
        self._made_on = made_on(device)
        self._listener.on_ready(device)
        if sentence := self._known.others(self._made_on):
            self.on_passing(sentence)

    def on_failed(self, sentence: str) -> None:
        with self._changed:
            self._agenda.is_closed = True
            self._changed.notify_all()
        self._listener.on_trouble(sentence, is_final=True)

    def on_unreadable(self, key: BlockKey, sentence: str) -> None:
        self.unreadable += 1
        self._mark_done(key)
        self.on_passing(sentence)

    def on_result(self, done: Done, read_s: float) -> None:
        key = BlockKey(done.column, done.row)
        try:
            result = self._kind.decode(done.result, self._grid.cells)
        except BlockResultError as error:
            raise ModelFailedError(f"The model gave no result ({error}).") from error
        self.timing = self.timing.plus(read_s, done.forward_s, done.cut_s)
        self._known.put(key, done.result, self._made_on)
        self._listener.on_block(key, result)
        self._mark_done(key)

    def _mark_done(self, key: BlockKey) -> None:
        with self._changed:
            self._agenda.blocks.mark_done(key)
            self._run_computed += 1
            self._changed.notify_all()
        self._tell_progress()

    def _tell_progress(self) -> None:
        with self._changed:
            done, total = self._agenda.blocks.whole_done, self._agenda.blocks.whole_count
            elapsed_s = max(self._clock.elapsed_s, _LEAST_ELAPSED_S)
            rate = self._run_computed / elapsed_s if total and self._run_computed else 0.0
            left_s = (total - done) / rate if rate else None
            busy = not self._agenda.blocks.is_idle
        self._listener.on_progress(Progress(done, total, rate, left_s, busy))
