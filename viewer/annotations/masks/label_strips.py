"""Regions painted as labels, a strip or tile of the picture at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import shapely

from viewer.annotations.shape_numbers import areas

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """Edges that go up or down, in level-0 pixels, from the upper end to the lower."""

    x0: NDArray[np.float64]
    y0: NDArray[np.float64]
    x1: NDArray[np.float64]
    y1: NDArray[np.float64]


def _edges_of(shape: BaseGeometry) -> Edges:
    return edges_of_rings(
        [
            shapely.get_coordinates(ring)
            for part in shapely.get_parts(shape).tolist()
            for ring in (part.exterior, *part.interiors)
        ]
    )


def edges_of_rings(rings: Sequence[NDArray[Any]]) -> Edges:
    """Return the edges of closed rings, (n, 2) x and y, whose last point repeats the first."""
    begins = np.concatenate([ring[:-1] for ring in rings])
    ends = np.concatenate([ring[1:] for ring in rings])
    is_up = begins[:, 1] > ends[:, 1]
    upper = np.where(is_up[:, None], ends, begins)
    lower = np.where(is_up[:, None], begins, ends)
    is_level = upper[:, 1] == lower[:, 1]
    upper, lower = upper[~is_level], lower[~is_level]
    return Edges(upper[:, 0], upper[:, 1], lower[:, 0], lower[:, 1])


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
    height, width = labels.shape
    y0, y1 = edges.y0 / scale[1] - top, edges.y1 / scale[1] - top
    # Rows whose middles lie in [y0, y1).
    first = np.clip(np.ceil(y0 - 0.5), 0, height).astype(np.int64)
    stop = np.clip(np.ceil(y1 - 0.5), 0, height).astype(np.int64)
    counts = stop - first
    has_rows = counts > 0
    if not has_rows.any():
        return
    counts, first = counts[has_rows], first[has_rows]
    x0, y0 = edges.x0[has_rows] / scale[0] - left, y0[has_rows]
    x1, y1 = edges.x1[has_rows] / scale[0] - left, y1[has_rows]
    edge = np.repeat(np.arange(len(counts)), counts)
    rows = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    share = (rows + 0.5 - y0[edge]) / (y1[edge] - y0[edge])
    x = x0[edge] + share * (x1[edge] - x0[edge])
    columns = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
    low_row, high_row = int(rows.min()), int(rows.max()) + 1
    low, high = int(columns.min()), int(columns.max())
    if high <= low:
        return
    toggles = np.zeros((high_row - low_row, high - low + 1), np.uint8)
    # Counts wrap at 256, which is even.
    np.add.at(toggles, (rows - low_row, columns - low), 1)
    is_inside = (np.cumsum(toggles[:, :-1], axis=1, dtype=np.uint8) & 1).astype(bool)
    labels[low_row:high_row, low:high][is_inside] = value
