"""Keeps what is drawn: a thread that writes each step to the slide's file within a second."""

from __future__ import annotations

import atexit
import logging
import sqlite3
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from viewer.annotations.storage.fallback import spill
from viewer.annotations.storage.slide_file import write_lock
from viewer.annotations.storage.store import AnnotationStore, AnnotationStoreError, Stamped
from viewer.errors import reason_of
from viewer.files.set_aside import say_unusable
from viewer.memory.uncollected import uncollected
from viewer.plurals import plural
from viewer.progress import progress_to
from viewer.unwaited_thread import UnwaitedThread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Edit
    from viewer.annotations.storage.slide_file import KeptAnnotations, OpenedAnnotations
    from viewer.progress import Tell

_log = logging.getLogger(__name__)

_GATHER_S = 0.05
"""Steps that come in a row share a transaction."""
_MOST_TOGETHER = 10_000
"""Changes of steps that share one; of more each step goes alone, and is freed once it is kept."""
_LOOK_S = 1.0
"""How often others' changes of the file are looked for, and a refused write is tried again."""
_CLOSE_WAIT_S = 10.0
_STUCK_S = 30.0
"""The end of the program waits for what is being written until nothing moves for so long."""


class Autosave:
    """Writes steps in a thread of its own.

    Parameters
    ----------
    on_trouble
        One sentence while steps cannot be written, "" when they can again; from the thread.
    on_reloaded
        All annotations, when another window or program changed the file; from the thread.
    on_taken_over
        The window that drew on the slide is gone, and this one may; from the thread.
    reading
        Entered round each reading of all that another changed, which it may end; in the thread.
    """

    def __init__(
        self,
        opened: OpenedAnnotations,
        on_trouble: Callable[[str], object],
        on_reloaded: Callable[[Sequence[Annotation]], object],
        on_taken_over: Callable[[], object],
        reading: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.path = opened.path
        self._store: KeptAnnotations = opened.store
        self._lock = opened.lock
        self._can_take_over = opened.can_take_over
        self._on_trouble = on_trouble
        self._on_reloaded = on_reloaded
        self._on_taken_over = on_taken_over
        self._reading = reading
        self._has_taken_over = False
        """Whether this window may draw, once it has read what the other left."""
        self._waiting: list[Stamped] = []
        self._to_say: dict[str, str] = {}
        self._put_count = 0
        self._read_count = 0
        self._change = threading.Condition()
        self._is_closing = False
        self._trouble = self._reason = ""
        self._progress = 0
        self._thread = UnwaitedThread(self._serve, "autosave")
        with _running_lock:
            _running.add(self)
        self._thread.start()

    def put(self, step: Edit, author: str = "") -> None:
        """Take a step that was done; return at once."""
        if not step.changes:
            return
        with self._change:
            self._waiting.append(Stamped.now(step, author))
            self._put_count += 1
            self._change.notify_all()

    def say(self, name: str, value: str) -> None:
        """Take what is said of all annotations together; return at once."""
        with self._change:
            self._to_say[name] = value
            self._change.notify_all()

    @property
    def is_reload_current(self) -> bool:
        """Return whether nothing was put since what `on_reloaded` gave was read."""
        with self._change:
            return self._put_count == self._read_count

    def reload(self) -> None:
        """Calls `on_reloaded` again as soon as what was put is on the disk."""
        with self._change:
            self._read_count = -1
            self._change.notify_all()

    @property
    def is_saved(self) -> bool:
        """Return whether all that was put is on the disk."""
        with self._change:
            return not self._waiting

    @property
    def unwritten_count(self) -> int:
        """Return how many changes wait to be written."""
        with self._change:
            return sum(len(each.step.changes) for each in self._waiting)

    def flush(self, timeout_s: float = _CLOSE_WAIT_S) -> bool:
        """Wait until all that was put is on the disk; return False when that takes too long."""
        with self._change:
            return self._change.wait_for(lambda: not self._waiting, timeout_s)

    def close(self) -> bool:
        """Write what is left and let go of the file; return False when it could not be written.

        What takes longer goes on in the thread, for which the end of the program waits.
        """
        self.ask_to_end()
        self._thread.join(_CLOSE_WAIT_S)
        return self.is_saved

    @property
    def has_ended(self) -> bool:
        """Return whether the file is let go of."""
        return not self._thread.is_alive()

    def wait_for_end(self, tell: Tell) -> None:
        """Wait until the file is let go of, or nothing moves for long; `tell` may end it.

        It hears no share of what is done, only that it is waited for.
        """
        Autosave.wait_for_all([self], tell)

    @staticmethod
    def wait_for_all(running: Sequence[Autosave], tell: Tell) -> Autosave | None:
        """Wait as `wait_for_end`, for several; return one that moves no more, None without any."""
        seen, moved_s = -1, time.monotonic()
        while left := [each for each in running if not each.has_ended]:
            tell(0.0)
            left[0]._thread.join(_GATHER_S)
            progress = sum(each._progress for each in left) + len(left)
            if progress != seen:
                seen, moved_s = progress, time.monotonic()
            elif time.monotonic() - moved_s > _STUCK_S:
                return left[0]
        return None

    def ask_to_end(self) -> None:
        """Have all written that was put, and the file let go of; returns at once."""
        with self._change:
            self._is_closing = True
            self._change.notify_all()

    # In the thread ---------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            while self._turn():
                pass
        finally:
            self._store.close()
            if self._lock is not None:
                self._lock.release()
            with _running_lock:
                _running.discard(self)

    def _turn(self) -> bool:
        """Write what waits or look at what others did; return False at the end."""
        with self._change:
            self._change.wait_for(
                lambda: self._waiting or self._to_say or self._is_closing, _LOOK_S
            )
            is_closing, has_work = self._is_closing, bool(self._waiting)
            to_say, self._to_say = self._to_say, {}
        self._say(to_say)
        if self._lock is None:
            self._look()
            return not is_closing
        if not has_work:
            self._look()
            return not is_closing
        if not is_closing:
            time.sleep(_GATHER_S)
        if self._write():
            return True
        if is_closing:
            self._spill()
            return False
        time.sleep(_LOOK_S)
        return True

    def _write(self) -> bool:
        steps = self._first_waiting()
        try:
            beside = self._store.put_back() if self._store.was_replaced else None
            with progress_to(self._note_progress):
                self._store.write(steps)
        except (sqlite3.Error, OSError) as error:
            self._reason = reason_of(error)
            self._tell(
                f"Annotations cannot be saved in {self.path.parent} ({error}): free some room or"
                " bring the drive back, and keep this window open until then."
            )
            return False
        with self._change:
            del self._waiting[: len(steps)]
            self._change.notify_all()
        for stamped in steps:
            stamped.step.let_go()
        replaced = f"Another program replaced the file of annotations: its file is {beside}."
        self._tell("" if beside is None else replaced)
        return True

    def _first_waiting(self) -> list[Stamped]:
        """Return what is written next."""
        steps: list[Stamped] = []
        count = 0
        with self._change:
            for each in self._waiting:
                count += len(each.step.changes)
                if steps and count > _MOST_TOGETHER:
                    break
                steps.append(each)
        return steps

    def _note_progress(self, _share: float) -> None:
        self._progress += 1

    def _reload(self) -> None:
        with self._change:
            self._read_count = self._put_count
        with self._reading(), uncollected():
            self._on_reloaded(self._store.annotations()[0])
            if self._has_taken_over:
                self._has_taken_over = False
                self._on_taken_over()

    def _say(self, to_say: dict[str, str]) -> None:
        """What cannot be said now is said no more: it changes no annotation."""
        for name, value in to_say.items():
            try:
                if self._lock is not None:
                    self._store.say(name, value)
            except (sqlite3.Error, OSError) as error:
                _log.warning("%s of %s cannot be written: %s", name, self.path, error)

    def _spill(self) -> None:
        """At the end of a window whose disk is still full."""
        changes = plural(self.unwritten_count, "change")
        refused = f"{changes} of annotations cannot be saved in {self.path}"
        try:
            place = spill(self.path, self._waiting)
        except (sqlite3.Error, OSError, AnnotationStoreError) as error:
            say_unusable(f"{refused}, nor anywhere else ({reason_of(error)}), and are lost.")
            return
        say_unusable(
            f"{refused} ({self._reason}) and wait in {place}: free some room or bring the drive "
            "back, and open the slide again."
        )
        with self._change:
            self._waiting.clear()

    def _look(self) -> None:
        """What another window or program did to the file meanwhile."""
        try:
            if self._lock is None and self._can_take_over:
                self._take_over()
            if self._lock is not None and self._store.was_replaced:
                self._store.put_back()
            elif self._store.was_changed or self._read_count < 0:
                self._reload()
        except (sqlite3.Error, OSError) as error:
            _log.warning("looking at %s failed: %s", self.path, error)

    def _take_over(self) -> None:
        if not self.path.parent.exists():
            return  # moved with the file, on which the other goes on drawing
        lock = write_lock(self.path)
        if lock is None:
            return
        store = AnnotationStore(self.path)
        self._store.close()
        self._store, self._lock = store, lock
        self._has_taken_over = True
        self._reload()

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._on_trouble(trouble)


_running: set[Autosave] = set()
"""Those whose thread has not ended."""
_running_lock = threading.Lock()


def unwritten_count() -> int:
    """Return how many changes wait to be written, of all files, left slides' ones too."""
    with _running_lock:
        running = list(_running)
    return sum(each.unwritten_count for each in running)


@atexit.register
def _finish_all() -> None:
    """Let what is being written be written: a thread would end with the program, in its midst."""
    with _running_lock:
        left = list(_running)
    for each in left:
        each.ask_to_end()
    stuck = Autosave.wait_for_all(left, lambda _: None)
    if stuck is not None:
        _log.error("annotations of %s were not written to the end", stuck.path)
