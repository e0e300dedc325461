"""Keeps what is drawn: a thread that writes each step to the slide's file within a second."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sqlite3
import threading
import time
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock, Timeout

from viewer.access import kept_mode, make_folder
from viewer.annotations.document import adding
from viewer.annotations.storage.fallback import spill, take_spilled
from viewer.annotations.storage.home_reader import readers_end
from viewer.annotations.storage.store import (
    AnnotationStore,
    AnnotationStoreError,
    Stamped,
    salvaged,
)
from viewer.folders import data_folder
from viewer.progress import progress_to
from viewer.slides.slide_key import file_name_of
from viewer.uncollected import uncollected

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from uuid import UUID

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Edit
    from viewer.progress import Tell

_log = logging.getLogger(__name__)

_GATHER_S = 0.05
"""Steps that come in a row share a transaction."""
_LOOK_S = 1.0
"""How often others' changes of the file are looked for, and a refused write is tried again."""
_CLOSE_WAIT_S = 10.0
_STUCK_S = 30.0
"""The end of the program waits for what is being written until nothing moves for so long."""


def annotations_path(
    identity: str, slide: Path | None = None, *, beside: bool = False, reader: str = ""
) -> Path:
    """Return the file of a slide; it need not exist.

    With `beside`, next to the slide, unless its folder cannot be written to. Two readers of one
    account have files of their own.
    """
    end = readers_end(reader)
    if beside and slide is not None and os.access(slide.parent, os.W_OK):
        return slide.with_name(f"{slide.name}.annotations{end}.sqlite")
    name = file_name_of(identity)
    return data_folder() / "annotations" / f"{name}{end}.sqlite"


def kept_annotations(
    identity: str, slide: Path, *, naming: Sequence[str] = (), reader: str = ""
) -> list[Annotation]:
    """Return what is kept of a slide, beside it or in the data folder; [] where nothing is.

    Nothing is locked or changed: a window may be drawing on the slide.

    Parameters
    ----------
    naming
        Only those that hold one of these words, which is quick among a million; by default all.
    reader
        Whose; by default those that bear no reader's name.

    Raises
    ------
    AnnotationStoreError
        A file is there and cannot be read; one sentence says why.
    """
    found: dict[UUID, Annotation] = {}
    paths = {
        annotations_path(identity, slide, beside=beside, reader=reader): None
        for beside in (False, True)
    }
    for path in paths:
        if not path.exists():
            continue
        try:
            with closing(AnnotationStore(path, read_only=True)) as store:
                found.update((each.id, each) for each in store.annotations(naming)[0])
        except sqlite3.DatabaseError as error:
            raise AnnotationStoreError(
                f"The annotations in {path} are damaged ({error}): open the slide in the window "
                "once, which saves what can be read."
            ) from error
    return list(found.values())


class KeptAnnotations(Protocol):
    """Where annotations are kept, as `Autosave` uses it: a slide's file, or the files of a set."""

    @property
    def properties(self) -> dict[str, str]:
        """Return what is said of all annotations together, such as that they are locked."""
        ...

    @property
    def was_changed(self) -> bool:
        """Return whether others wrote since this was last asked."""
        ...

    @property
    def was_replaced(self) -> bool:
        """Return whether something else is where the file was."""
        ...

    def annotations(self) -> tuple[list[Annotation], int]:
        """Return all in the order of drawing, and how many could not be understood."""
        ...

    def write(self, steps: Sequence[Stamped]) -> None:
        """Keep steps, all or none. Raises OSError, sqlite3.Error."""
        ...

    def say(self, name: str, value: str) -> None:
        """Say something of all annotations together. Raises OSError, sqlite3.Error."""
        ...

    def put_back(self) -> Path | None:
        """Write all anew to where it was. Raises OSError, sqlite3.Error."""
        ...

    def close(self) -> None:
        """Let go of the files."""
        ...


class WriteLock(Protocol):
    """The right to write, which ends with the process."""

    def release(self) -> None:
        """Let another have it."""
        ...


