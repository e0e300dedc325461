"""What a document holds at a moment; a copy can be changed elsewhere and put in its place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from viewer.annotations.annotation import DESCRIPTION, FIELD_LAYOUT
from viewer.annotations.bookmarks import is_mark
from viewer.annotations.bounds_index import BoundsIndex
from viewer.annotations.held_annotations import HeldAnnotations
from viewer.annotations.id_set import IdSet
from viewer.annotations.kept_geometry import is_line, is_same_geometry
from viewer.memory.slow_release import release_unshared
from viewer.progress import while_wanted
from viewer.window_first import give_way, giving_way

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Change
    from viewer.geometry import Box

_SMALL_PART = 8
"""How many times as many all have to be, that some are found sooner one by one."""
_AT_ONCE = 2000
"""Changes between two words on how far the work is."""
_MANY = 10_000
"""Rows that take longer than a frame to free."""


@dataclass(slots=True)
class DocumentState:
    """Annotations by id with their places, and what is counted of them.

    Attributes
    ----------
    class_colors
        Of each class that was ever held, as it was told last.
    cores
        Ids of the cores of a tissue microarray.
    special
        Ids of the few that layers paint signs and figures of, or that are counted: `is_special`.
    marks
        Ids of bookmarks and notes.
    """

    index: BoundsIndex = field(default_factory=BoundsIndex)
    held: HeldAnnotations = field(init=False)
    authors: Counter[str] = field(default_factory=Counter[str])
    class_counts: Counter[str] = field(default_factory=Counter[str])
    class_colors: dict[str, str] = field(default_factory=dict[str, str])
    cores: dict[UUID, None] = field(default_factory=dict["UUID", None])
    special: dict[UUID, None] = field(default_factory=dict["UUID", None])
    marks: dict[UUID, None] = field(default_factory=dict["UUID", None])

    def __post_init__(self) -> None:
        self.held = HeldAnnotations(self.index)

    def __iter__(self) -> Iterator[Annotation]:
        """Yield them in the order of drawing; work in threads gives way to the window meanwhile."""
        for rows in self.index.ordered_rows():
            give_way()
            yield from filter(None, self.held.at_rows(rows))

    def from_top(self) -> Iterator[Annotation]:
        """Yield the annotations from the uppermost down."""
        for rows in self.index.rows_from_top():
            yield from filter(None, self.held.at_rows(rows))

    def of(self, ids: AbstractSet[UUID]) -> Iterator[Annotation]:
        """Yield those of the ids that are held, in the order of drawing.

        Walks through all where it is not a small part of them.
        """
        if len(ids) * _SMALL_PART < len(self.held):
            found = sorted((id_ for id_ in ids if id_ in self.held), key=self.index.place)
            return (self.held[id_] for id_ in found)
        return (each for each in self if each.id in ids)

    def ids_of_class(self, name: str) -> IdSet:
        """Return the ids of what is of a class; walks through all where there are others."""
        if self.class_counts[name] == len(self.held):
            return IdSet.of(self.held)
        return IdSet.of(
            each.id for each in giving_way(self.held.values()) if each.class_name == name
        )

    def box_of(self, ids: Collection[UUID]) -> Box | None:
        """Return what bounds those of the ids that are held; None where none has bounds.

        Of all that is held it is known at once.
        """
        if len(ids) == len(self.held):
            return self.index.box
        rows = [self.index.place(id_) for id_ in giving_way(ids) if id_ in self.held]
        return self.index.box_of(np.array(rows, np.intp))

    def let_go(self, successor: DocumentState | None = None) -> None:
        """Free very many little by little, once nobody else has them.

        Parameters
        ----------
        successor
            What comes in its place, and may have the same rows.
        """
        if self.index.count <= _MANY:
            return
        is_kept = successor is not None and successor.index.shares_rows(self.index)
        release_unshared(self.held.blocks, *(() if is_kept else self.index.tables))

    def copied(self) -> DocumentState:
        """Return a state that can be changed without this one."""
        other = DocumentState(
            self.index.copied(), Counter(self.authors), Counter(self.class_counts),
            dict(self.class_colors), dict(self.cores), dict(self.special), dict(self.marks),
        )  # fmt: skip
        other.held = self.held.copied(other.index)
        return other

    def fill(self, annotations: Iterable[Annotation]) -> DocumentState:
        """Add annotations on top; return this state."""
        for annotation in while_wanted(annotations):
            self.held.put(annotation)
            if annotation.kind == "tmaCore":
                self.cores[annotation.id] = None
            if is_special(annotation):
                self.special[annotation.id] = None
            if is_mark(annotation):
                self.marks[annotation.id] = None
            self.authors[annotation.author] += 1
            self._count_class(annotation)
        self.index.put(self.held.values())
        return self

    def take(
        self, changes: Sequence[Change], tell: Callable[[float], object] = lambda _: None
    ) -> None:
        """Change what it holds; `tell` hears the share that is done, and may raise."""
        moved: list[Annotation] = []
        for number, change in enumerate(giving_way(changes)):
            if number % _AT_ONCE == 0:
                tell(number / len(changes))
            before, after = change.before, change.after
            if before is not None:
                _take_from(self.authors, before.author)
                _take_from(self.class_counts, before.class_name)
            if after is not None and after.kind == "tmaCore":
                self.cores[change.id] = None
            elif before is not None and before.kind == "tmaCore":
                del self.cores[change.id]
            if after is not None and is_special(after):
                self.special[change.id] = None
            elif self.special:
                self.special.pop(change.id, None)
            if after is not None and is_mark(after):
                self.marks[change.id] = None
            elif self.marks:
                self.marks.pop(change.id, None)
            if after is None:
                self.held.remove(change.id)
                self.index.remove(change.id)
                continue
            self.authors[after.author] += 1
            self._count_class(after)
            self.held.put(after)
            if before is None or not is_same_geometry(before, after):
                moved.append(after)
                if len(moved) == _AT_ONCE:
                    self.index.put(moved)
                    moved.clear()
        self.index.put(moved)

    def _count_class(self, annotation: Annotation) -> None:
        self.class_counts[annotation.class_name] += 1
        if annotation.shown_as is not None:
            self.class_colors[annotation.class_name] = annotation.shown_as.color


def is_special(annotation: Annotation) -> bool:
    """Return whether it bears a text or the figure of a ruler, or is a core or a counted field."""
    said = annotation.metadata
    if said and (said.get(DESCRIPTION) or FIELD_LAYOUT in said):
        return True
    if annotation.kind == "tmaCore":
        return True
    return bool(annotation.measurements) and is_line(annotation)


def _take_from(counts: Counter[str], name: str) -> None:
    counts[name] -= 1
    if counts[name] <= 0:
        del counts[name]
