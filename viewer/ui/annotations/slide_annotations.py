"""One set of annotations of a slide in one window: the document and the files that keep it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QObject, Qt, Signal

from viewer.annotations.document import Document
from viewer.annotations.document_state import DocumentState
from viewer.annotations.sets.annotation_set import LOCKED
from viewer.memory.long_list import parts_of
from viewer.memory.slow_release import release_slowly, wait_for_room
from viewer.memory.uncollected import uncollected
from viewer.progress import progress_to
from viewer.ui.long_task import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Edit
    from viewer.annotations.sets.places import AnnotationsPlace
    from viewer.annotations.storage.autosave import Autosave
    from viewer.annotations.storage.slide_file import OpenedAnnotations
    from viewer.progress import Tell
    from viewer.ui.annotations.closing_files import ClosingFiles
    from viewer.ui.background_runner import BackgroundRunner, Task
    from viewer.ui.reading_bar import Reading

_MANY = 10_000
"""Annotations whose room takes longer than a frame to free."""
_IS_STALE = "They were changed by another window or program: read them first."
_IS_LEFT = "The annotations were closed meanwhile: nothing was changed."
_SET_IS_LOCKED = "This set is locked: unlock it in the list of sets first."


class SlideAnnotations(QObject):
    """Opened in a thread; whoever shows the slide in this window shares the one document.

    Parameters
    ----------
    identity
        Of the slide.
    place
        Where they are kept.
    disk
        Opens files one after the other.
    closing
        Closes those of slides that are left; a slide that is opened again waits for its own.
    author
        Who draws at this moment.
    why_locked
        Why nothing can be changed, a sentence; "" where it can.
    reading
        Begins to show how far a reading is, with Cancel; None shows nothing.
    """

    opened = Signal()
    """The document is there."""
    stepped = Signal(object)
    """A Step was done, undone or redone."""
    failed = Signal(str)
    """They cannot be opened; one sentence."""
    canceled = Signal()
    """The user does not wait for them."""
    trouble_changed = Signal()
    """`trouble`, `notice` or whether anything can be changed is another."""

    _trouble_came = Signal(str)
    _reload_began = Signal()
    _reload_came = Signal(object)
    _reload_stopped = Signal()
    _reload_ended = Signal()
    _taken_over = Signal()

    def __init__(
        self,
        identity: str,
        place: AnnotationsPlace,
        disk: BackgroundRunner,
        closing: ClosingFiles,
        author: Callable[[], str],
        parent: QObject,
        why_locked: str = "",
        reading: Callable[[], Reading] | None = None,
    ) -> None:
        super().__init__(parent)
        self.place = place
        self.path: Path | None = None
        """What the file is called, once it is open."""
        self.document = Document()
        self.is_open = False
        self.is_locked = False
        """Whether the reader locked it."""
        self.trouble = ""
        """Why what is drawn is not on the disk at this moment; "" when it is."""
        self.notice = ""
        """What to know of the file, such as that another window draws on the slide."""
        self.is_stale = False
        """Whether another changed the file, and the user did not wait for the reading of it."""
        self._why_locked = why_locked
        self._can_write = False
        self._author = author
        self._identity = identity
        self._closing = closing
        self._autosave: Autosave | None = None
        self._is_reloading = False
        self._trouble_came.connect(self._on_trouble)
        self._reload_began.connect(self._on_reload_began)
        self._reload_came.connect(self._on_reload)
        self._reload_stopped.connect(lambda: self._set_stale(stale=True))
        self._reload_ended.connect(self._end_reading)
        self._taken_over.connect(self._on_taken_over)
        self._stop_following = self.document.listen(self._on_step)
        self._begin_reading = reading
        self._reading = reading() if reading is not None else None
        tell: Tell = self._reading.tell if self._reading is not None else _tell_nobody

        def opened() -> _Opened:
            closing.wait_for(identity, tell)
            wait_for_room(tell)
            return _opened(place, tell)

        self._task: Task = disk.run(opened, self._on_opened, self._on_failed, _let_go)

    @property
    def is_saved(self) -> bool:
        """Return whether all that was done is on the disk."""
        return self._autosave is None or self._autosave.is_saved

    def flush(self) -> bool:
        """Wait for the disk; for worker threads."""
        return self._autosave is None or self._autosave.flush()

    def set_locked(self, locked: bool) -> None:
        """Lock the set, or unlock it; it stays so."""
        if self._autosave is not None and self._can_write:
            self.is_locked = locked
            self._autosave.say(LOCKED, "yes" if locked else "")
            self._show_lock()

    def read_again(self) -> None:
        """Read what another changed after all."""
        if self._autosave is not None:
            self._autosave.reload()

    def leave(self) -> None:
        """Write what is left and let go of the file, in a thread."""
        self._task.cancel()
        self._end_reading()
        # They would hold each other, and with them the study, until all is collected in full.
        self._stop_following()
        self._stop_following = _nothing
        autosave, self._autosave = self._autosave, None
        if autosave is not None:
            self._closing.close(self._identity, autosave)
        # What is worked out in a thread and lands from now on would be said, but not saved.
        self.document.is_read_only, self.document.why_read_only = True, _IS_LEFT
        if len(self.document) > _MANY:
            self.document.let_go()

    # -----------------------------------------------------------------------------------------

    def _on_opened(self, result: _Opened) -> None:
        from viewer.annotations.storage.autosave import Autosave

        self._end_reading()
        opened, state, self.is_locked = result
        self.path = opened.path
        self._fill(state)
        self._can_write = not opened.is_read_only
        self.notice = opened.notice
        self._autosave = Autosave(
            opened,
            self._trouble_came.emit,
            self._come_again,
            self._taken_over.emit,
            self._reading_again,
        )
        self.is_open = True
        self._show_lock()
        self.opened.emit()

    def when_open(self, act: Callable[[SlideAnnotations], object]) -> None:
        """Call `act` with these annotations, once they are open."""
        if self.is_open:
            act(self)
        else:
            self.opened.connect(lambda: act(self), Qt.ConnectionType.SingleShotConnection)

    def _show_lock(self) -> None:
        document = self.document
        document.is_read_only = self.is_locked or self.is_stale or not self._can_write
        why = _SET_IS_LOCKED if self.is_locked else _IS_STALE if self.is_stale else ""
        document.why_read_only = self._why_locked or why
        self.trouble_changed.emit()

    def _on_failed(self, error: Exception) -> None:
        self._end_reading()
        if isinstance(error, StoppedError):
            self.canceled.emit()
        else:
            self.failed.emit(str(error))

    def _end_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.finish()

    def _on_step(self, step: Edit) -> None:
        if self._autosave is not None and not self._is_reloading:
            self._autosave.put(step, self._author())
        self.stepped.emit(step)

    def _on_trouble(self, problem: str) -> None:
        self.trouble = problem
        self.trouble_changed.emit()

    def _come_again(self, annotations: Sequence[Annotation]) -> None:
        """Another window drew, or the file was changed under us; in the thread that writes."""
        self._reload_came.emit(DocumentState().fill(annotations))

    @contextmanager
    def _reading_again(self) -> Generator[None]:
        """Tell how far the reading of what another changed is; in the thread that writes."""
        self._reload_began.emit()
        try:
            with progress_to(self._tell_reload):
                yield
        except StoppedError:
            self._reload_stopped.emit()
        finally:
            self._reload_ended.emit()

    def _tell_reload(self, share: float) -> None:
        reading = self._reading
        if reading is not None:
            reading.tell(share)
        elif self._autosave is None:  # the slide was left
            raise StoppedError

    def _on_reload_began(self) -> None:
        if self._autosave is not None and self._begin_reading is not None:
            self._reading = self._begin_reading()

    def _set_stale(self, *, stale: bool) -> None:
        if stale != self.is_stale and self._autosave is not None:
            self.is_stale = stale
            self._show_lock()

    def _on_reload(self, state: DocumentState) -> None:
        if self._autosave is None:
            return
        if self._autosave.is_reload_current:
            self._fill(state)
            self._set_stale(stale=False)
        else:  # drawn on since: what was read lacks it
            self._autosave.reload()

    def _on_taken_over(self) -> None:
        if self._autosave is None:  # the slide was left
            return
        self._can_write = True
        self.notice = ""
        self._show_lock()

    def _fill(self, state: DocumentState) -> None:
        self._is_reloading = True
        try:
            self.document.land_reset(state)
        finally:
            self._is_reloading = False


class _Opened(NamedTuple):
    """The opened files, what they hold, and whether the reader locked the set."""

    files: OpenedAnnotations
    state: DocumentState
    is_locked: bool


def _opened(place: AnnotationsPlace, tell: Tell) -> _Opened:
    with progress_to(tell), uncollected():
        files = place.open()
        try:
            state = DocumentState().fill(files.annotations)
        except BaseException:
            files.close()
            release_slowly(parts_of(files.annotations))
            raise
    files.annotations = []
    return _Opened(files, state, bool(files.store.properties.get(LOCKED)))


def _nothing() -> None:
    """Nothing is followed any more."""


def _tell_nobody(_share: float) -> None:
    """Nobody waits in sight."""


def _let_go(result: _Opened) -> None:
    result.files.close()
    result.state.let_go()
