"""All annotations of one slide, and the history of what was done to them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Literal

import msgspec

from viewer.annotations.bookmarks import MARKS
from viewer.annotations.document_state import DocumentState, is_special
from viewer.annotations.history import History
from viewer.annotations.id_set import IdSet
from viewer.errors import CoverslipError
from viewer.memory.long_list import gathered, parts_of
from viewer.memory.slow_release import release_slowly
from viewer.window_first import giving_way

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from uuid import UUID

    import numpy as np
    from numpy.typing import NDArray

    from viewer.annotations.annotation import Annotation
    from viewer.geometry import Box


_MANY_CHANGES = 1_000
"""Changes that take longer than a frame to free, with what they were about."""


class Change(msgspec.Struct, frozen=True, gc=False):
    """One annotation before and after; None where it was not yet, or is no more."""

    before: Annotation | None
    after: Annotation | None

    def __post_init__(self) -> None:
        if self.before is None and self.after is None:
            raise ValueError("a change of nothing")

    @property
    def id(self) -> UUID:
        annotation = self.after or self.before
        assert annotation is not None
        return annotation.id

    @property
    def reversed(self) -> Change:
        return Change(self.after, self.before)


@dataclass(frozen=True, slots=True)
class Edit:
    """What one act changed; undone and redone as a whole.

    Attributes
    ----------
    label
        What was done, as menus show it, such as "Brush" or "Set class".
    turn
        Whether it takes back an edit of this label, or does it again.
    removed
        The ids of what it removes, of many changes looked at beforehand; None where nobody did.
    added
        In the same way, the ids of what it adds.
    special
        In the same way, the changes of what bears texts or figures, cores and counted fields.
    is_reset
        Whether all is other than before, without a change for each: the document has what is now.
    """

    label: str
    changes: Sequence[Change]
    turn: Literal["", "undone", "redone"] = ""
    removed: IdSet | None = field(default=None, compare=False, repr=False)
    added: IdSet | None = field(default=None, compare=False, repr=False)
    special: tuple[Change, ...] | None = field(default=None, compare=False, repr=False)
    is_reset: bool = False

    @property
    def special_changes(self) -> Sequence[Change]:
        """Return the changes of what is `special` in the document, and perhaps others."""
        return self.changes if self.special is None else self.special

    def looked_at(self) -> Edit:
        """Return the same with what is asked of its changes found out; for worker threads."""
        removed = IdSet.of(each.id for each in giving_way(self.changes) if each.after is None)
        added = IdSet.of(each.id for each in giving_way(self.changes) if each.before is None)
        special = tuple(
            change
            for change in giving_way(self.changes)
            if (change.before is not None and is_special(change.before))
            or (change.after is not None and is_special(change.after))
        )
        return replace(self, removed=removed, added=added, special=special)

    @property
    def added_ids(self) -> IdSet:
        """Return the ids of what it adds."""
        if self.added is not None:
            return self.added
        return IdSet.of(each.id for each in self.changes if each.before is None)

    @property
    def full_label(self) -> str:
        """Return what was done, and whether that was taking back or doing again."""
        return f"{self.label} {self.turn}" if self.turn else self.label

    @property
    def reversed(self) -> Edit:
        changes = giving_way(reversed(self.changes))
        return Edit(self.label, gathered(change.reversed for change in changes))

    def let_go(self) -> None:
        """Free its changes little by little where they are many; for each who held it.

        The last of those frees them: a million at once hold up all threads for half a second.
        """
        if len(self.changes) > _MANY_CHANGES:
            ids = (each.shared.parts for each in (self.removed, self.added) if each)
            release_slowly(parts_of(self.changes), *([*parts] for parts in ids))


def adding(label: str, annotations: Iterable[Annotation]) -> Edit:
    """Return the step that adds annotations."""
    return Edit(label, gathered(Change(None, annotation) for annotation in annotations))


def removing(label: str, annotations: Iterable[Annotation]) -> Edit:
    """Return the step that removes annotations."""
    return Edit(label, gathered(Change(annotation, None) for annotation in annotations))


def changing(label: str, pairs: Iterable[tuple[Annotation, Annotation]]) -> Edit:
    """Return the step that puts each second annotation in the place of the first, of its id."""
    changes = (Change(before, after) for before, after in pairs if before != after)
    return Edit(label, gathered(changes))


def joined(first: Edit, then: Edit) -> Edit:
    """Return two steps as one: of each annotation how it was at first and how it is at last."""
    changes = {change.id: change for change in first.changes}
    for change in then.changes:
        before = changes.pop(change.id, change).before
        if before != change.after:
            changes[change.id] = Change(before, change.after)
    return Edit(then.label, gathered(changes.values()))


class Document:
    """The annotations of a slide in the order in which they are drawn, the lowest first.

    Annotations are never changed in place: an act puts others in their place, and the history
    holds just what each act changed. Not safe across threads; belongs to the one that draws.
    """

    def __init__(self, annotations: Iterable[Annotation] = ()) -> None:
        self._state = DocumentState()
        self._is_shared = False
        """Whether somebody works on what it holds now, which must not change any more."""
        self.version = 0
        """Another after each change."""
        self._undo, self._redo = History(_edit_of), History(_edit_of)
        self._listeners: list[Callable[[Edit], object]] = []
        self.is_read_only = False
        self.why_read_only = ""
        """A sentence; "" where another window draws."""
        self._state.fill(annotations)

    # What is there ---------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._state.held)

    def __iter__(self) -> Iterator[Annotation]:
        """Yield the annotations in the order of drawing."""
        return iter(self._state)

    def __reversed__(self) -> Iterator[Annotation]:
        """Yield the annotations from the uppermost down."""
        return self._state.from_top()

    def __contains__(self, id_: object) -> bool:
        return id_ in self._state.held

    def __getitem__(self, id_: UUID) -> Annotation:
        return self._state.held[id_]

    @property
    def ids(self) -> IdSet:
        """Return the ids of all."""
        return IdSet.of(self._state.held)

    def ids_of_class(self, name: str) -> IdSet:
        """Return the ids of what is of a class; "" stands for no class."""
        return self._state.ids_of_class(name)

    def get(self, id_: UUID) -> Annotation | None:
        return self._state.held.get(id_)

    @property
    def authors(self) -> frozenset[str]:
        """Return who drew what is here; "" stands for nobody known."""
        return frozenset(self._state.authors)

    @property
    def class_counts(self) -> Counter[str]:
        """Return how many there are of each class, by its name; "" stands for no class."""
        return self._state.class_counts

    @property
    def class_colors(self) -> dict[str, str]:
        """Return the color of each class that was ever held, as it was told last."""
        return self._state.class_colors

    @property
    def special(self) -> list[Annotation]:
        """Return what bears texts or figures, cores and fields that are counted in."""
        return [self._state.held[id_] for id_ in self._state.special]

    @property
    def marks(self) -> list[Annotation]:
        """Return the bookmarks and notes among them."""
        return [self._state.held[id_] for id_ in self._state.marks]

    @property
    def marks_count(self) -> int:
        """Return how many bookmarks and notes are among them."""
        return sum(self._state.class_counts[name] for name in MARKS)

    @property
    def cores(self) -> list[Annotation]:
        """Return the cores of a tissue microarray among them."""
        return [self._state.held[id_] for id_ in self._state.cores]

    def of(self, ids: Iterable[UUID]) -> list[Annotation]:
        """Return those of the ids that are here, in the order of drawing."""
        found = [id_ for id_ in ids if id_ in self._state.held]
        return [self._state.held[id_] for id_ in sorted(found, key=self._state.index.place)]

    def inside(self, box: Box) -> list[Annotation]:
        """Return whose bounds meet a level-0 box, in the order of drawing."""
        found = self._state.held.at_rows(self._state.index.rows_inside(box).tolist())
        return [each for each in found if each is not None]

    def rows_inside(self, box: Box) -> NDArray[np.intp]:
        """Return the rows of `inside`, to look at in parts: of a million the list takes long."""
        return self._state.index.rows_inside(box)

    def at_rows(self, rows: NDArray[np.intp]) -> list[Annotation | None]:
        """Return what is at these rows; None for what was removed since."""
        return self._state.held.at_rows(rows.tolist())

    def bounds_at(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return (n, 4) x0, y0, x1 and y1 in level-0 pixels, for which no geometry is made."""
        return self._state.index.bounds_of(rows)

    def place(self, id_: UUID) -> int:
        """Rank in the order of drawing; also of what was removed, which comes back there."""
        return self._state.index.place(id_)

    # What is done ----------------------------------------------------------------------------

    def do(self, step: Edit, joining: Edit | None = None) -> Edit:
        """Carry out a step; one that changes nothing leaves no trace.

        Where `joining` is the last step of the history the two become one, as the parts of a
        stroke that is kept before it ends. Returns the step as the history has it.

        Raises
        ------
        ValueError
            Something is not as the step takes it to be: nothing is changed.
        """
        if self.is_read_only:
            raise ReadOnlyError(self.why_read_only)
        if not step.changes:
            return step
        for change in step.changes:
            if self._state.held.get(change.id) != change.before:
                raise ValueError(f"{change.id} is not as the step found it")
        kept = step
        if joining is not None and self._undo.is_last(joining):
            kept = joined(self._undo.pop(), step)
        if kept.changes:
            self._undo.push(kept)
        self._redo.clear()
        self._apply(step)
        return kept

    def undo(self) -> Edit | None:
        """Take back the last step and return what that changed."""
        return self._turn(self._undo, self._redo, "undone")

    def redo(self) -> Edit | None:
        """Do again what was undone last."""
        return self._turn(self._redo, self._undo, "redone")

    @property
    def undo_label(self) -> str | None:
        """Return the label of the step that `undo` takes back; None when there is none."""
        return self._undo.last_label

    @property
    def redo_label(self) -> str | None:
        return self._redo.last_label

    def reset(self, annotations: Iterable[Annotation]) -> None:
        """Hold these from now on, as those of a file that another window changed; no history."""
        self.land_reset(DocumentState().fill(annotations))

    def land_reset(self, state: DocumentState) -> None:
        """Hold what a state holds, which was filled elsewhere and is changed there no more."""
        self._undo.clear()
        self._redo.clear()
        self._replace(Edit("", (), is_reset=True), state)

    def let_go(self) -> None:
        """Hold nothing any more, and forget all steps; very many are freed little by little."""
        state, self._state, self._is_shared = self._state, DocumentState(), False
        self._undo.clear()
        self._redo.clear()
        state.let_go()

    # What is done in another thread ----------------------------------------------------------

    def snapshot(self) -> DocumentState:
        """Return what it holds now, which stays as it is: nobody may change it."""
        self._is_shared = True
        return self._state

    def holds(self, state: DocumentState) -> bool:
        """Return whether nothing was changed since a snapshot was taken."""
        return self._state is state

    @property
    def state(self) -> DocumentState:
        """Return what it holds at this moment, to be read at once."""
        return self._state

    def land(self, step: Edit, before: DocumentState, after: DocumentState) -> bool:
        """Carry out a step that was worked out on a snapshot; it is one in the history.

        Parameters
        ----------
        before, after
            The snapshot, and a copy of it that has taken the step.

        Returns
        -------
        bool
            False where anything was changed since: nothing is done.

        Raises
        ------
        ReadOnlyError
            Nothing can be changed here.
        """
        if self.is_read_only:
            raise ReadOnlyError(self.why_read_only)
        if before is not self._state:
            return False
        if step.changes:
            self._undo.push(step)
            self._redo.clear()
            self._replace(step, after)
        return True

    @property
    def undo_depth(self) -> int:
        """Return how many steps can be undone."""
        return len(self._undo)

    @property
    def undo_count(self) -> int:
        """Return how many annotations `undo` changes."""
        return self._undo.last_count

    @property
    def redo_count(self) -> int:
        """Return how many annotations `redo` changes."""
        return self._redo.last_count

    @property
    def undo_step(self) -> Edit | None:
        """Return what `undo` takes back, which may have to be read from the disk."""
        return self._undo.last

    @property
    def redo_step(self) -> Edit | None:
        """Return what `redo` does again, which may have to be read from the disk."""
        return self._redo.last

    def land_turn(
        self, step: Edit, turned: Edit, before: DocumentState, after: DocumentState, *, back: bool
    ) -> bool:
        """Undo or redo a step as `land` does it; `turned` is its reverse."""
        if self.is_read_only:
            raise ReadOnlyError(self.why_read_only)
        source, target = (self._undo, self._redo) if back else (self._redo, self._undo)
        if before is not self._state or not source.is_last(step):
            return False
        source.pop()
        target.push(turned)
        self._replace(replace(turned, turn="undone" if back else "redone"), after)
        return True

    def _replace(self, step: Edit, after: DocumentState) -> None:
        before, self._state, self._is_shared = self._state, after, False
        self.version += 1
        self._tell(step)
        before.let_go(after)

    def listen(self, listener: Callable[[Edit], object]) -> Callable[[], None]:
        """Call `listener` after each change with what changed, undo and redo too.

        Returns what ends it.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # -----------------------------------------------------------------------------------------

    def _turn(
        self, source: History, target: History, turn: Literal["undone", "redone"]
    ) -> Edit | None:
        if not len(source) or self.is_read_only:
            return None
        reversed_ = source.pop().reversed
        target.push(reversed_)
        self._apply(replace(reversed_, turn=turn))
        return reversed_

    def _apply(self, step: Edit) -> None:
        self._take(step)
        self._tell(step)

    def _take(self, step: Edit) -> None:
        if self._is_shared:
            # Whoever took a snapshot may be done with it: to copy a million takes several frames.
            if _references(self) != _NOBODY_ELSE:
                self._state = self._state.copied()
            self._is_shared = False
        self.version += 1
        self._state.take(step.changes)

    def _tell(self, step: Edit) -> None:
        for listener in tuple(self._listeners):
            listener(step)


def _edit_of(
    label: str, turn: str, changes: Iterable[tuple[Annotation | None, Annotation | None]]
) -> Edit:
    assert turn in ("", "undone", "redone")
    return Edit(label, gathered(Change(before, after) for before, after in changes), turn)


def _references(document: Document) -> list[int]:
    """Return how many refer to what a document holds now, and to each part of it."""
    state = document.state
    parts = (getattr(state, each.name) for each in fields(state))
    return [sys.getrefcount(state), *map(sys.getrefcount, parts)]


_NOBODY_ELSE = _references(Document())


class ReadOnlyError(CoverslipError):
    """Nothing can be changed here; `reason` is a sentence."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "Another window draws on this slide: close it there first.")
