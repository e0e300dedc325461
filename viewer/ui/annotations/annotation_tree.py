"""What the list of annotations holds: classes with their rows in order; may be made in a thread."""

from __future__ import annotations

import itertools
from functools import lru_cache
from heapq import merge
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import msgspec
import numpy as np

from viewer.annotations.annotation import NO_CLASS
from viewer.annotations.bookmarks import MARKS
from viewer.annotations.kept_geometry import geometry_parts
from viewer.annotations.measured import angle_of, is_angle
from viewer.memory.slow_release import release_slowly
from viewer.progress import while_wanted
from viewer.ui.annotations.shown import name_of
from viewer.window_first import give_way, giving_way

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document_state import DocumentState
    from viewer.annotations.pixel_calibration import PixelCalibration

PER_UNIT = 1_000_000
_SORTED_AT_ONCE = 5000
_FOLDED = 256
"""Texts whose form without capitals is shared: a million rows may all be called "Polygon"."""

Key = tuple[object, int]
"""What rows are sorted by; the order of drawing where that is the same."""
_NO_KEY: Key = "", 0
_NO_ID = UUID(int=0)
_Parts = list[list[tuple[Key, UUID]]]
"""Rows in no order, `_SORTED_AT_ONCE` in each but the last."""


class RowSize(NamedTuple):
    """Area and length in millionths of the unit: whole numbers, whose sums end where they began."""

    area: int = 0
    length: int = 0

    @classmethod
    def of(cls, area: float, length: float) -> RowSize:
        return cls(round(area * PER_UNIT), round(length * PER_UNIT))

    def plus(self, other: RowSize) -> RowSize:
        return RowSize(self.area + other.area, self.length + other.length)

    def minus(self, other: RowSize) -> RowSize:
        return RowSize(self.area - other.area, self.length - other.length)


class Group(msgspec.Struct, eq=False):
    """The shown annotations of one class, in ascending order; the same where it is the same."""

    number: int
    name: str
    color: str
    keys: list[Key] = msgspec.field(default_factory=list[Key])
    ids: list[UUID] = msgspec.field(default_factory=list[UUID])
    size: RowSize = msgspec.field(default_factory=RowSize)


