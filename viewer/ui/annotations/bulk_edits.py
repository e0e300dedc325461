"""Edits of thousands of annotations: worked out on a snapshot in a thread, landing as one step."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from viewer.annotations import operations
from viewer.annotations.annotation import Stamp
from viewer.annotations.bookmarks import is_mark
from viewer.annotations.document import Change, Edit, ReadOnlyError
from viewer.errors import CoverslipError
from viewer.memory.long_list import LongList
from viewer.memory.uncollected import uncollected
from viewer.progress import progress_to, while_wanted
from viewer.ui.annotations.wording import many
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.long_task import LongTask, StoppedError
from viewer.ui.services import DialogHost, MessageHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from viewer.annotations.annotation import Annotation, AnnotationClass
    from viewer.annotations.document import Document
    from viewer.annotations.document_state import DocumentState
    from viewer.ui.annotations.pane_annotations import PaneAnnotations

MANY = 2000
"""Annotations that are changed in a thread: fewer are changed quicker than the eye."""
_MOST_UNWRITTEN = 2_000_000
"""Changes that wait to be written at once: each takes up to a kilobyte until it is."""
_ASK_S = 0.1
_WAITS = "{title}: waits until the changes before it are on the disk."


class BulkEditsHost(MessageHost, DialogHost, Protocol):
    """What edits of many annotations ask of the window."""


class BulkEdits(QObject):
    """One edit at a time; until it lands the slide shows what was there before."""

    def __init__(self, window: BulkEditsHost, parent: QObject) -> None:
        super().__init__(parent)
        self._window = window
        self.background = BackgroundRunner("edit many annotations", 1, self)
        """Its one thread, also for what else is found out of many annotations."""
        self._task: LongTask | None = None

    @property
    def is_busy(self) -> bool:
        """Return whether an edit is being worked out, so that another one has to wait."""
        return self._task is not None

    def shut_down(self) -> None:
        """Stop what is under way."""
        if self._task is not None:
            self._task.stop()
        self.background.close()

    # What is done ----------------------------------------------------------------------------

    def set_class(
        self,
        active: PaneAnnotations,
        which: AnnotationClass | None,
        then: Callable[[Edit], object],
    ) -> None:
        """Give all that is chosen and not locked a class."""
        stamp = Stamp.now(active.author)

        def change(before: Annotation) -> Annotation:
            if before.shown_as == which:
                return before
            return before.stamped(stamp, shown_as=which)

        self._change(active, "Set class", change, then, with_marks=False)

    def set_locked(self, active: PaneAnnotations, then: Callable[[Edit], object]) -> None:
        """Lock all that is chosen, or unlock it where all of it is locked."""
        ids, hidden = active.selection.ids, active.desk.hidden_classes

        def work(before: DocumentState) -> Edit:
            chosen = list(_in_sight(before, ids, hidden))
            return operations.set_locked(chosen, locked=not all(each.is_locked for each in chosen))

        self.do(active.document, "Lock", len(ids), work, then)

    def rename(self, active: PaneAnnotations, name: str, then: Callable[[Edit], object]) -> None:
        """Give all that is chosen and not locked a name."""
        stamp = Stamp.now(active.author)

        def change(before: Annotation) -> Annotation:
            return before if before.name == name else before.stamped(stamp, name=name)

        self._change(active, "Rename", change, then)

    def delete(self, active: PaneAnnotations, then: Callable[[Edit], object]) -> None:
        """Remove all that is chosen and not locked."""
        self._change(active, "Delete", lambda _: None, then)

    def shape(
        self,
        active: PaneAnnotations,
        label: str,
        make: Callable[[list[Annotation]], Edit],
        then: Callable[[Edit], object],
        *,
        with_locked: bool = False,
    ) -> None:
        """Carry out what `make` works out of all that is chosen and not locked."""
        ids, desk = active.selection.ids, active.desk
        plane, hidden = active.pane.canvas.plane, desk.hidden_classes

        def work(before: DocumentState) -> Edit:
            found = _in_sight(before, ids, hidden)
            chosen = [each for each in found if with_locked or not each.is_locked]
            return desk.followed(make(chosen), plane)

        self.do(active.document, label, len(ids), work, then, active)

    def turn(
        self,
        document: Document,
        active: PaneAnnotations | None,
        then: Callable[[], object],
        *,
        back: bool,
    ) -> None:
        """Undo or redo a step, one of many changes in a thread, and call `then`.

        Parameters
        ----------
        active
            The pane whose selection goes where all of it is removed.
        """
        if document.is_read_only:
            self._window.say(str(ReadOnlyError(document.why_read_only)))
            return
        count = document.undo_count if back else document.redo_count
        if count > MANY:
            self._turn_many(document, active, then, count, back=back)
        elif document.undo() if back else document.redo():
            then()

    def _turn_many(
        self,
        document: Document,
        active: PaneAnnotations | None,
        then: Callable[[], object],
        count: int,
        *,
        back: bool,
    ) -> None:
        steps: list[Edit] = []

        def work(_before: DocumentState) -> Edit:
            step = document.undo_step if back else document.redo_step
            steps[:] = [step or Edit("", ())]
            return steps[0].reversed

        def land(made: Edit, before: DocumentState, after: DocumentState) -> bool:
            if active is not None:
                _let_go(active, made)
            step = steps.pop()
            if not document.land_turn(step, made, before, after, back=back):
                raise _ChangedError
            step.let_go()
            return True

        title = "Undo" if back else "Redo"
        self._run(document, title, count, work, land, lambda _: then())

    def do(
        self,
        document: Document,
        label: str,
        count: int,
        work: Callable[[DocumentState], Edit],
        then: Callable[[Edit], object],
        active: PaneAnnotations | None = None,
        stopped: Callable[[], object] = lambda: None,
    ) -> None:
        """Work an edit out on a snapshot of a document, in a thread, and let it land as one step.

        Parameters
        ----------
        count
            How many annotations it is about, as the box with the progress says.
        work
            Gives the edit; may report the share that is done, which raises StoppedError once it is
            canceled, and runs again where the document was changed meanwhile. Raises
            CoverslipError.
        active
            The pane whose selection goes where all of it is removed.
        stopped
            Called where it was canceled, and nothing was changed.
        """

        def land(edit: Edit, before: DocumentState, after: DocumentState) -> bool:
            if not document.holds(before):
                return False
            if active is not None:
                _let_go(active, edit)
            return document.land(edit, before, after)

        self._run(document, label, count, work, land, then, stopped)

    # How it is done --------------------------------------------------------------------------

    def _change(
        self,
        active: PaneAnnotations,
        label: str,
        change: Callable[[Annotation], Annotation | None],
        then: Callable[[Edit], object],
        *,
        with_marks: bool = True,
    ) -> None:
        ids, hidden = active.selection.ids, active.desk.hidden_classes

        def work(before: DocumentState) -> Edit:
            changes = LongList[Change]()
            for each in _in_sight(before, ids, hidden):
                if each.is_locked or (not with_marks and is_mark(each)):
                    continue
                after = change(each)
                if after is not each:
                    changes.append(Change(each, after))
            return Edit(label, changes)

        self.do(active.document, label, len(ids), work, then, active)

    def _run(
        self,
        document: Document,
        title: str,
        count: int,
        work: Callable[[DocumentState], Edit],
        land: Callable[[Edit, DocumentState, DocumentState], bool],
        then: Callable[[Edit], object],
        stopped: Callable[[], object] = lambda: None,
    ) -> None:
        if document.is_read_only:
            self._window.say(str(ReadOnlyError(document.why_read_only)))
            return
        if self.is_busy:
            self._window.say("Another change of many annotations is under way: wait, or cancel it.")
            return
        sentence = f"{title}: {many(count)}"
        task = self._task = LongTask(title, sentence, self._window.window())
        before = document.snapshot()

        def made() -> tuple[Edit, DocumentState]:
            if _is_too_much(count):
                task.say(_WAITS.format(title=title))
                while _is_too_much(count):
                    task.tell(0.0)
                    time.sleep(_ASK_S)
                task.say(sentence)
            with uncollected(count):
                with progress_to(lambda share: task.tell(0.6 * share)):
                    edit = work(before).looked_at()
                after = before.copied()
                after.take(edit.changes, lambda share: task.tell(0.6 + 0.4 * share))
                return edit, after

        def finish() -> None:
            self._task = None
            task.finish()

        def landed(found: tuple[Edit, DocumentState]) -> None:
            if task.is_stopped:  # after the last word of the work, and before it is shown
                failed(StoppedError())
                return
            finish()
            edit, after = found
            try:
                is_done = land(edit, before, after)
            except (ReadOnlyError, _ChangedError) as error:
                self._window.say(str(error))
                return
            if is_done:
                then(edit)
            else:  # something else was drawn meanwhile: what was worked out lacks it
                self._run(document, title, count, work, land, then, stopped)

        def failed(error: Exception) -> None:
            finish()
            if isinstance(error, StoppedError):
                self._window.say(f"{title}: canceled, nothing was changed.")
                stopped()
            else:
                self._window.say(str(error))

        self.background.run(made, landed, failed)


def _is_too_much(count: int) -> bool:
    """Return whether so many more changes would fill the memory before they are written."""
    from viewer.annotations.storage.autosave import unwritten_count

    waiting = unwritten_count()
    return waiting > 0 and waiting + count > _MOST_UNWRITTEN


class _ChangedError(CoverslipError):
    """Something was drawn while a step was undone or done again."""

    def __init__(self) -> None:
        super().__init__("The annotations were changed meanwhile: please try again.")


def _in_sight(
    state: DocumentState, ids: AbstractSet[UUID], hidden: AbstractSet[str]
) -> Iterator[Annotation]:
    """Yield those of the ids whose class is not hidden, as long as they are wanted."""
    found = while_wanted(state.of(ids), len(ids))
    return (each for each in found if each.class_name not in hidden)


def _let_go(active: PaneAnnotations, edit: Edit) -> None:
    """Choose nothing where all that is chosen goes: to take it away one by one takes long."""
    removed = edit.removed or frozenset()
    if removed and len(removed) >= len(active.selection):
        active.selection.choose(())
