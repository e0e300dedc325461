"""Edits of thousands of annotations: worked out on a snapshot in a thread, landing as one step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from viewer.annotations.bookmarks import is_mark
from viewer.annotations.document import Change, Edit, ReadOnlyError
from viewer.ui.annotations.long_task import LongTask, StoppedError
from viewer.ui.annotations.wording import many
from viewer.ui.background_runner import BackgroundRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from viewer.annotations.annotation import Annotation, AnnotationClass
    from viewer.annotations.document_state import DocumentState
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.main_window import MainWindow

MANY = 2000
"""Annotations that are changed in a thread: fewer are changed quicker than the eye."""
_AT_ONCE = 1000


class BulkEdits(QObject):
    """One edit at a time; until it lands the slide shows what was there before."""

    def __init__(self, window: MainWindow, parent: QObject) -> None:
        super().__init__(parent)
        self._window = window
        self._background = BackgroundRunner("edit many annotations", 1, self)
        self._task: LongTask | None = None

    def shut_down(self) -> None:
        """Stop what is under way."""
        if self._task is not None:
            self._task.stop()
        self._background.close()

    # What is done ----------------------------------------------------------------------------

    def set_class(
        self,
        active: PaneAnnotations,
        which: AnnotationClass | None,
        then: Callable[[Edit], object],
    ) -> None:
        """Give all that is chosen and not locked a class."""
        author = active.author

        def change(before: Annotation) -> Annotation | None:
            if before.shown_as == which:
                return before
            return replace(before, shown_as=which).signed(author)

        self._change(active, "Set class", change, then, with_marks=False)

    def set_locked(
        self, active: PaneAnnotations, *, locked: bool, then: Callable[[Edit], object]
    ) -> None:
        """Lock all that is chosen, or unlock it."""

        def change(before: Annotation) -> Annotation:
            return replace(before, is_locked=locked)

        label = "Lock" if locked else "Unlock"
        self._change(active, label, change, then, with_locked=True)

    def delete(self, active: PaneAnnotations, then: Callable[[Edit], object]) -> None:
        """Remove all that is chosen and not locked."""
        self._change(active, "Delete", lambda _: None, then)

    def turn(self, active: PaneAnnotations, *, back: bool) -> bool:
        """Undo or redo a step of many changes; False where it is not one."""
        document = active.document
        step = document.undo_step if back else document.redo_step
        if step is None or len(step.changes) <= MANY or document.is_read_only:
            return False

        def work(_before: DocumentState, tell: Callable[[float], object]) -> Edit:
            tell(0.0)
            return step.reversed.looked_at()

        def land(made: Edit, before: DocumentState, after: DocumentState) -> bool:
            _let_go(active, made)
            return document.land_turn(step, made, before, after, back=back)

        said = f"{'Undone' if back else 'Done again'}: {step.label}."
        title = "Undo" if back else "Redo"
        self._run(active, title, len(step.changes), work, land, lambda _: self._window.say(said))
        return True

    # How it is done --------------------------------------------------------------------------

    def _change(
        self,
        active: PaneAnnotations,
        label: str,
        change: Callable[[Annotation], Annotation | None],
        then: Callable[[Edit], object],
        *,
        with_locked: bool = False,
        with_marks: bool = True,
    ) -> None:
        ids, document = active.selection.ids, active.document

        def work(before: DocumentState, tell: Callable[[float], object]) -> Edit:
            changes: list[Change] = []
            for number, each in enumerate(_chosen(before, ids)):
                if number % _AT_ONCE == 0:
                    tell(0.6 * number / max(1, len(ids)))
                if (each.is_locked and not with_locked) or (is_mark(each) and not with_marks):
                    continue
                after = change(each)
                if after is not each and after != each:
                    changes.append(Change(each, after))
            return Edit(label, tuple(changes)).looked_at()

        def land(edit: Edit, before: DocumentState, after: DocumentState) -> bool:
            if not document.holds(before):
                return False
            _let_go(active, edit)
            return document.land(edit, before, after)

        self._run(active, label, len(ids), work, land, then)

    def _run(
        self,
        active: PaneAnnotations,
        title: str,
        count: int,
        work: Callable[[DocumentState, Callable[[float], object]], Edit],
        land: Callable[[Edit, DocumentState, DocumentState], bool],
        then: Callable[[Edit], object],
    ) -> None:
        if active.document.is_read_only:
            self._window.say(str(ReadOnlyError(active.document.why_read_only)))
            return
        if self._task is not None:
            self._window.say("Another change of many annotations is under way: wait, or cancel it.")
            return
        task = self._task = LongTask(title, f"{title}: {many(count)}", self._window)
        before = active.document.snapshot()

        def made() -> tuple[Edit, DocumentState]:
            edit = work(before, task.tell)
            after = before.copied()
            after.take(edit.changes, lambda share: task.tell(0.6 + 0.4 * share))
            return edit, after

        def finish() -> None:
            self._task = None
            task.finish()

        def landed(found: tuple[Edit, DocumentState]) -> None:
            finish()
            edit, after = found
            try:
                is_done = land(edit, before, after)
            except ReadOnlyError as error:
                self._window.say(str(error))
                return
            if is_done:
                then(edit)
            else:  # something else was drawn meanwhile: what was worked out lacks it
                self._run(active, title, count, work, land, then)

        def failed(error: Exception) -> None:
            finish()
            stopped = isinstance(error, StoppedError)
            self._window.say(f"{title}: canceled, nothing was changed." if stopped else str(error))

        self._background.run(made, landed, failed)


def _chosen(state: DocumentState, ids: frozenset[UUID]) -> Iterator[Annotation]:
    """Yield those of the ids that are held, in the order of drawing."""
    held = state.held
    return (held[id_] for id_ in state.index.ordered() if id_ in ids)


def _let_go(active: PaneAnnotations, edit: Edit) -> None:
    """Choose nothing where all that is chosen goes: to take it away one by one takes long."""
    removed = edit.removed or frozenset()
    if removed and len(removed) >= len(active.selection):
        active.selection.choose(())
