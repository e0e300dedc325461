"""Regions painted as labels, a strip or tile of the picture at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import shapely

from viewer.annotations.shape_numbers import areas

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry


class LabelPainter:
    """Paints regions with their values; the smaller over the larger, so that none is hidden.

    A pixel belongs to a region when its middle does. Safe to use from several threads.

    Parameters
    ----------
    regions
        Polygons and multi-polygons in level-0 pixels.
    values
        1 and more, one a region.
    """

    def __init__(self, regions: Sequence[BaseGeometry], values: Sequence[int]) -> None:
        shapes = np.array(regions, dtype=object)
        order: list[int] = np.argsort(-areas(shapes), kind="stable").tolist() if len(shapes) else []
        self._shapes = shapes[order]
        self._values = [values[index] for index in order]
        self._tree = shapely.STRtree(self._shapes)
        self._tree.query(shapely.Point(0, 0))  # builds it, before threads ask
        self._edges: dict[int, Edges] = {}

    def painted(
        self, left: int, top: int, size: tuple[int, int], scale: tuple[float, float], dtype: Any
    ) -> NDArray[Any]:
        """Return a part of the picture of labels, (height, width); 0 where nothing is.

        Parameters
        ----------
        left, top
            Of the part, in pixels of the picture.
        size
            Width and height of the part.
        scale
            Level-0 pixels per pixel of the picture, in x and y.
        """
        width, height = size
        labels = np.zeros((height, width), dtype)
        box = shapely.box(
            left * scale[0], top * scale[1], (left + width) * scale[0], (top + height) * scale[1]
        )
        found: list[int] = np.sort(self._tree.query(box)).tolist()
        for index in found:
            paint_edges(labels, self._edges_of(index), self._values[index], left, top, scale)
        return labels

    def touched(self, box: tuple[float, float, float, float]) -> bool:
        """Return whether a region has a part of a level-0 box."""
        return len(self._tree.query(shapely.box(*box), predicate="intersects")) > 0

    def _edges_of(self, index: int) -> Edges:
        """Kept for large shapes, which many tiles ask for."""
        found = self._edges.get(index)
        if found is None:
            found = _edges_of(self._shapes[index])
            if len(found.x0) > _LARGE:
                self._edges[index] = found
        return found


_LARGE = 1000
"""Edges of a shape that it is worth to keep them."""


class Edges(msgspec.Struct, frozen=True):
    """Edges that go up or down, in level-0 pixels, from the upper end to the lower.

    Attributes
    ----------
    turns
        int32, 1 where the ring goes to smaller y along the edge, -1 where it goes to larger.
    """

    x0: NDArray[np.float64]
    y0: NDArray[np.float64]
    x1: NDArray[np.float64]
    y1: NDArray[np.float64]
    turns: NDArray[np.int32]


def _edges_of(shape: BaseGeometry) -> Edges:
    rings = shapely.get_rings(shapely.get_parts(shape))
    return edges_of_rings([shapely.get_coordinates(ring) for ring in rings.tolist()])


def edges_of_rings(rings: Sequence[NDArray[Any]]) -> Edges:
    """Return the edges of closed rings, (n, 2) x and y, whose last point repeats the first."""
    begins = np.concatenate([ring[:-1] for ring in rings])
    ends = np.concatenate([ring[1:] for ring in rings])
    is_up = begins[:, 1] > ends[:, 1]
    upper = np.where(is_up[:, None], ends, begins)
    lower = np.where(is_up[:, None], begins, ends)
    is_level = upper[:, 1] == lower[:, 1]
    upper, lower, is_up = upper[~is_level], lower[~is_level], is_up[~is_level]
    turns = np.where(is_up, np.int32(1), np.int32(-1))
    return Edges(upper[:, 0], upper[:, 1], lower[:, 0], lower[:, 1], turns)


def paint_edges(
    labels: NDArray[Any],
    edges: Edges,
    value: int,
    left: int,
    top: int,
    scale: tuple[float, float],
) -> None:
    """Set the pixels whose middles lie within the edges, by the even-odd rule.

    Each edge toggles all that is right of it in the rows that it crosses.
    """
    seen = _Seen.of(edges, left, top, labels.shape, scale)
    if seen is None or seen.high <= seen.low:
        return
    toggles = np.zeros((seen.high_row - seen.low_row, seen.high - seen.low + 1), np.uint8)
    for rows, columns, _ in seen.crossed():
        # Counts wrap at 256, which is even.
        np.add.at(toggles, (rows - seen.low_row, columns - seen.low), 1)
    is_inside = (np.cumsum(toggles[:, :-1], axis=1, dtype=np.uint8) & 1).astype(bool)
    labels[seen.low_row : seen.high_row, seen.low : seen.high][is_inside] = value


def region_edges(regions: NDArray[np.object_]) -> Edges:
    """Return the edges of polygons and multi-polygons, of which `covered` tells the ground."""
    rings, parts = shapely.get_rings(shapely.get_parts(regions), return_index=True)
    # So that each region counts once within it, and its holes take that back.
    is_outer = np.diff(parts, prepend=-1) > 0
    rings = np.where(shapely.is_ccw(rings) == is_outer, rings, shapely.reverse(rings))
    return edges_of_rings([_NO_RING, *map(shapely.get_coordinates, rings.tolist())])


def covered(
    edges: Edges,
    left: int,
    top: int,
    size: tuple[int, int],
    scale: tuple[float, float],
) -> NDArray[np.bool_]:
    """Return which pixels have their middles in a region, (height, width).

    It takes as long as there are edges, however often the regions cross or lie on one another:
    their union, which is the same ground, takes minutes of some.

    Parameters
    ----------
    edges
        As `region_edges` gives them; the rest as of `LabelPainter.painted`.
    """
    width, height = size
    sums = np.zeros((height, width + 1), np.int32)
    seen = _Seen.of(edges, left, top, (height, width), scale)
    for rows, columns, turns in seen.crossed() if seen is not None else ():
        np.add.at(sums, (rows, columns), turns)
    return np.cumsum(sums[:, :-1], axis=1) > 0


class _Seen(msgspec.Struct, frozen=True):
    """Edges in pixels of a part of the picture, of those that cross the middle of a row of it.

    Attributes
    ----------
    first, counts
        The rows that each crosses.
    low, high, low_row, high_row
        Between which columns and rows all lie.
    """

    edges: Edges
    first: NDArray[np.int64]
    counts: NDArray[np.int64]
    low: int
    high: int
    low_row: int
    high_row: int

    @classmethod
    def of(
        cls, edges: Edges, left: int, top: int, shape: tuple[int, ...], scale: tuple[float, float]
    ) -> _Seen | None:
        """Return the edges in a part of (height, width) pixels; None where it holds none."""
        height, width = shape
        y0, y1 = edges.y0 / scale[1] - top, edges.y1 / scale[1] - top
        # Rows whose middles lie in [y0, y1).
        first = np.clip(np.ceil(y0 - 0.5), 0, height).astype(np.int64)
        counts = np.clip(np.ceil(y1 - 0.5), 0, height).astype(np.int64) - first
        some = counts > 0
        if not some.any():
            return None
        first, counts = first[some], counts[some]
        x0, x1 = edges.x0[some] / scale[0] - left, edges.x1[some] / scale[0] - left
        low, high = min(x0.min(), x1.min()), max(x0.max(), x1.max())
        low, high = np.clip(np.ceil(np.array([low, high]) - 0.5), 0, width).astype(int).tolist()
        return cls(
            Edges(x0, y0[some], x1, y1[some], edges.turns[some]), first, counts,
            low, high, int(first.min()), int((first + counts).max()),
        )  # fmt: skip

    def crossed(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]]:
        """Yield rows, the columns right of the edges there, and turns, some edges at a time."""
        for begin in range(0, len(self.counts), _AT_ONCE):
            some = slice(begin, begin + _AT_ONCE)
            x0, y0, x1, y1 = (
                each[some] for each in (self.edges.x0, self.edges.y0, self.edges.x1, self.edges.y1)
            )
            counts = self.counts[some]
            edge = np.repeat(np.arange(len(counts)), counts)
            begins = self.first[some] - np.cumsum(counts) + counts
            rows = np.arange(len(edge)) + begins[edge]
            share = (rows + 0.5 - y0[edge]) / (y1[edge] - y0[edge])
            x = x0[edge] + share * (x1[edge] - x0[edge])
            columns = np.clip(np.ceil(x - 0.5), self.low, self.high).astype(np.int64)
            yield rows, columns, self.edges.turns[some][edge]


_NO_RING = np.zeros((1, 2))
_AT_ONCE = 4096
"""Edges, of which each may cross all rows."""
