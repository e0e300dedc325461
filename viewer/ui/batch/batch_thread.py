"""A batch at work: its queue in a thread of its own, what it says as signals of Qt's."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from viewer.cohort.runner import BatchRunner
from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.cohort.batch import Batch, BatchSlide, BatchWhere, SlideRecord
    from viewer.cohort.runner import BatchProgress

_log = logging.getLogger(__name__)
_END_S = 10.0


class BatchThread(QObject):
    """Begins a batch and runs it; every slide runs in a process, so the thread only waits.

    Parameters
    ----------
    begin
        Gives the batch; called in the thread once the place answers.
    where, store
        What runs the slides, and the folder or bucket of their results; "" for this machine's own.
    only_failed
        Run those slides alone that failed before.
    """

    begun = Signal(object)
    """The Batch."""
    slide_changed = Signal(object)
    """A SlideRecord."""
    progressed = Signal(object)
    """A BatchProgress."""
    ended = Signal(str)
    """"" or one sentence about why it ended."""

    def __init__(
        self,
        begin: Callable[[], Batch],
        parent: QObject,
        where: BatchWhere,
        store: str = "",
        *,
        only_failed: bool = False,
    ) -> None:
        super().__init__(parent)
        self._begin = begin
        self._where = where
        self._store = store
        self._only_failed = only_failed
        self._lock = threading.Lock()
        self._runner: BatchRunner | None = None
        self._is_canceled = False
        self._thread = threading.Thread(target=self._run, name="batch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def pause(self, *, paused: bool) -> None:
        """End the slide that runs until it is resumed."""
        with self._lock:
            if self._runner is not None:
                self._runner.pause(paused=paused)

    def cancel(self) -> None:
        """End the batch; it can go on later."""
        with self._lock:
            self._is_canceled = True
            if self._runner is not None:
                self._runner.cancel()

    def close(self) -> None:
        """End the batch and wait for its process."""
        self.cancel()
        if self._thread.ident is not None:
            self._thread.join(_END_S)

    def on_slide(self, slide: BatchSlide, record: SlideRecord) -> None:
        del slide
        self.slide_changed.emit(record)

    def on_progress(self, progress: BatchProgress) -> None:
        self.progressed.emit(progress)

    def _run(self) -> None:
        sentence = ""
        try:
            self._run_at_place()
        except CoverslipError as error:
            sentence = str(error)
        except Exception as error:
            _log.exception("the batch stopped")
            sentence = f"The batch stopped ({error})."
        self.ended.emit(sentence)

    def _run_at_place(self) -> None:
        from viewer.cohort.choosing import check_store, executor_for

        check_store(self._store, self._where)
        with executor_for(self._where) as place:
            batch = self._begin()
            with self._lock:
                runner = BatchRunner(batch, place.executor, self, place.width, place.tries)
                self._runner = runner
                if self._is_canceled:
                    runner.cancel()
            self.begun.emit(batch)
            runner.run(only_failed=self._only_failed)
