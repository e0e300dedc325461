"""The queue of a batch: its slides to an executor, with pause, cancel and another try."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from viewer.cohort.batch import BatchProgress, SlideRecord
from viewer.cohort.errors import BatchError
from viewer.overlays.result_store import ResultStoreError, is_kept
from viewer.overlays.segments.segment_store import has_results
from viewer.plain_text import without_name
from viewer.slides.files.slide_files import slide_stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.cohort.batch import Batch, BatchSlide
    from viewer.cohort.executor import Executor, RunProgress, RunResult

_POLL_S = 0.5
_QUESTIONS, _PATIENCE_S = 16, 60.0
"""How many slides a store is asked about at once, and how long it may be silent."""
_KEEP_S = 1.0
"""How often others are let see how far a batch is."""


class BatchListener(Protocol):
    """Who hears of a batch; called in the threads that run it, by one at a time."""

    def on_slide(self, slide: BatchSlide, record: SlideRecord) -> None:
        """A slide began, is done, or failed."""

    def on_progress(self, progress: BatchProgress) -> None: ...


class _Running:
    """A slide that runs: since when, and how far it is."""

    def __init__(self) -> None:
        self.began_s: float | None = None
        self.share = 0.0
        self.left_s: float | None = None


class BatchRunner:
    """Works through the slides of one batch. `run` blocks; the others may be called anywhere.

    Parameters
    ----------
    width
        How many slides the executor is given at once.
    tries
        How often a slide that fails is run, before it is put aside with its sentence.
    find_done
        Gives the paths of slides that are done and whose results are still there; by default those
        of a model's run.
    """

    def __init__(
        self,
        batch: Batch,
        executor: Executor,
        listener: BatchListener,
        width: int = 1,
        tries: int = 1,
        find_done: Callable[[Batch], set[str]] | None = None,
    ) -> None:
        self.batch = batch
        self._executor = executor
        self._listener = listener
        self._width = width
        self._tries = tries
        self._find_done = find_done
        self._changed = threading.Condition()
        self._is_paused = self._is_canceled = self._is_over = False
        self._problem: Exception | None = None
        self._waiting: deque[BatchSlide] = deque()
        self._running: dict[str, _Running] = {}
        self._tried: Counter[str] = Counter()
        self._failed = 0
        self._done = 0
        self._elapsed_s: list[float] = []
        self._last = ("", 0.0)
        self._kept_s = 0.0

    def run(self, *, only_failed: bool = False) -> None:
        """Run all slides that are not done, those that failed before too, or only those.

        Raises
        ------
        BatchError
            Another process runs this batch, it cannot be kept, or nothing can be run any more.
        """
        with self.batch as batch:
            batch.take_cancel_request()  # what was asked of an earlier run
            done: set[str] = set() if only_failed else self._all_done()
            for slide in batch.slides:
                record = batch.record(slide)
                if only_failed and record.state != "failed":
                    self._done += record.state == "done"
                elif slide.path in done:
                    self._done += 1
                    self._listener.on_slide(slide, record)
                else:
                    self._waiting.append(slide)
            with self._changed:
                self._tell()
            width = min(self._width, len(self._waiting))
            threads = [
                threading.Thread(target=self._work, name="batch", daemon=True)
                for _ in range(width - 1)
            ]
            watch = threading.Thread(target=self._watch_requests, name="requests", daemon=True)
            for thread in (*threads, watch):
                thread.start()
            try:
                self._work()
                for thread in threads:
                    thread.join()
            except BaseException:  # such as Ctrl+C
                self.cancel()
                raise
            finally:
                with self._changed:
                    self._is_over = True
                    self._changed.notify_all()
            watch.join()
            with self._changed:
                self._tell(keeps=True)
        if self._problem is not None:
            raise self._problem

    def pause(self, *, paused: bool) -> None:
        """End the runs under way until it is resumed; what they computed is kept."""
        with self._changed:
            self._is_paused = paused
            self._changed.notify_all()
        if paused:
            self._executor.stop()

    def cancel(self) -> None:
        """End the batch; another run of it goes on from here."""
        with self._changed:
            self._is_canceled = True
            self._changed.notify_all()
        self._executor.stop()

    def _all_done(self) -> set[str]:
        """Return the paths of the slides that are done and whose results are still there."""
        batch, done = self.batch, set[str]()
        if self._find_done is not None:
            return self._find_done(batch)
        names: dict[str, str] = {}
        for slide in filter(batch.is_current, batch.slides):
            name = batch.record(slide).record.get("results")
            if isinstance(name, str) and name:
                names[slide.path] = name
            else:
                done.add(slide.path)
        return done | _with_results(names, batch.settings.store)

    def _watch_requests(self) -> None:
        """Hear of it when another process asks to end the batch."""
        while True:
            with self._changed:
                if self._is_canceled or self._is_over:
                    return
                self._changed.wait(_POLL_S)
            if self.batch.take_cancel_request():
                self.cancel()

    # What each thread does --------------------------------------------------------------------

    def _work(self) -> None:
        while (slide := self._next()) is not None:
            try:
                self._run_slide(slide)
            except Exception as error:  # raised by `run`, once all threads have ended
                with self._changed:
                    self._problem = self._problem or error
                    self._running.pop(slide.path, None)
                self.cancel()

    def _next(self) -> BatchSlide | None:
        """Return the next slide once there is one; None at the end."""
        with self._changed:
            while not self._is_canceled:
                if not self._is_paused and self._waiting:
                    slide = self._waiting.popleft()
                    self._running[slide.path] = _Running()
                    return slide
                if not self._waiting and not self._running:
                    return None
                self._changed.wait(_POLL_S)
            return None

    def _run_slide(self, slide: BatchSlide) -> None:
        if self._width == 1:
            self._begin(slide)  # elsewhere it may wait for its turn
        stamp = slide_stamp(Path(slide.path))
        result = self._executor.run(
            run_arguments(self.batch, slide), lambda progress: self._on_progress(slide, progress)
        )
        with self._changed:
            run = self._running.pop(slide.path)
            self._tried[slide.path] += 1
            if result.was_stopped:
                self._waiting.appendleft(slide)
                self._tried[slide.path] -= 1
                self._listener.on_slide(slide, SlideRecord(slide=slide.path, state="waiting"))
            elif result.record is None and self._tried[slide.path] < self._tries:
                self._waiting.append(slide)
                self._listener.on_slide(slide, SlideRecord(slide=slide.path, state="waiting"))
            else:
                self._take(slide, stamp, result, run)
            self._changed.notify_all()

    def _take(
        self, slide: BatchSlide, stamp: tuple[int, int], result: RunResult, run: _Running
    ) -> None:
        """Keep what came of a slide, the lock held."""
        state = "failed" if result.record is None else "done"
        record = SlideRecord(
            slide=slide.path, state=state, file=stamp, record=result.record or {},
            error=without_name(result.error, Path(slide.path).name), notes=result.notes,
        )  # fmt: skip
        self.batch.note(record)
        self._done += state == "done"
        self._failed += state == "failed"
        if state == "done" and run.began_s is not None:
            self._elapsed_s.append(time.monotonic() - run.began_s)
        self._listener.on_slide(slide, record)
        self._tell()

    def _begin(self, slide: BatchSlide) -> None:
        with self._changed:
            self._running[slide.path].began_s = time.monotonic()
            self._listener.on_slide(slide, SlideRecord(slide=slide.path, state="running"))

    # How far it is ----------------------------------------------------------------------------

    def _on_progress(self, slide: BatchSlide, progress: RunProgress) -> None:
        run = self._running.get(slide.path)
        if run is None:
            return
        if run.began_s is None:
            self._begin(slide)
        with self._changed:
            run.share = progress.done / progress.total if progress.total else 0.0
            run.left_s = progress.left_s
            self._last = (slide.path, run.share)
            self._tell()

    def _left_s(self) -> float | None:
        """Return how long all that is left takes, as far as those that run have been as quick."""
        begun = [run for run in self._running.values() if run.began_s is not None]
        to_come = len(self._waiting) + len(self._running) - len(begun)
        mean_s = sum(self._elapsed_s) / len(self._elapsed_s) if self._elapsed_s else None
        # Of the first slides only their own rate is known: others are taken to last as long.
        rates = [run.left_s / (1 - run.share) for run in begun
                 if run.left_s is not None and 0 < run.share < 1]  # fmt: skip
        if mean_s is None and rates:
            mean_s = sum(rates) / len(rates)
        if mean_s is None:
            return 0.0 if not begun and not to_come else None
        here_s = sum(
            run.left_s if run.left_s is not None else (1 - run.share) * mean_s for run in begun
        )
        return (here_s + to_come * mean_s) / max(1, len(begun))

    def _tell(self, *, keeps: bool = False) -> None:
        """Tell how far the batch is, the lock held."""
        slide, share = self._last if self._last[0] in self._running else ("", 0.0)
        progress = BatchProgress(
            done=self._done, failed=self._failed, total=len(self.batch.slides),
            share=sum(run.share for run in self._running.values()), left_s=self._left_s(),
            slide=slide, slide_share=share,
            running=sum(run.began_s is not None for run in self._running.values()),
        )  # fmt: skip
        self._listener.on_progress(progress)
        now_s = time.monotonic()
        if keeps or now_s - self._kept_s >= _KEEP_S:
            self._kept_s = now_s
            self.batch.keep_progress(progress)


def _with_results(names: dict[str, str], store: str) -> set[str]:
    """Return the slides, of a name of results each, whose results are kept. Raises BatchError."""
    if not store:
        return {path for path, name in names.items() if is_kept(name)}
    from viewer.overlays.segments.places import PatientPlace, place_of

    place = PatientPlace(place_of(store), _PATIENCE_S)
    try:
        with ThreadPoolExecutor(_QUESTIONS, "results") as pool:
            kept = list(pool.map(partial(has_results, place), names.values()))
    except ResultStoreError as error:
        raise BatchError(str(error)) from error
    return {path for path, is_there in zip(names, kept, strict=True) if is_there}


def run_arguments(batch: Batch, slide: BatchSlide) -> list[str]:
    """Return the arguments of the command of a batch for one of its slides."""
    settings = batch.settings
    arguments = [f"--expect={settings.key}"]
    if settings.command == "run":
        arguments.append(f"--frozen={batch.manifest_path}")
    else:
        arguments.append(f"--name={slide.name}")
    arguments += [
        f"--{name}={value}" if value else f"--{name}" for name, value in settings.options.items()
    ]
    if settings.store:
        arguments.append(f"--store={settings.store}")
    if slide.out:
        arguments.append(f"--out={Path(settings.out) / slide.out}")
    return [*arguments, "--", settings.model, slide.path]


def duration_text(seconds: float) -> str:
    """Return how long something takes, in words of at most two units: "2 h 5 min"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{round(seconds)} s"
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
