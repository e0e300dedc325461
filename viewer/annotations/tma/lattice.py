"""Rows and columns among points: turned, bent and with gaps, as the cores of an array lie."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float64]

_ROUNDS = 3
_NEAR = 1.25
"""Neighbors lie within this of the usual distance: not diagonally, nor over a gap."""
_LEAST_GAP = 0.5
"""Of the size of a core, between two rows or columns."""
_LEAST_OF_BEND = 12
"""Points by which a bend is told from jitter."""
_FIXED_POINT_ROUNDS = 4
_AROUND = 6
"""Neighbors by which a place is corrected."""


class Lattice(msgspec.Struct, frozen=True):
    """A turned grid.

    Attributes
    ----------
    rows_of, columns_of
        (n,) of each point, from 0 at the upper left; -1 of what lies in no place of its own.
    row_starts, column_starts
        Where rows and columns lie, in the turned system.
    """

    points: Points
    rows_of: NDArray[np.intp]
    columns_of: NDArray[np.intp]
    row_starts: Points
    column_starts: Points
    _turn: Points
    _row_bend: Points
    _column_bend: Points

    @property
    def is_placed(self) -> NDArray[np.bool_]:
        """Return (n,) which points have a place."""
        return (self.rows_of >= 0) & (self.columns_of >= 0)

    def place(self, row: float, column: float) -> tuple[float, float]:
        """Return where a place of the grid lies by the points around it; beyond it too."""
        y, x = start_of_line(self.row_starts, row), start_of_line(self.column_starts, column)
        at = self._unbent(x, y)
        placed = self.is_placed
        steps = np.hypot(self.rows_of[placed] - row, self.columns_of[placed] - column)
        near = np.argsort(steps, kind="stable")[:_AROUND]
        found = self.points[placed][near] @ self._turn.T
        model = np.array([
            self._unbent(start_of_line(self.column_starts, c), start_of_line(self.row_starts, r))
            for r, c in zip(self.rows_of[placed][near], self.columns_of[placed][near], strict=True)
        ])  # fmt: skip
        if len(near):
            weights = 1 / (1 + steps[near]) ** 2
            at = at + ((found - model) * weights[:, None]).sum(0) / weights.sum()
        x, y = at @ self._turn
        return float(x), float(y)

    def _unbent(self, column_start: float, row_start: float) -> Points:
        """Return the place in the turned system where a row and a column meet."""
        x, y = column_start, row_start
        for _ in range(_FIXED_POINT_ROUNDS):
            x = column_start + _bend(self._column_bend, y)
            y = row_start + _bend(self._row_bend, x)
        return np.array([x, y])


def fitted_lattice(points: Points, weights: NDArray[np.floating], size: float) -> Lattice | None:
    """Return the rows and columns of points; None of fewer than two.

    Parameters
    ----------
    points
        (n, 2) x and y.
    weights
        (n,) of two points at one place that with more has it.
    size
        Of a core, in the unit of the points: neither rows nor columns lie nearer.
    """
    if len(points) < 2:
        return None
    angle = _angle(points)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    x, y = (points @ turn.T).T
    rows_of, row_starts, row_bend = _lines(y, x, size)
    columns_of, column_starts, column_bend = _lines(x, y, size)
    best: dict[tuple[int, int], int] = {}
    for index in np.argsort(-weights, kind="stable").tolist():
        best.setdefault((int(rows_of[index]), int(columns_of[index])), index)
    is_kept = np.zeros(len(points), bool)
    is_kept[list(best.values())] = True
    return Lattice(
        points, np.where(is_kept, rows_of, -1), np.where(is_kept, columns_of, -1),
        row_starts, column_starts, turn, row_bend, column_bend,
    )  # fmt: skip


def _angle(points: Points) -> float:
    """Return by how much a grid is turned, radians within an eighth of a turn."""
    apart = points[:, None, :] - points[None, :, :]
    distances = np.hypot(*apart.transpose(2, 0, 1))
    np.fill_diagonal(distances, np.inf)
    usual = float(np.median(distances.min(1)))
    near = distances <= _NEAR * usual
    angles = np.arctan2(apart[..., 1][near], apart[..., 0][near])
    # Four times the angle makes all four directions of a grid one.
    mean = np.exp(4j * angles).mean()
    return float(np.angle(mean) / 4)


def _lines(across: Points, along: Points, size: float) -> tuple[NDArray[np.intp], Points, Points]:
    """Return the line of each point, where the lines begin, and how all of them bend."""
    bend = np.zeros(3)
    lines, starts = _gathered(across, size)
    for _ in range(_ROUNDS):
        if len(across) < _LEAST_OF_BEND:
            break
        bend = _fitted_bend(across, along, lines, len(starts))
        lines, starts = _gathered(across - _bends(bend, along), size)
    return lines, starts, bend


def _gathered(values: Points, size: float) -> tuple[NDArray[np.intp], Points]:
    order = np.argsort(values, kind="stable")
    steps = np.diff(values[order]) > _LEAST_GAP * size
    lines = np.empty(len(values), np.intp)
    lines[order] = np.concatenate([[0], np.cumsum(steps)])
    starts = np.array([np.median(values[lines == line]) for line in range(int(lines.max()) + 1)])
    return lines, starts


def _fitted_bend(across: Points, along: Points, lines: NDArray[np.intp], count: int) -> Points:
    """Return slope and curve that all lines share: 0, slope, curve."""
    middle = float(along.mean())
    reach = max(float(np.abs(along - middle).max()), 1.0)
    scaled = (along - middle) / reach
    shared = np.stack([scaled, scaled**2], 1)
    # Of each line only what differs from its own mean says how it bends.
    centered, target = shared.copy(), across.copy()
    for line in range(count):
        of_line = lines == line
        centered[of_line] -= shared[of_line].mean(0)
        target[of_line] -= across[of_line].mean()
    slope, curve = np.linalg.lstsq(centered, target, rcond=None)[0]
    a, b = slope / reach, curve / reach**2
    return np.array([b * middle**2 - a * middle, a - 2 * b * middle, b])


def _bends(bend: Points, along: Points) -> Points:
    return bend[0] + bend[1] * along + bend[2] * along**2


def _bend(bend: Points, along: float) -> float:
    return float(bend[0] + bend[1] * along + bend[2] * along**2)


def usual_gap(starts: Points) -> float:
    """Return the distance from one line to the next; 0 where there is one line alone."""
    return statistics.median(np.diff(starts).tolist()) if len(starts) > 1 else 0.0


def start_of_line(starts: Points, index: float) -> float:
    """Return where a line lies; beyond the first and last at the usual distance."""
    last = len(starts) - 1
    if index < 0:
        return float(starts[0]) + index * usual_gap(starts)
    if index > last:
        return float(starts[last]) + (index - last) * usual_gap(starts)
    return float(np.interp(index, np.arange(len(starts)), starts))