@dataclass(slots=True)
class OpenedAnnotations:
    """What a slide's file or a set held, and the file itself for `Autosave`.

    Attributes
    ----------
    path
        What the file is called, also while it is not there.
    lock
        None where nothing can be changed here.
    notice
        What the user should know, in a sentence; "" where all is well.
    can_take_over
        Whether it can be changed here once the window that draws on it is gone.
    """

    annotations: list[Annotation]
    store: KeptAnnotations
    path: Path
    lock: WriteLock | None
    notice: str = ""
    can_take_over: bool = True

    @property
    def is_read_only(self) -> bool:
        return self.lock is None

    def close(self) -> None:
        """Lets go of a file that is not wanted after all."""
        self.store.close()
        if self.lock is not None:
            self.lock.release()


def open_annotations(path: Path, former: Path | None = None) -> OpenedAnnotations:
    """Opens a slide's file, made when absent; waits for the disk.

    What is kept in the `former` place, from before the setting was changed, is taken along.
    What can be read of a damaged file goes to a new one, and the damaged one is kept.

    Raises
    ------
    AnnotationStoreError
        It cannot be opened; one sentence says why.
    """
    try:
        lock = _locked(path)
    except OSError as error:
        raise AnnotationStoreError(
            f"The annotations in {path} cannot be opened ({error}): check that its folder can be"
            " written to."
        ) from error
    try:
        if lock is None:
            store = _store_of_another(path)
            notice = "Another window draws on this slide: what it draws is shown, not changed."
            with _closed_if_stopped(store):
                annotations = store.annotations()[0]
            return OpenedAnnotations(annotations, store, path, None, notice)
        if former is None or former == path or not former.exists():
            return _opened(path, lock)
        was_there = path.exists()
        notice = _take_along(path, former, is_new=not was_there)
        opened = _opened(path, lock)
        opened.notice = opened.notice or notice
        return opened
    except BaseException:
        if lock is not None:
            lock.release()
        raise


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
        on_reloaded: Callable[[list[Annotation]], object],
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
        self._trouble = ""
        self._progress = 0
        self._thread = threading.Thread(target=self._serve, name="autosave", daemon=True)
        with _running_lock:
            _running.add(self)
        self._thread.start()

    def put(self, step: Edit, author: str = "") -> None:
        """Takes a step that was done; returns at once."""
        if not step.changes:
            return
        with self._change:
            self._waiting.append(Stamped.now(step, author))
            self._put_count += 1
            self._change.notify_all()

    def say(self, name: str, value: str) -> None:
        """Takes what is said of all annotations together; returns at once."""
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
        """Waits until all that was put is on the disk; False when that takes too long."""
        with self._change:
            return self._change.wait_for(lambda: not self._waiting, timeout_s)

    def close(self) -> bool:
        """Writes what is left and lets go of the file; False when it could not be written.

        What takes longer goes on in the thread, for which the end of the program waits.
        """
        self._ask_to_end()
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
        seen, moved_s = -1, time.monotonic()
        while self._thread.is_alive():
            tell(0.0)
            self._thread.join(_GATHER_S)
            if self._progress != seen:
                seen, moved_s = self._progress, time.monotonic()
            elif time.monotonic() - moved_s > _STUCK_S:
                return

    def _ask_to_end(self) -> None:
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
        """Writes what waits or looks what others did; False at the end."""
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
        with self._change:
            steps = tuple(self._waiting)
        try:
            beside = self._store.put_back() if self._store.was_replaced else None
            with progress_to(self._note_progress):
                self._store.write(steps)
        except (sqlite3.Error, OSError) as error:
            self._tell(
                f"Annotations cannot be saved in {self.path.parent} ({error}): free some room or"
                " bring the drive back, and keep this window open until then."
            )
            return False
        with self._change:
            del self._waiting[: len(steps)]
            self._change.notify_all()
        replaced = f"Another program replaced the file of annotations: its file is {beside}."
        self._tell("" if beside is None else replaced)
        return True

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
        try:
            spill(self.path, self._waiting)
        except (sqlite3.Error, OSError) as error:
            _log.error("annotations of %s are lost: %s", self.path, error)
            return
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
        lock = _locked(self.path)
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
        each._ask_to_end()
    seen, moved_s = -1, time.monotonic()
    while left := [each for each in left if each._thread.is_alive()]:
        left[0]._thread.join(_GATHER_S)
        progress = sum(each._progress for each in left) + len(left)
        if progress != seen:
            seen, moved_s = progress, time.monotonic()
        elif time.monotonic() - moved_s > _STUCK_S:
            _log.error("annotations of %s were not written to the end", left[0].path)
            return


