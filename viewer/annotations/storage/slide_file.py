"""The file that keeps the annotations of a slide: how it is read, and opened, once."""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Protocol

import msgspec
from filelock import FileLock, Timeout

from viewer.access import kept_mode, make_folder
from viewer.annotations.document import adding
from viewer.annotations.storage.annotation_paths import annotations_path, unkeyed_paths
from viewer.annotations.storage.fallback import take_spilled
from viewer.annotations.storage.mending import mend
from viewer.annotations.storage.store import (
    AnnotationStore,
    AnnotationStoreError,
    Stamped,
)
from viewer.errors import reason_of
from viewer.plurals import plural

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path
    from uuid import UUID

    from viewer.annotations.annotation import Annotation

_log = logging.getLogger(__name__)

_MAKING_S = 1.0
"""So long another window may take to make a file."""


def kept_annotations(
    identity: str, slide: Path, *, naming: Sequence[str] = (), reader: str = ""
) -> Sequence[Annotation]:
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
    paths = (
        annotations_path(identity, slide, reader=reader),
        *unkeyed_paths(slide, reader),
        annotations_path(identity, slide, beside=True, reader=reader),
    )
    for path in dict.fromkeys(paths):
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

    def annotations(self) -> tuple[Sequence[Annotation], int]:
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


class OpenedAnnotations(msgspec.Struct):
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

    annotations: Sequence[Annotation]
    store: KeptAnnotations
    path: Path
    lock: WriteLock | None
    notice: str = ""
    can_take_over: bool = True

    @property
    def is_read_only(self) -> bool:
        return self.lock is None

    def close(self) -> None:
        """Let go of a file that is not wanted after all."""
        self.store.close()
        if self.lock is not None:
            self.lock.release()


def open_annotations(path: Path, *formers: Path) -> OpenedAnnotations:
    """Open a slide's file, made when absent; wait for the disk.

    What is kept in `formers`, from before the setting was changed, is taken along.
    What can be read of a damaged file goes to a new one, and the damaged one is kept.

    Raises
    ------
    AnnotationStoreError
        It cannot be opened; one sentence says why.
    """
    try:
        lock = write_lock(path)
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
        notices = [
            _take_along(path, former, is_new=not path.exists())
            for former in formers
            if former != path and former.exists()
        ]
        opened = _opened(path, lock)
        opened.notice = opened.notice or " ".join(notices)
        return opened
    except BaseException:
        if lock is not None:
            lock.release()
        raise


def _take_along(path: Path, former: Path, *, is_new: bool) -> str:
    """Bring the annotations of a former place to the present one; the notice that says so.

    With nothing in the present place the whole file moves, with its versions. Else what the
    present file lacks is added to it, and the former file is set aside under another name, or
    what is deleted here would come back.
    """
    lock = write_lock(former)
    if lock is None:
        return f"Another window draws on annotations of this slide in {former.parent}."
    try:
        with closing(AnnotationStore(former)) as store:
            kept = store.annotations()[0]
            if is_new:
                store.move(path)
        if not is_new:
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
    if former.parent == path.parent:
        return f"The annotations that were kept in {former.name} are kept in {path.name} now."
    return f"The annotations that were kept in {former.parent} are kept in {path.parent} now."


def write_lock(path: Path) -> FileLock | None:
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
    until = time.monotonic() + _MAKING_S
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
    except sqlite3.OperationalError as error:  # of a full disk, say: nothing is damaged
        raise _unopened(path, error) from error
    except sqlite3.DatabaseError as error:
        return _mended(path, lock, error)
    with _closed_if_stopped(store):
        try:
            spilled = take_spilled(store, path)
            if spilled:
                annotations, lost = store.annotations()
        except (OSError, sqlite3.Error) as error:
            raise _unopened(path, error) from error
    notice = " ".join(opening_notices("slide", lost, spilled))
    return OpenedAnnotations(annotations, store, path, lock, notice)


def _unopened(path: Path, error: Exception) -> AnnotationStoreError:
    return AnnotationStoreError(
        f"The annotations in {path} cannot be opened ({reason_of(error)}): see that there is room "
        "on its drive, and open the slide again."
    )


def opening_notices(of: str, lost: int, spilled: int) -> list[str]:
    """Return what is to be said of the annotations of a slide or set that was opened."""
    notices: list[str] = []
    if lost:
        notices.append(f"Kept {plural(lost, 'annotation')} of this {of} that cannot be understood.")
    if spilled:
        notices.append(f"Brought back {plural(spilled, 'change')} that the disk refused last time.")
    return notices


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
    try:
        count, beside = mend(path)
        store = AnnotationStore(path)
        annotations, _ = store.annotations()
    except (OSError, sqlite3.Error) as refused:
        raise AnnotationStoreError(
            f"The annotations in {path} are damaged, and what can be read of them cannot be saved "
            f"there ({reason_of(refused)}): make room, and open the slide again."
        ) from refused
    notice = (
        f"The file of this slide's annotations was damaged: {count} could be read;"
        f" the damaged file is kept as {beside}."
    )
    return OpenedAnnotations(annotations, store, path, lock, notice)
