"""Work in threads whose results come back to the thread that asked; the most urgent goes first."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, Signal

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)
_CLOSE_WAIT_S = 0.2
"""For reads, which a dead drive can hold for ever and nobody waits for any more."""
_FINISH_WAIT_S = 10.0
"""For writes."""


_MOST_UNASKED = 1000
"""Tasks that wait though nobody asked for them; of more the older half is dropped."""


class DroppedError(CoverslipError):
    """Work that nobody asked for was dropped, as too much of it came after it."""

    def __init__(self) -> None:
        super().__init__("Too much else was to be done: this was left out.")


class Urgency(IntEnum):
    """What goes first: what somebody asked for, what is in sight, and the rest."""

    ASKED = 0
    IN_SIGHT = 1
    REST = 2


class Task:
    """One piece of work under way; `cancel` makes its result unwanted."""

    def __init__(
        self,
        work: Callable[[], Any],
        done: Callable[[Any], object],
        failed: Callable[[Exception], object],
        dropped: Callable[[Any], object],
    ) -> None:
        self.work = work
        self.done = done
        self.failed = failed
        self.dropped = dropped
        self.canceled = False
        self.result: Any = None
        self.error: Exception | None = None

    def cancel(self) -> None:
        """Neither `done` nor `failed` will run, and the work not either unless it has begun.

        A result that still comes goes to `dropped`.
        """
        self.canceled = True

    def taken(self) -> Any:
        """Return the result, which is not held here any more: whoever asked may keep the task."""
        result, self.result = self.result, None
        return result


class BackgroundRunner(QObject):
    """A few threads that start when there is work and end when there is none.

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
        self._name = name
        self._limit = threads
        self._lock = threading.Lock()
        self._waiting: dict[Urgency, deque[Task]] = {each: deque() for each in Urgency}
        self._unasked = 0
        """How many threads do what nobody asked for."""
        self._running: set[threading.Thread] = set()
        self._closed = False
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def run(
        self,
        work: Callable[[], Any],
        done: Callable[[Any], object],
        failed: Callable[[Exception], object] | None = None,
        dropped: Callable[[Any], object] | None = None,
        *,
        urgency: Urgency = Urgency.ASKED,
    ) -> Task:
        """Runs `work` in a thread, then `done(result)` or `failed(error)` here.

        Of very much that nobody asked for the oldest fails with `DroppedError`.

        `dropped(result)` runs in either thread when the task was canceled in the meantime, and
        is the place to close what was opened.
        """
        task = Task(work, done, failed or _log_error, dropped or _forget)
        with self._lock:
            if self._closed:
                task.cancel()
                return task
            self._waiting[urgency].append(task)
            self._make_room(urgency)
            if len(self._running) < self._limit:
                thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                self._running.add(thread)
                thread.start()
        return task

    @property
    def waiting_count(self) -> int:
        """Return how much wanted work no thread has begun."""
        with self._lock:
            return sum(not task.canceled for each in self._waiting.values() for task in each)

    def cancel_waiting(self) -> None:
        """Drops what no thread has begun."""
        with self._lock:
            for waiting in self._waiting.values():
                for task in waiting:
                    task.cancel()
                waiting.clear()

    def close(self, *, finish: bool = False) -> None:
        """Takes no more work and waits a moment for the threads to end.

        What has not begun is dropped, unless `finish` asks to carry it out, as for writing files.
        Neither `done` nor `failed` runs any more.
        """
        if not finish:
            self.cancel_waiting()
        with self._lock:
            self._closed = True
            threads = list(self._running)
        until = time.monotonic() + (_FINISH_WAIT_S if finish else _CLOSE_WAIT_S)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _serve(self) -> None:
        me = threading.current_thread()
        while True:
            with self._lock:
                found = self._next()
                if found is None:
                    self._running.discard(me)
                    return
                urgency, task = found
                is_unasked = urgency is not Urgency.ASKED
                self._unasked += is_unasked
            self._perform(task)
            with self._lock:
                self._unasked -= is_unasked

    def _make_room(self, urgency: Urgency) -> None:
        """Drop the older half of very much that nobody asked for; with the lock held."""
        waiting = self._waiting[urgency]
        if urgency is Urgency.ASKED or len(waiting) <= _MOST_UNASKED:
            return
        wanted = deque(task for task in waiting if not task.canceled)
        while len(wanted) > _MOST_UNASKED // 2:
            oldest = wanted.popleft()
            oldest.error = DroppedError()
            self._arrived.emit(oldest)
        self._waiting[urgency] = wanted

    def _next(self) -> tuple[Urgency, Task] | None:
        """Return what is to be done now; None where all that waits is left to other threads."""
        for urgency, waiting in self._waiting.items():
            is_full = self._limit > 1 and self._unasked >= self._limit - 1
            if urgency is not Urgency.ASKED and is_full:
                return None
            while waiting:
                task = waiting.popleft()
                if not task.canceled:
                    return urgency, task
        return None

    def _perform(self, task: Task) -> None:
        try:
            task.result = task.work()
        except Exception as error:  # `failed` knows what to say of it
            task.error = error
        with self._lock:
            wanted = not self._closed and not task.canceled
            if wanted:
                self._arrived.emit(task)
        if not wanted and task.error is None:
            task.dropped(task.taken())

    def _deliver(self, task: Task) -> None:
        if task.canceled or self._closed:
            if task.error is None:
                task.dropped(task.taken())
        elif task.error is not None:
            task.failed(task.error)
        else:
            task.done(task.taken())


def _log_error(error: Exception) -> None:
    if isinstance(error, DroppedError):
        return
    _log.error("work in the background failed", exc_info=error)


def _forget(_: object) -> None:
    pass
