"""Which annotations lie in a box: one comparison over arrays, quick enough for a million."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from viewer.annotations.kept_geometry import geometries_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from uuid import UUID

    from numpy.typing import NDArray

    from viewer.annotations.annotation import Annotation
    from viewer.geometry import Box

_FIRST_ROWS = 256


class BoundsIndex:
    """Bounds of annotations by row; a row is a place in the order of drawing.

    The row of what was removed is kept for it, so that an undone removal is drawn where it was.
    """

    def __init__(self) -> None:
        self._rows: dict[UUID, int] = {}
        self._ids: list[UUID] = []
        # Rows without bounds are NaN, which no comparison holds for.
        self._bounds: NDArray[np.float64] = np.full((_FIRST_ROWS, 4), np.nan)

    def copied(self) -> BoundsIndex:
        """Return another of the same content."""
        other = BoundsIndex()
        other._rows, other._ids = dict(self._rows), list(self._ids)
        other._bounds = self._bounds.copy()
        return other

    def put(self, annotations: Collection[Annotation]) -> None:
        """Adds annotations on top, and moves those whose id is here."""
        if not annotations:
            return
        rows = [self._row(annotation.id) for annotation in annotations]
        self._bounds[rows] = shapely.bounds(geometries_of(annotations))

    def remove(self, id_: UUID) -> None:
        self._bounds[self._rows[id_]] = np.nan

    def place(self, id_: UUID) -> int:
        """Rank in the order of drawing."""
        return self._rows[id_]

    def inside(self, box: Box) -> list[UUID]:
        """Whose bounds meet a level-0 box, in the order of drawing."""
        x0, y0, x1, y1 = self._bounds[: len(self._ids)].T
        hits = (x0 <= box.x1) & (x1 >= box.x0) & (y0 <= box.y1) & (y1 >= box.y0)
        return [self._ids[row] for row in np.flatnonzero(hits).tolist()]

    def ordered(self) -> Iterator[UUID]:
        """Yield all that have bounds, in the order of drawing."""
        there = np.flatnonzero(~np.isnan(self._bounds[: len(self._ids), 0])).tolist()
        return (self._ids[row] for row in there)

    def _row(self, id_: UUID) -> int:
        row = self._rows.get(id_)
        if row is None:
            row = self._rows[id_] = len(self._ids)
            self._ids.append(id_)
            if row == len(self._bounds):
                more = np.full_like(self._bounds, np.nan)
                self._bounds = np.concatenate([self._bounds, more])
        return row
