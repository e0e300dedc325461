"""Where those annotations of a document are that something more is painted at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.annotations.bounds_index import BoundsIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Document, Edit
    from viewer.geometry import Box


class SpecialPlaces:
    """Finds the special annotations of a document for which something `holds`.

    Of a million annotations that are not special none is looked at, and a paint looks at those in
    sight alone.
    """

    def __init__(self, document: Document, holds: Callable[[Annotation], bool]) -> None:
        self._document = document
        self._holds = holds
        self._take_all()

    def __len__(self) -> int:
        return len(self._ids)

    def follow(self, step: Edit) -> None:
        """Take note of what changed in the document."""
        if step.is_reset:
            self._take_all()
        for change in step.special_changes:
            self._take(change.id)

    def inside(self, box: Box) -> Iterator[Annotation]:
        """Yield those whose bounds meet a level-0 box, in the order of drawing."""
        for id_ in self._index.inside(box):
            annotation = self._document.get(id_)
            if annotation is not None:
                yield annotation

    def _take_all(self) -> None:
        found = [each for each in self._document.special if self._holds(each)]
        self._ids = {each.id for each in found}
        self._index = BoundsIndex()
        self._index.put(found)

    def _take(self, id_: UUID) -> None:
        annotation = self._document.get(id_)
        if annotation is not None and self._holds(annotation):
            self._ids.add(id_)
            self._index.put([annotation])
        elif id_ in self._ids:
            self._ids.remove(id_)
            self._index.remove(id_)