def _take_along(path: Path, former: Path, *, is_new: bool) -> str:
    """Bring the annotations of a former place to the present one; the notice that says so.

    With nothing in the present place the whole file moves, with its versions. Else what the
    present file lacks is added to it, and the former file is set aside under another name, or
    what is deleted here would come back.
    """
    lock = _locked(former)
    if lock is None:
        return f"Another window draws on annotations of this slide in {former.parent}."
    try:
        with closing(AnnotationStore(former)) as store:
            kept = store.annotations()[0]
        if is_new:
            make_folder(path.parent)
            shutil.move(former, path)
        else:
            with closing(AnnotationStore(path)) as store:
                known = {each.id for each in store.annotations()[0]}
                missing = [each for each in kept if each.id not in known]
                if missing:
                    step = adding(f"Taken along from {former.parent.name}", missing)
                    store.write([Stamped.now(step)])
            former.replace(former.with_name(f"{former.name}.moved"))
    except (OSError, sqlite3.Error, AnnotationStoreError) as error:
        _log.warning("annotations in %s could not be taken along", former, exc_info=error)
        return f"More annotations of this slide are in {former}, which cannot be used ({error})."
    finally:
        lock.release()
    return f"The annotations that were kept in {former.parent} are kept in {path.parent} now."


def _locked(path: Path) -> FileLock | None:
    """Return the right to write; None where another window has it. It ends with the process."""
    make_folder(path.parent)
    lock_path = path.with_name(f"{path.name}.lock")
    lock = FileLock(lock_path, mode=kept_mode(path.parent), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def _store_of_another(path: Path) -> AnnotationStore:
    """Of a window that may be making the file this very moment."""
    until = time.monotonic() + _LOOK_S
    while True:
        try:
            return AnnotationStore(path, read_only=True)
        except (AnnotationStoreError, sqlite3.OperationalError) as error:
            if time.monotonic() > until:
                raise AnnotationStoreError(
                    f"The annotations in {path} cannot be opened ({error}): close the other window."
                ) from error
        time.sleep(0.02)


def _opened(path: Path, lock: FileLock) -> OpenedAnnotations:
    try:
        store = AnnotationStore(path)
        with _closed_if_stopped(store):
            annotations, lost = store.annotations()
    except sqlite3.DatabaseError as error:
        return _mended(path, lock, error)
    with _closed_if_stopped(store):
        spilled = take_spilled(store, path)
        if spilled:
            annotations, lost = store.annotations()
    notices = [
        f"{lost} annotations of this slide cannot be understood; they are kept." if lost else "",
        f"{spilled} changes that the disk refused last time are here again." if spilled else "",
    ]
    return OpenedAnnotations(annotations, store, path, lock, " ".join(filter(None, notices)))


@contextmanager
def _closed_if_stopped(store: AnnotationStore) -> Generator[None]:
    """Let go of the file where nobody wants it any more."""
    try:
        yield
    except BaseException:
        store.close()
        raise


def _mended(path: Path, lock: FileLock, error: Exception) -> OpenedAnnotations:
    _log.error("%s is damaged: %s", path, error)
    annotations, beside = salvaged(path)
    store = AnnotationStore(path)
    store.write([Stamped.now(adding("Recover", annotations))])
    notice = (
        f"The file of this slide's annotations was damaged: {len(annotations)} could be read;"
        f" the damaged file is kept as {beside}."
    )
    return OpenedAnnotations(annotations, store, path, lock, notice)
