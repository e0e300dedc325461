"""Which annotations the next act is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.annotations.id_set import IdSet
from viewer.memory.slow_release import release_slowly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from uuid import UUID

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Document, Edit
    from viewer.annotations.id_set import SharedIds


MOST_IN_A_FRAME = 2000
"""Annotations that are looked through in a frame."""
_MANY = 10_000
"""Chosen annotations whose ids take longer than a frame to free."""


class Selection:
    """The chosen annotations of a document; what is removed is chosen no more."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._ids = IdSet()
        self._listeners: list[Callable[[], object]] = []
        self._end = document.listen(self._follow)

    def close(self) -> None:
        """Follow the document no more, and choose nothing.

        Who listens and who is listened to refer to each other: a million ids would stay with them
        until such cycles are looked for.
        """
        self._end()
        before, self._ids = self._ids, IdSet()
        _let_go(before.shared)

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[UUID]:
        return iter(self._ids)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._ids

    @property
    def ids(self) -> IdSet:
        """Return the ids of what is chosen."""
        return self._ids

    @property
    def annotations(self) -> list[Annotation]:
        """Return the annotations in the order of drawing."""
        return self._document.of(self._ids)

    @property
    def uppermost(self) -> Annotation | None:
        """Return what was drawn last; None where nothing is chosen. Of very many it is near."""
        if len(self._ids) <= MOST_IN_A_FRAME:
            return next(reversed(self.annotations), None)
        return next((each for each in reversed(self._document) if each.id in self._ids), None)

    @property
    def changeable(self) -> list[Annotation]:
        """Return those that are not locked."""
        return [annotation for annotation in self.annotations if not annotation.is_locked]

    def choose(self, ids: Iterable[UUID]) -> None:
        """Choose these and no others."""
        wanted = IdSet.of(ids)
        if wanted.differing(self._ids) != frozenset():
            self._take(wanted)

    def turn(self, id_: UUID) -> None:
        """Choose one more, or one less where it was chosen."""
        one = frozenset((id_,))
        self._take(self._ids.without(one) if id_ in self._ids else self._ids.with_ids(one))

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener` after each change. Returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _follow(self, step: Edit) -> None:
        if step.is_reset:
            self.choose(id_ for id_ in self._ids if id_ in self._document)
            return
        gone = step.removed
        if gone is None:
            gone = {change.id for change in step.changes if change.id not in self._document}
        left = self._ids.without(gone)
        if len(left) < len(self._ids):
            self._take(left)

    def _take(self, ids: IdSet) -> None:
        before, self._ids = self._ids.shared, ids
        self._tell()
        if before is not ids.shared:
            _let_go(before)

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()


def _let_go(ids: SharedIds) -> None:
    if len(ids) > _MANY:
        release_slowly([*ids.parts])
