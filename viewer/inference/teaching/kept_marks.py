"""The marks of a document, changed by what changes: each edit costs as many marks as it touches."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.bookmarks import MARKS
from viewer.inference.teaching.marks import class_colors, marks_of
from viewer.window_first import giving_way

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from uuid import UUID

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Document, Edit
    from viewer.annotations.document_state import DocumentState
    from viewer.inference.teaching.marks import Mark

_PAGES = 1024
"""In which marks are kept; a change copies the page that it is on, and the list of the pages."""

_Page = dict["UUID", "_Marked"]


class _Marked(msgspec.Struct, frozen=True):
    """The marks of one annotation, and its place in the order of drawing."""

    place: int
    marks: tuple[Mark, ...]


class MarksAt(msgspec.Struct, frozen=True, eq=False):
    """The marks of a moment, which stay as they are: another thread may read them.

    Attributes
    ----------
    counts
        How many there are of each class.
    colors
        "#rrggbb" of each class; see `class_colors`.
    """

    _pages: tuple[_Page, ...]
    counts: Mapping[str, int]
    colors: Mapping[str, str]

    def __len__(self) -> int:
        return sum(self.counts.values())

    def __iter__(self) -> Iterator[Mark]:
        """Yield the marks in the order of drawing."""
        every = chain.from_iterable(page.values() for page in self._pages)
        for marked in giving_way(sorted(every, key=lambda each: each.place)):
            yield from marked.marks


class KeptMarks:
    """What teaches among the annotations of a document: neither locked, bookmarks nor notes.

    Parameters
    ----------
    state
        Of the document; all of it is looked at here, and never again.
    """

    def __init__(self, state: DocumentState) -> None:
        self._pages: list[_Page] = [{} for _ in range(_PAGES)]
        self._counts: Counter[str] = Counter()
        self._of_class: dict[str, Mark] = {}
        """The newest mark of each class, in the order in which the classes first came."""
        self._now: MarksAt | None = None
        for annotation in giving_way(state):
            marks = _taught_by(annotation)
            if marks:
                place = state.index.place(annotation.id)
                self._page(annotation.id)[annotation.id] = _Marked(place, marks)
                self._count(marks)

    @property
    def now(self) -> MarksAt:
        """Return the marks as they are now; the same object until they are others."""
        if self._now is None:
            colors = class_colors(self._of_class.values())
            self._now = MarksAt(tuple(self._pages), dict(self._counts), colors)
        return self._now

    def follow(self, step: Edit, document: Document) -> None:
        """Take a step that the document has taken; of a reset, begin anew instead."""
        for change in step.changes:
            after = document.get(change.id)
            marks = () if after is None else _taught_by(after)
            held = self._page(change.id).get(change.id)
            if marks == (() if held is None else held.marks):
                continue
            page = self._pages[change.id.int % _PAGES] = dict(self._page(change.id))
            if held is not None:
                del page[change.id]
                self._take_off(held.marks)
            if marks:
                page[change.id] = _Marked(document.place(change.id), marks)
                self._count(marks)
            self._now = None

    def _page(self, id_: UUID) -> _Page:
        return self._pages[id_.int % _PAGES]

    def _count(self, marks: Iterable[Mark]) -> None:
        for mark in marks:
            self._counts[mark.name] += 1
            self._of_class[mark.name] = mark

    def _take_off(self, marks: Iterable[Mark]) -> None:
        for mark in marks:
            self._counts[mark.name] -= 1
            if not self._counts[mark.name]:
                del self._counts[mark.name], self._of_class[mark.name]


def _taught_by(annotation: Annotation) -> tuple[Mark, ...]:
    """Return what an annotation teaches."""
    is_own = annotation.kind == "annotation" and not annotation.is_locked
    return tuple(marks_of(annotation)) if is_own and annotation.class_name not in MARKS else ()
