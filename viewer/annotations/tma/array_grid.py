"""The rows and columns of an array that are kept of a lattice of found cores."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from viewer.annotations.tma.lattice import start_of_line, usual_gap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.annotations.tma.labels import LabelScheme
    from viewer.annotations.tma.lattice import Lattice

Line = Literal["row", "column"]
MOST_CORES = 5_000
_ROOM = 1.6
"""Times the usual distance, between two rows that have room for one between them."""
_IN_STEP = 0.15
_STRAY_LINE = 4
"""Rows or columns from which on one with a single core is no part of the grid."""
_LINES: tuple[Line, ...] = ("row", "column")


class ArrayGrid(msgspec.Struct):
    """The rows and columns that are kept of a lattice, as places in it."""

    lattice: Lattice
    rows: list[float]
    columns: list[float]

    @classmethod
    def of(cls, lattice: Lattice) -> ArrayGrid:
        rows, columns = len(lattice.row_starts), len(lattice.column_starts)
        return cls(lattice, [*map(float, range(rows))], [*map(float, range(columns))])

    def found_at(self, row: float, column: float) -> tuple[float, float] | None:
        lattice = self.lattice
        is_there = (lattice.rows_of == row) & (lattice.columns_of == column)
        if not is_there.any():
            return None
        x, y = lattice.points[int(is_there.argmax())]
        return float(x), float(y)

    def drop_strays(self) -> list[str]:
        """Leave out rows and columns of one core alone, between or beside the others."""
        notes: list[str] = []
        for what in _LINES:
            lines, others = self._lines(what), self._lines("column" if what == "row" else "row")
            if len(lines) <= _STRAY_LINE or len(others) < _STRAY_LINE:
                continue
            strays = [
                line
                for line in lines
                if self._count(what, line) <= 1 and not self._is_in_step(what, line)
            ]
            if strays and len(strays) < len(lines) / 2:
                lines[:] = [line for line in lines if line not in strays]
                which = f"a {what} of one core" if len(strays) == 1 else f"{what}s of one core"
                notes.append(f"{len(strays)} of the pieces off the grid ({which}): left out.")
        return notes

    def fit(self, what: Line, wanted: int) -> list[str]:
        """Make rows or columns as many as are wanted: into gaps first, else at the end."""
        lines = self._lines(what)
        found = len(lines)
        while len(lines) > wanted:
            lines.remove(min(lines, key=lambda line: self._count(what, line)))
        while len(lines) < wanted:
            gaps = self._gaps(what)
            widest = int(np.argmax(gaps)) if gaps else 0
            if gaps and gaps[widest] >= _ROOM:
                parts = round(gaps[widest])
                step = (lines[widest + 1] - lines[widest]) / parts
                lines.insert(widest + 1, lines[widest] + step)
            else:
                lines.append(lines[-1] + 1)
        if found == wanted:
            return []
        if found > wanted:
            return [f"{found} {what}s were found, {wanted} are kept: those with most cores."]
        return [f"{found} {what}s were found of {wanted}: the others are empty."]

    def room(self, labels: LabelScheme) -> list[str]:
        """Say where a row or column without any core may lie; none is made up."""
        notes: list[str] = []
        for what in _LINES:
            for number, gap in enumerate(self._gaps(what)):
                if gap >= _ROOM:
                    before, after = (labels.of(what, n) for n in (number, number + 1))
                    notes.append(
                        f"Between {what}s {before} and {after} there is room for another: give "
                        f"the number of {what}s if one without a core belongs there."
                    )
        return notes

    def _gaps(self, what: Line) -> list[float]:
        """Return the distances between lines that follow each other, in that of most."""
        lines, starts = self._lines(what), self._starts(what)
        usual = usual_gap(starts)
        return [
            (start_of_line(starts, after) - start_of_line(starts, before)) / usual if usual else 0.0
            for before, after in itertools.pairwise(lines)
        ]

    def _is_in_step(self, what: Line, line: float) -> bool:
        """Return whether a line lies as far from its neighbor as lines do."""
        starts = self._starts(what)
        others = [start_of_line(starts, other) for other in self._lines(what) if other != line]
        nearest = min(abs(other - start_of_line(starts, line)) for other in others)
        return abs(nearest / usual_gap(starts) - 1) <= _IN_STEP

    def _starts(self, what: Line) -> NDArray[np.float64]:
        return self.lattice.row_starts if what == "row" else self.lattice.column_starts

    def _lines(self, what: Line) -> list[float]:
        return self.rows if what == "row" else self.columns

    def _count(self, what: Line, line: float) -> int:
        lattice = self.lattice
        of = lattice.rows_of if what == "row" else lattice.columns_of
        return int(((of == line) & lattice.is_placed).sum())