class Filling(msgspec.Struct, frozen=True):
    """How the tree is filled from what a document holds; may run in a thread.

    Where an annotation is in it is told by what the annotation says: a place for each of a million
    would take 0.3 GB.
    """

    calibration: PixelCalibration
    words: tuple[str, ...]
    column: int

    def holds(self, annotation: Annotation) -> bool:
        """Return whether an annotation is listed."""
        return holds(annotation, self.words)

    def size(self, annotation: Annotation) -> RowSize:
        """Return what an annotation adds to its class, to the last digit as of many at once."""
        _, _, size = next(self._measured([annotation]))
        return size

    def size_text(self, size: RowSize) -> str:
        """Return what is shown of an area and a length."""
        return self.calibration.row_text(size.area / PER_UNIT, size.length / PER_UNIT)

    def key(self, annotation: Annotation, place: int) -> Key:
        """Return by what an annotation is sorted."""
        _, shape, size = next(self._measured([annotation]))
        return self._key(annotation, shape, size, place)

    def _measured(
        self, wanted: Sequence[Annotation]
    ) -> Iterator[tuple[Annotation, BaseGeometry, RowSize]]:
        """Yield each with its shape and size, for which geometries are made that do not stay."""
        each = iter(wanted)
        for shapes in geometry_parts(wanted):
            areas = self.calibration.areas(shapes).tolist()
            lengths = self.calibration.lengths(shapes).tolist()
            sizes = map(RowSize.of, areas, lengths)
            yield from zip(itertools.islice(each, len(shapes)), shapes, sizes, strict=True)

    def _key(self, annotation: Annotation, shape: BaseGeometry, size: RowSize, place: int) -> Key:
        """Return what says in which order an annotation comes: that of what is shown of it."""
        match self.column:
            case 1:
                return self._size_key(annotation, size), place
            case 2:
                return annotation.is_locked, place
            case 3:
                return _folded(annotation.author), place
            case 4:
                return annotation.modified_utc, place
            case _:
                return _folded(name_of(annotation, shape)), place

    def _size_key(self, annotation: Annotation, size: RowSize) -> tuple[float, ...]:
        """Return the size, of what shows an angle that: before all lengths and areas."""
        angle_deg = angle_of(annotation, self.calibration) if is_angle(annotation) else None
        return size if angle_deg is None else (0, 0, angle_deg)

    def tree(self, state: DocumentState) -> list[Group]:
        """Return the annotations that hold all words, by class and in order; while wanted."""
        wanted = (each for each in while_wanted(state) if self.holds(each))
        grouped: dict[str, tuple[Group, _Parts]] = {}
        try:
            while part := list(itertools.islice(wanted, _SORTED_AT_ONCE)):
                self._group(state, part, grouped)
        except BaseException:
            release_slowly(*(parts for _, parts in grouped.values()))
            raise
        for group, parts in grouped.values():
            count = sum(map(len, parts))
            # Longer at once: each time they outgrew their room they would be copied in one call.
            group.keys, group.ids = [_NO_KEY] * count, [_NO_ID] * count
            for row, (key, id_) in enumerate(giving_way(_in_order(parts))):
                group.keys[row], group.ids[row] = key, id_
            if len(parts) > 1:
                release_slowly(parts)
        return sorted((group for group, _ in grouped.values()), key=class_order)

    def _group(
        self,
        state: DocumentState,
        part: list[Annotation],
        grouped: dict[str, tuple[Group, _Parts]],
    ) -> None:
        """Put annotations into their classes, in no order."""
        for annotation, shape, size in giving_way(self._measured(part)):
            name = annotation.class_name
            if name not in grouped:
                which = annotation.shown_as
                color = which.color if which else annotation.shown_color
                grouped[name] = Group(0, name, color), [[]]
            group, parts = grouped[name]
            if len(parts[-1]) == _SORTED_AT_ONCE:
                parts.append([])
            group.size = group.size.plus(size)
            key = self._key(annotation, shape, size, state.index.place(annotation.id))
            parts[-1].append((key, annotation.id))


def _in_order(parts: _Parts) -> Iterable[tuple[Key, UUID]]:
    """Sort rows in parts, between which other threads can run: among them the one that paints."""
    by_key = itemgetter(0)
    for part in parts:
        give_way()
        part.sort(key=by_key)
    return parts[0] if len(parts) == 1 else merge(*map(iter, parts), key=by_key)


@lru_cache(_FOLDED)
def _folded(text: str) -> str:
    """Return a text without capitals; one that has none as it is, which takes no room."""
    folded = text.casefold()
    return text if folded == text else folded


def holds(annotation: Annotation, words: Sequence[str]) -> bool:
    """Return whether all words occur in what is said of it."""
    if not words:
        return True
    texts = (
        annotation.name,
        annotation.class_name or NO_CLASS,
        annotation.description,
        annotation.author,
    )
    text = " ".join(texts).casefold()
    return all(word in text for word in words)


def rows_among(held: Sequence[UUID], ids: AbstractSet[UUID], is_descending: bool) -> list[int]:
    """Return in which rows of a class, in ascending order, ids are; last first where descending."""
    last = len(held) - 1
    found = (at for at, id_ in enumerate(giving_way(held)) if id_ in ids)
    return [last - at if is_descending else at for at in found]


def row_runs(rows: list[int]) -> list[tuple[int, int]]:
    """Return the first and the last of rows that follow on each other."""
    places = np.sort(np.array(rows))
    starts = np.flatnonzero(np.diff(places) > 1) + 1
    return [(int(run[0]), int(run[-1])) for run in np.split(places, starts)]


def class_order(group: Group) -> tuple[bool, bool, str, str]:
    """Bookmarks and notes come last, before them what has no class."""
    return group.name in MARKS, not group.name, group.name.casefold(), group.name
