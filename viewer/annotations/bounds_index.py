"""Which annotations lie in a box: a comparison over arrays, quick enough for a million."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from viewer.annotations.kept_geometry import geometries_of
from viewer.annotations.row_table import RowTable
from viewer.annotations.shape_numbers import bounds_of
from viewer.annotations.shared_blocks import SharedBlocks
from viewer.geometry import Box
from viewer.memory.long_list import LongList
from viewer.window_first import give_way

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, MutableSequence, Sequence

    from numpy.typing import NDArray

    from viewer.annotations.annotation import Annotation

_BITS = 15
_IN_BLOCK = 1 << _BITS
"""Rows of a block: a megabyte, which a change copies where copies of the index share it."""
_PLACE = _IN_BLOCK - 1
_FIRST_ROWS = 256
_AT_ONCE = 2048
"""Shapes that are measured together; a million at once would hold up all other threads."""
_FROM_TOP_AT_ONCE = 50


class _Rows:
    """The rows of ids, which only grow: copies of an index share them."""

    def __init__(self, ids: Iterable[UUID]) -> None:
        self.ids = LongList[UUID]()
        self._table = RowTable[int]()
        self.lock = threading.Lock()
        for id_ in ids:
            self.add(id_)

    def get(self, id_: UUID) -> int | None:
        """Return the row of an id; None where it has none."""
        return self._table.get(id_.int)  # whose hash Python does not work out by itself

    @property
    def tables(self) -> tuple[list[MutableSequence[UUID]], list[dict[int, int]]]:
        """Return what is to be freed, part by part, once nobody has these any more."""
        return self.ids.parts, self._table.parts

    def add(self, id_: UUID) -> int:
        """Return a new row, for an id that has none."""
        self.ids.append(id_)
        return self._table.add(id_.int)


class BoundsIndex:
    """Bounds of annotations by row; a row is a place in the order of drawing.

    The row of what was removed is kept for it, so that an undone removal is drawn where it was.
    A copy shares the blocks.
    """

    def __init__(self) -> None:
        self._rows = _Rows(())
        self._count = 0
        """How many of the rows are this index's; a copy may have added others."""
        # A line each for x0, y0, x1 and y1. Rows without bounds are NaN, which no comparison
        # holds for.
        self._blocks: SharedBlocks[NDArray[np.float64]] = SharedBlocks()

    def copied(self) -> BoundsIndex:
        """Return another of the same content."""
        other = BoundsIndex()
        other._rows, other._count = self._rows, self._count
        other._blocks = self._blocks.shared()
        return other

    @property
    def tables(self) -> tuple[list[MutableSequence[UUID]], list[dict[int, int]]]:
        """Return what is to be freed, part by part, once nobody has this or a copy any more."""
        return self._rows.tables

    def shares_rows(self, other: BoundsIndex) -> bool:
        """Return whether one is a copy of the other, or both are of a third."""
        return self._rows is other._rows

    @property
    def count(self) -> int:
        """Return how many rows there are, those of what was removed included."""
        return self._count

    def put(self, annotations: Iterable[Annotation]) -> None:
        """Add annotations on top, and move those whose id is here."""
        waiting = iter(annotations)
        while part := list(itertools.islice(waiting, _AT_ONCE)):
            give_way()
            rows = np.array([self.row_for(annotation.id) for annotation in part], np.intp)
            boxes = bounds_of(geometries_of(part)).T
            for number, at in _by_block(rows):
                self._blocks.to_change(number)[:, rows[at] & _PLACE] = boxes[:, at]

    def remove(self, id_: UUID) -> None:
        row = self.place(id_)
        self._blocks.to_change(row >> _BITS)[:, row & _PLACE] = np.nan

    def place(self, id_: UUID) -> int:
        """Rank in the order of drawing. Raises KeyError."""
        row = self._rows.get(id_)
        if row is None:
            raise KeyError(id_)
        return row

    def row_of(self, id_: UUID) -> int | None:
        """Return the row of what is or was here; None for what never was."""
        row = self._rows.get(id_)
        return row if row is not None and row < self._count else None

    def inside(self, box: Box) -> list[UUID]:
        """Return whose bounds meet a level-0 box, in the order of drawing."""
        return self.ids_of(self.rows_inside(box))

    def rows_inside(self, box: Box) -> NDArray[np.intp]:
        """Return the rows whose bounds meet a level-0 box, in the order of drawing."""
        hits = np.empty(sum(block.shape[1] for block in self._blocks), np.bool_)
        for number, (x0, y0, x1, y1) in enumerate(self._blocks):
            of_block = hits[number << _BITS : (number + 1) << _BITS]
            np.less_equal(x0, box.x1, of_block)
            of_block &= x1 >= box.x0
            of_block &= y0 <= box.y1
            of_block &= y1 >= box.y0
        return np.flatnonzero(hits)

    def ids_of(self, rows: NDArray[np.intp]) -> list[UUID]:
        """Return the ids of rows."""
        ids = self._rows.ids
        return [ids[row] for row in rows.tolist()]

    def bounds_of(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return (n, 4) x0, y0, x1 and y1 of rows; NaN of what was removed."""
        bounds = np.empty((4, len(rows)))
        for number, at in _by_block(rows):
            bounds[:, at] = self._blocks[number][:, rows[at] & _PLACE]
        return bounds.T

    @property
    def box(self) -> Box | None:
        """Return what bounds all of them; None where none has bounds."""
        return _around(self._blocks)

    def box_of(self, rows: NDArray[np.intp]) -> Box | None:
        """Return what bounds those of rows; None where none has bounds."""
        return _around([self.bounds_of(rows).T])

    def ordered_rows(self) -> Iterator[list[int]]:
        """Yield the rows that have bounds, in the order of drawing, many at a time."""
        for first in range(0, self._count, _AT_ONCE):
            start = first & _PLACE
            part = self._blocks[first >> _BITS][0, start : start + _AT_ONCE]
            yield (np.flatnonzero(~np.isnan(part)) + first).tolist()

    def rows_from_top(self) -> Iterator[list[int]]:
        """Yield the same backwards, few at a time: who looks for the uppermost ends it soon."""
        for number in reversed(range(len(self._blocks))):
            first_of_block = number << _BITS
            for last in range(min(_IN_BLOCK, self._count - first_of_block), 0, -_FROM_TOP_AT_ONCE):
                first = max(0, last - _FROM_TOP_AT_ONCE)
                there = np.flatnonzero(~np.isnan(self._blocks[number][0, first:last]))
                yield (there[::-1] + first + first_of_block).tolist()

    def row_for(self, id_: UUID) -> int:
        """Return the row of an id, a new one on top where it never was here; it has no bounds."""
        row = self.row_of(id_)
        if row is not None:
            return row
        with self._rows.lock:
            if len(self._rows.ids) != self._count:  # a copy has rows of its own by now
                self._rows = _Rows(itertools.islice(self._rows.ids, self._count))
            row = self._rows.add(id_)
        self._count += 1
        self._make_room(row)
        return row

    def _make_room(self, row: int) -> None:
        """Have a place for a new row on top."""
        number, place = row >> _BITS, row & _PLACE
        if number == len(self._blocks):
            self._blocks.put(number, _nowhere(_FIRST_ROWS))
        elif place == self._blocks[number].shape[1]:
            longer = np.concatenate([self._blocks[number], _nowhere(place)], axis=1)
            self._blocks.put(number, longer)


def _nowhere(count: int) -> NDArray[np.float64]:
    """Return (4, count) places for the bounds of rows, which have none yet."""
    return np.full((4, count), np.nan)


def _by_block(rows: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield the numbers of blocks, each with where those of the rows are that lie in it."""
    numbers = rows >> _BITS
    for number in np.unique(numbers).tolist():
        yield number, np.flatnonzero(numbers == number)


def _around(parts: Sequence[NDArray[np.float64]]) -> Box | None:
    """Return what bounds all of (4, n) bounds, of which some may be NaN; None for none."""
    ends = [
        (np.fmin.reduce(each[:2], 1), np.fmax.reduce(each[2:], 1)) for each in parts if each.size
    ]
    if not ends:
        return None
    low, high = (
        np.fmin.reduce([each for each, _ in ends]),
        np.fmax.reduce([each for _, each in ends]),
    )
    return None if np.isnan(low).any() else Box(*low.tolist(), *high.tolist())
