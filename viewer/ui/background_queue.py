"""All that the window has done in threads, in one order: asked for, in sight, and the rest."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from enum import IntEnum
from itertools import count
from typing import TYPE_CHECKING, Generic, TypeVar

from viewer.errors import CoverslipError
from viewer.progress import progress_to
from viewer.unwaited_thread import UnwaitedThread
from viewer.window_first import wait_for_window

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)
_MOST_UNASKED = 1000
"""Tasks that wait though nobody asked for them; of more the older half is dropped."""
_MOST_ASKED = 10_000
"""Tasks of one lane that were asked for and wait, as for a dead drive; more are refused."""
_MOST_UNASKED_AT_ONCE = 4
"""Threads that do what nobody asked for, of all lanes together."""
_MOST_IDLE, _IDLE_S = 4, 5.0
"""Threads that wait for more, and how long."""
_HELD_UP_S = 5.0
"""What takes longer waits for a drive or a network rather than computing: others go on."""


class DroppedError(CoverslipError):
    """Work that nobody asked for was dropped, as too much of it came after it."""

    def __init__(self) -> None:
        super().__init__("Too much else was to be done: this was left out.")


class CanceledError(CoverslipError):
    """Work under way was ended, as nobody wants it any more; nobody hears of it either."""


class RefusedError(CoverslipError):
    """Work that was asked for was not taken, as too much of it waits already."""

    def __init__(self) -> None:
        super().__init__("Too much waits to be done: this was not begun. Try again later.")


class Urgency(IntEnum):
    """What goes first: what somebody asked for, what is in sight, and the rest."""

    ASKED = 0
    IN_SIGHT = 1
    REST = 2


class Task(ABC):
    """One piece of work under way; `cancel` makes its result unwanted."""

    def __init__(self) -> None:
        self.canceled = False
        self.error: Exception | None = None
        self.number = 0
        """Its place among all tasks, as the queue took them."""

    @abstractmethod
    def cancel(self) -> None:
        """Neither `done` nor `failed` will run, and the work not either unless it has begun.

        Work that has begun ends where it next says how far it is (`tell_progress`).

        A result that still comes goes to `dropped`. What the work holds is let go of at once.
        """

    @abstractmethod
    def perform(self) -> bool:
        """Do the work, in a thread; return False where it was canceled before."""

    @abstractmethod
    def deliver(self) -> None:
        """Give the result to `done`, or the error to `failed`."""

    @abstractmethod
    def drop(self) -> None:
        """Give a result that nobody wants any more to `dropped`."""


_Result = TypeVar("_Result")
_Taken = TypeVar("_Taken")


class Work(Task, Generic[_Result]):
    """A task by the functions that do it and take what comes of it.

    The result is not held here once it is given on: whoever asked may keep the task.
    """

    def __init__(
        self,
        work: Callable[[], _Result],
        done: Callable[[_Result], object],
        failed: Callable[[Exception], object],
        dropped: Callable[[_Result], object],
    ) -> None:
        super().__init__()
        self._work = [work]
        """Empty once it has begun, or is not to begin."""
        self._done = done
        self._failed = failed
        self._dropped = dropped
        self._results: list[_Result] = []

    def cancel(self) -> None:
        self.canceled = True
        self._done = self._failed = _nothing
        if _taken(self._work) is not None:
            self._dropped = _nothing  # it has not begun, and nothing comes of it

    def perform(self) -> bool:
        work = _taken(self._work)
        if work is None:
            return False
        try:
            with progress_to(self._tell):
                self._results.append(work())
        except Exception as error:  # `failed` knows what to say of it
            self.error = error
        return True  # what the work holds, which may be large, is let go of

    def _tell(self, _share: float) -> None:
        """End work that says how far it is once nobody wants it; what it holds may be large."""
        if self.canceled:
            raise CanceledError

    def deliver(self) -> None:
        error, self.error = self.error, None  # its traceback holds this, and all the work held
        if error is not None:
            self._failed(error)
        else:
            self._done(self._results.pop())

    def drop(self) -> None:
        error, self.error = self.error, None
        if error is None:
            self._dropped(self._results.pop())


def _taken(one: list[_Taken]) -> _Taken | None:
    """Take what a list holds; None where another thread was first."""
    try:
        return one.pop()
    except IndexError:
        return None


def _nothing(_: object) -> None:
    """Stand for what is called no more, which may hold much."""


class Lane:
    """Tasks of one owner in the queue, of which a few at most run at once.

    Parameters
    ----------
    limit
        How many at most. Where there are several, one is left to what is asked for.
    finish
        Called in a thread with a task whose work is over.
    """

    def __init__(self, name: str, limit: int, finish: Callable[[Task], object]) -> None:
        self.name = name
        self.finish = finish
        self.running = self.unasked = 0
        self.waiting: dict[Urgency, deque[Task]] = {each: deque() for each in Urgency}
        self._limit = limit

    def has_room(self, urgency: Urgency) -> bool:
        """Return whether one more task may begin."""
        is_kept_free = urgency is not Urgency.ASKED and self._limit > 1
        return self.running < self._limit and not (is_kept_free and self.unasked >= self._limit - 1)

    def first(self, urgency: Urgency) -> Task | None:
        """Return what waits longest, leaving out what is not wanted any more."""
        waiting = self.waiting[urgency]
        while waiting and waiting[0].canceled:
            waiting.popleft()
        return waiting[0] if waiting else None


class BackgroundQueue:
    """Gives the tasks of all lanes to threads, which start at need and end some seconds after.

    What is asked for begins as soon as its lane has room, since a read that a dead drive holds for
    ever may not hold up another. Of the rest a few run at once, what is in sight first. The threads
    are daemons, and a task that nobody wants any more is not begun.
    """

    def __init__(self) -> None:
        lock = threading.RLock()
        self._changed, self._was_given = threading.Condition(lock), threading.Condition(lock)
        self._idle_count = 0
        """Threads that wait, and that nothing was given to."""
        self._given: deque[tuple[Lane, Task]] = deque()
        self._numbers = count()
        self._waiting: dict[Lane, None] = {}
        """Lanes in which something may wait."""
        self._begun: dict[Task, float] = {}
        """When that was begun which nobody asked for."""

    def add(self, lane: Lane, task: Task, urgency: Urgency) -> list[tuple[Task, Lane]]:
        """Take a task; return those that are not done for it: others that nobody asked for, or it.

        What was taken is done; a lane that is held up for long takes no more.
        """
        with self._changed:
            if urgency is Urgency.ASKED and self._is_overfull(lane):
                task.error = RefusedError()
                return [(task, lane)]
            task.number = next(self._numbers)
            lane.waiting[urgency].append(task)
            self._waiting[lane] = None
            dropped = [] if urgency is Urgency.ASKED else self._make_room()
            self._start()
        return dropped

    def waiting_count(self, lane: Lane) -> int:
        """Return how much wanted work of a lane no thread has begun."""
        with self._changed:
            return sum(not task.canceled for each in lane.waiting.values() for task in each)

    def cancel_waiting(self, lane: Lane) -> None:
        """Drop what no thread has begun of a lane."""
        with self._changed:
            self._waiting.pop(lane, None)
            for waiting in lane.waiting.values():
                for task in waiting:
                    task.cancel()
                waiting.clear()

    def wait_for(self, lane: Lane, patience_s: float) -> bool:
        """Wait until nothing of a lane runs or waits; False where that takes too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_busy(lane), patience_s)

    # With the lock held ----------------------------------------------------------------------

    def _is_busy(self, lane: Lane) -> bool:
        return bool(lane.running) or any(lane.first(each) for each in Urgency)

    def _is_overfull(self, lane: Lane) -> bool:
        waiting = lane.waiting[Urgency.ASKED]
        if len(waiting) >= _MOST_ASKED:
            waiting = lane.waiting[Urgency.ASKED] = deque(t for t in waiting if not t.canceled)
        return len(waiting) >= _MOST_ASKED

    def _make_room(self) -> list[tuple[Task, Lane]]:
        """Drop the older half of very much that nobody asked for, the rest before what is seen."""
        unasked = Urgency.IN_SIGHT, Urgency.REST
        if sum(len(lane.waiting[u]) for lane in self._waiting for u in unasked) <= _MOST_UNASKED:
            return []
        found = [(u, lane) for lane in self._waiting for u in unasked]
        for urgency, lane in found:
            lane.waiting[urgency] = deque(t for t in lane.waiting[urgency] if not t.canceled)
        wanted = [(-u, t.number, lane, u) for u, lane in found for t in lane.waiting[u]]
        wanted.sort(key=lambda each: each[:2])
        surplus = wanted[: max(0, len(wanted) - _MOST_UNASKED // 2)]
        dropped = [(lane.waiting[urgency].popleft(), lane) for _, _, lane, urgency in surplus]
        for task, _ in dropped:
            task.error = DroppedError()
        return dropped

    def _start(self) -> None:
        """Give each task that may run now to a thread that has nothing to do, else to a new one."""
        while (found := self._next()) is not None:
            self._given.append(found)
            if self._idle_count:  # to start one, the window would wait for its turn and for ours
                self._idle_count -= 1
                self._was_given.notify()
            else:
                UnwaitedThread(self._serve).start()

    def _next(self) -> tuple[Lane, Task] | None:
        """Take what is to be done now; None where all that waits is left to others."""
        self._waiting = {lane: None for lane in self._waiting if any(lane.waiting.values())}
        for urgency in Urgency:
            if urgency is not Urgency.ASKED and self._is_full():
                return None
            lanes = [lane for lane in self._waiting if lane.has_room(urgency)]
            firsts = [(lane, first) for lane in lanes if (first := lane.first(urgency)) is not None]
            if firsts:
                lane, task = min(firsts, key=lambda each: each[1].number)
                lane.waiting[urgency].popleft()
                lane.running += 1
                if urgency is not Urgency.ASKED:
                    lane.unasked += 1
                    self._begun[task] = time.monotonic()
                return lane, task
        return None

    def _is_full(self) -> bool:
        since = time.monotonic() - _HELD_UP_S
        return sum(begun > since for begun in self._begun.values()) >= _MOST_UNASKED_AT_ONCE

    # In a thread -----------------------------------------------------------------------------

    def _serve(self) -> None:
        with self._changed:
            found = self._take_given()
        while found is not None:
            lane, task = found
            threading.current_thread().name = lane.name
            wait_for_window()
            _perform(lane, task)
            with self._changed:
                lane.running -= 1
                if self._begun.pop(task, None) is not None:
                    lane.unasked -= 1
                found = self._next()
                self._start()
                self._changed.notify_all()
                del lane, task  # what was done, with all that it holds
                if found is None and self._idle_count < _MOST_IDLE:
                    self._idle_count += 1
                    found = self._take_given()

    def _take_given(self) -> tuple[Lane, Task] | None:
        """Wait for what is given to one of the threads; None after a while without any.

        As many threads wait as are idle and as tasks are given, so whoever comes first takes one.
        """
        if not self._was_given.wait_for(lambda: self._given, _IDLE_S):
            self._idle_count -= 1
            return None
        return self._given.popleft()


def _perform(lane: Lane, task: Task) -> None:
    if not task.perform():
        return
    try:
        lane.finish(task)
    except Exception:
        _log.exception("what came too late could not be let go of")


QUEUE = BackgroundQueue()
"""That of the program."""
