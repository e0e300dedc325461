"""Which annotations lie in a box: one comparison over arrays, quick enough for a million."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

import numpy as np
import shapely

from viewer.annotations.kept_geometry import geometries_of
from viewer.window_first import give_way

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from numpy.typing import NDArray

    from viewer.annotations.annotation import Annotation
    from viewer.geometry import Box

_FIRST_ROWS = 256
_AT_ONCE = 2000
"""Shapes that are measured together; a million at once would hold up all other threads."""
_FROM_TOP_AT_ONCE = 50


class _Rows:
    """The rows of ids, which only grow: copies of an index share them."""

    def __init__(self, ids: list[UUID]) -> None:
        self.ids = ids
        self.of: dict[UUID, int] = {id_: row for row, id_ in enumerate(ids)}
        self.lock = threading.Lock()


class BoundsIndex:
    """Bounds of annotations by row; a row is a place in the order of drawing.

    The row of what was removed is kept for it, so that an undone removal is drawn where it was.
    """

    def __init__(self) -> None:
        self._rows = _Rows([])
        self._count = 0
        """How many of the rows are this index's; a copy may have added others."""
        # A line each for x0, y0, x1 and y1. Rows without bounds are NaN, which no comparison
        # holds for.
        self._bounds: NDArray[np.float64] = np.full((4, _FIRST_ROWS), np.nan)

    def copied(self) -> BoundsIndex:
        """Return another of the same content."""
        other = BoundsIndex()
        other._rows, other._count = self._rows, self._count
        other._bounds = self._bounds.copy()
        return other

    @property
    def count(self) -> int:
        """Return how many rows there are, those of what was removed included."""
        return self._count

    def put(self, annotations: Iterable[Annotation]) -> None:
        """Adds annotations on top, and moves those whose id is here."""
        waiting = iter(annotations)
        while part := list(itertools.islice(waiting, _AT_ONCE)):
            give_way()
            rows = [self.row_for(annotation.id) for annotation in part]
            self._bounds[:, rows] = shapely.bounds(geometries_of(part)).T

    def remove(self, id_: UUID) -> None:
        self._bounds[:, self._rows.of[id_]] = np.nan

    def place(self, id_: UUID) -> int:
        """Rank in the order of drawing."""
        return self._rows.of[id_]

    def ids_but(self, rows: Iterable[int]) -> frozenset[UUID]:
        """Return the ids of what is or was here, but those of some rows, in one quick call."""
        ids = self._rows.ids
        others = [*(ids[row] for row in rows), *ids[self._count :]]
        known = frozenset(self._rows.of)  # their hashes are known
        return known.difference(others) if others else known

    def row_of(self, id_: UUID) -> int | None:
        """Return the row of what is or was here; None for what never was."""
        row = self._rows.of.get(id_)
        return row if row is not None and row < self._count else None

    def inside(self, box: Box) -> list[UUID]:
        """Whose bounds meet a level-0 box, in the order of drawing."""
        return self.ids_of(self.rows_inside(box))

    def rows_inside(self, box: Box) -> NDArray[np.intp]:
        """Return the rows whose bounds meet a level-0 box, in the order of drawing."""
        x0, y0, x1, y1 = self._bounds[:, : self._count]
        hits = (x0 <= box.x1) & (x1 >= box.x0) & (y0 <= box.y1) & (y1 >= box.y0)
        return np.flatnonzero(hits)

    def ids_of(self, rows: NDArray[np.intp]) -> list[UUID]:
        """Return the ids of rows."""
        ids = self._rows.ids
        return [ids[row] for row in rows.tolist()]

    @property
    def bounds(self) -> NDArray[np.float64]:
        """Return (n, 4) x0, y0, x1 and y1 of all rows, to be read; NaN of what was removed."""
        return self._bounds[:, : self._count].T

    def bounds_of(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return (n, 4) x0, y0, x1 and y1 of rows; NaN of what was removed."""
        return self._bounds[:, rows].T

    def ordered_rows(self) -> Iterator[list[int]]:
        """Yield the rows that have bounds, in the order of drawing, many at a time."""
        for first in range(0, self._count, _AT_ONCE):
            part = self._bounds[0, first : min(first + _AT_ONCE, self._count)]
            yield (np.flatnonzero(~np.isnan(part)) + first).tolist()

    def rows_from_top(self) -> Iterator[list[int]]:
        """Yield the same backwards, few at a time: who looks for the uppermost ends it soon."""
        for last in range(self._count, 0, -_FROM_TOP_AT_ONCE):
            first = max(0, last - _FROM_TOP_AT_ONCE)
            there = np.flatnonzero(~np.isnan(self._bounds[0, first:last])) + first
            yield there[::-1].tolist()

    def row_for(self, id_: UUID) -> int:
        """Return the row of an id, a new one on top where it never was here; it has no bounds."""
        row = self._rows.of.get(id_)
        if row is not None and row < self._count:
            return row
        with self._rows.lock:
            if len(self._rows.ids) != self._count:  # a copy has rows of its own by now
                self._rows = _Rows(self._rows.ids[: self._count])
            row = self._rows.of[id_] = self._count
            self._rows.ids.append(id_)
        self._count += 1
        if row == self._bounds.shape[1]:
            more = np.full_like(self._bounds, np.nan)
            self._bounds = np.concatenate([self._bounds, more], axis=1)
        return row
