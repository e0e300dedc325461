"""The queue of a batch: slide after slide to an executor, with pause, cancel and another try."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from viewer.cohort.batch import SlideRecord, file_stamp
from viewer.overlays.result_store import is_kept

if TYPE_CHECKING:
    from viewer.cohort.batch import Batch, BatchSlide
    from viewer.cohort.executor import Executor, RunProgress

_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch is.

    Attributes
    ----------
    done, failed, total
        Slides.
    share
        Of the slide that runs, 0 to 1.
    left_s
        For all that is left; None where it is not known yet.
    """

    done: int
    failed: int
    total: int
    share: float = 0.0
    left_s: float | None = None


class BatchListener(Protocol):
    """Who hears of a batch; called in the thread that runs it."""

    def on_slide(self, slide: BatchSlide, record: SlideRecord) -> None:
        """A slide began, is done, or failed."""

    def on_progress(self, progress: BatchProgress) -> None: ...


class BatchRunner:
    """Works through the slides of one batch. `run` blocks; the others may be called anywhere."""

    def __init__(self, batch: Batch, executor: Executor, listener: BatchListener) -> None:
        self.batch = batch
        self._executor = executor
        self._listener = listener
        self._changed = threading.Condition()
        self._is_paused = self._is_canceled = False
        self._failed = 0
        self._done = 0
        self._elapsed_s: list[float] = []

    def run(self) -> None:
        """Run all slides that are not done, those that failed before too.

        Raises
        ------
        BatchError
            Another process runs this batch, or it cannot be kept.
        """
        with self.batch:
            slides = self.batch.slides
            to_do = [slide for slide in slides if not self._is_done(slide)]
            self._done = len(slides) - len(to_do)
            for slide in slides:
                if slide not in to_do:
                    self._listener.on_slide(slide, self.batch.record(slide))
            self._tell()
            while to_do and not self._is_canceled:
                if self._wait_while_paused():
                    break
                if self._run_slide(to_do[0], len(to_do)):
                    to_do.pop(0)

    def pause(self, *, paused: bool) -> None:
        """End the run of the slide under way until it is resumed; what it computed is kept."""
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

    def _is_done(self, slide: BatchSlide) -> bool:
        if not self.batch.is_current(slide):
            return False
        kept = self.batch.record(slide).record.get("results")
        return not isinstance(kept, str) or not kept or is_kept(kept)

    def _wait_while_paused(self) -> bool:
        """Wait until the batch is not paused; return whether it is canceled."""
        with self._changed:
            while self._is_paused and not self._is_canceled:
                self._changed.wait(_POLL_S)
            return self._is_canceled

    def _run_slide(self, slide: BatchSlide, left: int) -> bool:
        """Run one slide; return False where it was stopped, and is to be run again."""
        self._listener.on_slide(slide, SlideRecord(slide=slide.path, state="running"))
        started_s = time.monotonic()
        stamp = file_stamp(Path(slide.path))
        result = self._executor.run(
            run_arguments(self.batch, slide), lambda progress: self._on_progress(progress, left)
        )
        if result.was_stopped:
            self._listener.on_slide(slide, SlideRecord(slide=slide.path, state="waiting"))
            return False
        state = "failed" if result.record is None else "done"
        record = SlideRecord(
            slide=slide.path, state=state, file=stamp, record=result.record or {},
            error=result.error, notes=result.notes,
        )  # fmt: skip
        self.batch.note(record)
        self._done += state == "done"
        self._failed += state == "failed"
        if state == "done":
            self._elapsed_s.append(time.monotonic() - started_s)
        self._listener.on_slide(slide, record)
        self._tell(left_s=self._left_s(left - 1))
        return True

    def _on_progress(self, progress: RunProgress, left: int) -> None:
        share = progress.done / progress.total if progress.total else 0.0
        after_s = self._left_s(left - 1)
        here_s = progress.left_s
        if here_s is None and after_s is not None and self._elapsed_s:
            here_s = (1 - share) * self._elapsed_s[-1]
        # Of the first slide only its own rate is known: others are taken to last as long.
        if after_s is None and here_s is not None and share > 0:
            after_s = (left - 1) * here_s / max(1 - share, 1e-3)
        left_s = None if here_s is None or after_s is None else here_s + after_s
        self._tell(share=share, left_s=left_s)

    def _left_s(self, slides: int) -> float | None:
        if not slides:
            return 0.0
        if not self._elapsed_s:
            return None
        return slides * sum(self._elapsed_s) / len(self._elapsed_s)

    def _tell(self, share: float = 0.0, left_s: float | None = None) -> None:
        total = len(self.batch.slides)
        self._listener.on_progress(BatchProgress(self._done, self._failed, total, share, left_s))


def run_arguments(batch: Batch, slide: BatchSlide) -> list[str]:
    """Return the arguments of `coverslip run` for one slide of a batch."""
    settings = batch.settings
    arguments = [f"--expect={settings.key}", f"--frozen={batch.manifest_path}"]
    arguments += [f"--{name}={value}" for name, value in settings.options.items()]
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
