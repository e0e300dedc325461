"""Work in threads whose results come back to the thread that asked; the most urgent goes first."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from PySide6.QtCore import QObject, Qt, Signal

from viewer.errors import reason_of
from viewer.files.set_aside import say_unusable
from viewer.ui.background_queue import QUEUE, DroppedError, Lane, Task, Urgency, Work

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BackgroundRunner", "DroppedError", "Task", "Urgency"]

_log = logging.getLogger(__name__)
_CLOSE_WAIT_S = 0.2
"""For reads, which a dead drive can hold for ever and nobody waits for any more."""
_FINISH_WAIT_S = 10.0
"""For writes."""
_DROPPING_AT_ONCE = 4
_Result = TypeVar("_Result")


class BackgroundRunner(QObject):
    """One part's lane in the window's queue of work; at most so many of its tasks run at once.

    The threads are daemons: a read that a dead network drive holds for ever cannot keep the
    program from ending. `done` and `failed` run in the thread that owns this object.

    Parameters
    ----------
    threads
        How many at most. Where there are several, one is left to what is asked for.
    """

    _arrived = Signal(object)

    def __init__(self, name: str, threads: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lane = Lane(name, threads, self._finish)
        self._lock = threading.Lock()
        self._closed = self._finishes = False
        self._keeping: WeakKeyDictionary[Task, str] = WeakKeyDictionary()
        """What tasks write that are not over, or failed and nobody heard of it yet."""
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def run(
        self,
        work: Callable[[], _Result],
        done: Callable[[_Result], object],
        failed: Callable[[Exception], object] | None = None,
        dropped: Callable[[_Result], object] | None = None,
        *,
        urgency: Urgency = Urgency.ASKED,
        keeps: str = "",
    ) -> Task:
        """Run `work` in a thread, then `done(result)` or `failed(error)` here.

        Of very much that nobody asked for the oldest fails with `DroppedError`; what is asked for
        while very much waits already fails with `RefusedError`.

        `dropped(result)` runs in a thread when the task was canceled in the meantime, and is the
        place to close what was opened.

        `keeps` is what `work` writes, as the subject of a sentence. The user hears of it where it
        fails, or is not over, while the window closes and nobody hears `failed` any more.
        """
        task = Work(work, done, failed or _log_error, dropped or _forget)
        if self._closed:
            task.cancel()
            return task
        if keeps:
            with self._lock:
                self._keeping[task] = keeps
        for each, lane in QUEUE.add(self._lane, task, urgency):
            lane.finish(each)
        return task

    @property
    def waiting_count(self) -> int:
        """Return how much wanted work no thread has begun."""
        return QUEUE.waiting_count(self._lane)

    def cancel_waiting(self) -> None:
        """Drop what no thread has begun."""
        QUEUE.cancel_waiting(self._lane)

    def close(self, *, finish: bool = False) -> None:
        """Take no more work and wait a moment for what runs to end.

        What has not begun is dropped, unless `finish` asks to carry it out, as for writing files.
        Neither `done` nor `failed` runs any more; what failed of what is carried out is logged,
        and said where it is something that was to be kept.
        """
        with self._lock:
            self._closed, self._finishes = True, finish
        if not finish:
            self.cancel_waiting()
        is_over = QUEUE.wait_for(self._lane, _FINISH_WAIT_S if finish else _CLOSE_WAIT_S)
        if not finish:
            return
        with self._lock:
            left = [(keeps, task.error) for task, keeps in self._keeping.items()
                    if not task.canceled]  # fmt: skip
            self._keeping.clear()
        for keeps, error in left:
            if error is not None:
                say_unusable(_not_saved(keeps, error))
            elif not is_over:
                say_unusable(f"{keeps} could not be saved: the drive or its lock did not answer.")

    def _finish(self, task: Task) -> None:
        """Send a task home whose work is over; in its thread."""
        with self._lock:
            keeps = self._keeping.get(task, "")
            wanted = not self._closed and not task.canceled
            if task.error is None or not wanted:
                self._keeping.pop(task, None)
            if wanted:
                self._arrived.emit(task)
        if not wanted:
            if self._finishes and not task.canceled and task.error is not None:
                _log_error(task.error)
                if keeps:
                    say_unusable(_not_saved(keeps, task.error))
            task.drop()

    def _deliver(self, task: Task) -> None:
        if task.canceled or self._closed:
            _drop_soon(task)
        else:
            with self._lock:
                self._keeping.pop(task, None)
            task.deliver()


def _drop_soon(task: Task) -> None:
    """Drop a result in a thread: to end the process of a slide takes longer than a frame."""
    dropping = Work(task.drop, _forget, _log_error, _forget)
    if QUEUE.add(_DROPPING, dropping, Urgency.ASKED):  # too much waits already
        task.drop()


def _note_dropped(dropping: Task) -> None:
    if dropping.error is not None:
        _log_error(dropping.error)


def _log_error(error: Exception) -> None:
    if isinstance(error, DroppedError):
        return
    _log.error("work in the background failed", exc_info=error)


def _not_saved(what: str, error: Exception) -> str:
    file = error.filename if isinstance(error, OSError) else None
    where = f" to {file}" if file else ""
    return f"{what} could not be saved{where} ({reason_of(error).rstrip('.')})."


def _forget(_: object) -> None:
    pass


_DROPPING = Lane("drop", _DROPPING_AT_ONCE, _note_dropped)
"""Of all runners: what came once nobody wanted it any more."""
