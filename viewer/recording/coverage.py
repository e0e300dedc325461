"""How much of the tissue was seen, at which magnification; live or of a whole session."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.geometry import View
    from viewer.recording.trace import FloatArray, Trace
    from viewer.slides.tissue import TissueMask

LEAST_SEEN_S = 0.25
"""A field that was on screen for less was passed, not seen: about one fixation of an eye."""


class CoverageMap:
    """The highest magnification at which each cell of tissue was seen.

    Not thread-safe: one owner adds and asks.
    """

    def __init__(self, tissue: TissueMask) -> None:
        self.tissue = tissue
        self._best: NDArray[np.float32] = np.zeros(tissue.cells.shape, np.float32)

    def add(self, view: View, magnification: float) -> bool:
        """Take a view that was seen; return whether that made any difference."""
        rows, columns, is_inside = self._cells_in(view)
        part = self._best[rows, columns]
        is_better = is_inside & (part < magnification)
        if not is_better.any():
            return False
        part[is_better] = magnification
        return True

    def take(self, other: CoverageMap) -> None:
        """Count what `other` saw of the same slide as seen too."""
        np.maximum(self._best, other._best, out=self._best)

    @property
    def nbytes(self) -> int:
        """Return how much memory the map takes, in bytes."""
        return self._best.nbytes + self.tissue.cells.nbytes

    def share(self, at_least: float) -> float:
        """Return the share of the tissue, 0 to 1, seen at this magnification or a higher one."""
        total = int(self.tissue.cells.sum())
        return int((self.tissue.cells & (self._best >= at_least)).sum()) / total if total else 0.0

    def unseen(self, at_least: float) -> NDArray[np.bool_]:
        """Return (rows, columns) tissue that was not seen at this magnification or a higher one."""
        return self.tissue.cells & (self._best < at_least)

    def unseen_outline(self, at_least: float) -> shapely.MultiPolygon:
        """Return the outline of `unseen` in level-0 pixels."""
        return outline_of(self.unseen(at_least), self.tissue.cell_px)

    def _cells_in(self, view: View) -> tuple[slice, slice, NDArray[np.bool_]]:
        """The block of cells round a field, and which of its middles lie within the field."""
        width, height = self.tissue.cell_px
        row_count, column_count = self.tissue.cells.shape
        box = view.box
        columns = _cells_between(box.x0 / width, box.x1 / width, column_count)
        rows = _cells_between(box.y0 / height, box.y1 / height, row_count)
        inside = np.ones((rows.stop - rows.start, columns.stop - columns.start), bool)
        if view.rotation_deg % 90:
            x: FloatArray = _middles(columns) * width - view.center.x
            y: FloatArray = _middles(rows)[:, None] * height - view.center.y
            turn = math.radians(view.rotation_deg)
            across = x * math.cos(turn) - y * math.sin(turn)
            down = x * math.sin(turn) + y * math.cos(turn)
            inside = (np.abs(across) <= view.size.width * view.downsample / 2) & (
                np.abs(down) <= view.size.height * view.downsample / 2
            )
        return rows, columns, inside


def coverage_of(trace: Trace, tissue: TissueMask) -> CoverageMap:
    """Return the coverage of a session: what was on screen for at least `LEAST_SEEN_S`.

    Views whose magnification is not known count as none.
    """
    coverage = CoverageMap(tissue)
    is_seen = (trace.looked_s() >= LEAST_SEEN_S) & ~np.isnan(trace.magnification)
    for index in np.nonzero(is_seen)[0].tolist():
        coverage.add(trace.field(index), float(trace.magnification[index]))
    return coverage


def outline_of(cells: NDArray[np.bool_], cell_px: tuple[float, float]) -> shapely.MultiPolygon:
    """Return the outline of a grid's true cells, in level-0 pixels."""
    padded = np.zeros((cells.shape[0], cells.shape[1] + 2), np.int8)
    padded[:, 1:-1] = cells
    edges = padded[:, 1:] - padded[:, :-1]
    row, begin = np.nonzero(edges == 1)
    end = np.nonzero(edges == -1)[1]
    width, height = cell_px
    runs = shapely.box(begin * width, row * height, end * width, (row + 1) * height)
    union = shapely.union_all(runs)
    if isinstance(union, shapely.MultiPolygon):
        return union
    return shapely.MultiPolygon(
        [union] if isinstance(union, shapely.Polygon) and union.area else []
    )


def _middles(cells: slice) -> FloatArray:
    return np.arange(cells.start, cells.stop, dtype=np.float64) + 0.5


def _cells_between(low: float, high: float, count: int) -> slice:
    """Cells whose middles lie between two positions, in cells."""
    first = min(max(math.ceil(low - 0.5), 0), count)
    stop = min(max(math.floor(high - 0.5) + 1, first), count)
    return slice(first, stop)
