"""Fields of one size that a map proposes, and what lies in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.geometry import Box
from viewer.slides.window_sums import window_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from training.evidence.protocol import Protocol

    Map = NDArray[np.floating]

FINE_UM = 8.0
"""Of the grid that fields lie on: their sides are whole numbers of it."""


def fields_of(values: Map, cell_um: float, count: int, protocol: Protocol) -> list[Box]:
    """Return the fields that hold most of a map, the best first; none overlaps another.

    All have one size, so that as many fields of two maps have the same area.

    Parameters
    ----------
    values
        (rows, columns) from 0 up, a cell of `cell_um` each.
    """
    fine = _fine(values, cell_um, protocol)
    width, height = (round(side / FINE_UM) for side in protocol.field_um)
    sums = window_sums(fine.astype(np.float64), height, width)
    taken = np.zeros(sums.shape, bool)
    found: list[Box] = []
    scale = FINE_UM / protocol.mpp_um
    for _ in range(count):
        best = np.where(taken, -np.inf, sums)
        row, column = (int(i) for i in np.unravel_index(best.argmax(), best.shape))
        found.append(
            Box(column * scale, row * scale, (column + width) * scale, (row + height) * scale)
        )
        taken[
            max(0, row - height + 1) : row + height, max(0, column - width + 1) : column + width
        ] = True
    return found


def share_inside(values: Map, cell_um: float, fields: Sequence[Box], protocol: Protocol) -> float:
    """Return how much of a map lies in fields; nan for a map that holds nothing."""
    fine = _fine(values, cell_um, protocol)
    total = float(fine.sum())
    inside = sum(float(_part(fine, each, protocol).sum()) for each in fields)
    return inside / total if total else float("nan")


def first_found(hidden: NDArray[np.bool_], fields: Sequence[Box], protocol: Protocol) -> int | None:
    """Return which field, from 1, is the first of which half is the hidden tissue.

    Parameters
    ----------
    hidden
        (rows, columns), a pixel for 16 level-0 pixels.
    """
    fine = _fine(hidden.astype(np.float32), 16 * protocol.mpp_um, protocol)
    for number, each in enumerate(fields, 1):
        if _part(fine, each, protocol).mean() >= 0.5:
            return number
    return None


def _fine(values: Map, cell_um: float, protocol: Protocol) -> Map:
    """Return a map on the fine grid, cut to the slide."""
    times = round(cell_um / FINE_UM)
    width, height = (round(side * protocol.mpp_um / FINE_UM) for side in protocol.size_px)
    return values.repeat(times, 0).repeat(times, 1)[:height, :width]


def _part(fine: Map, box: Box, protocol: Protocol) -> Map:
    x0, y0, x1, y1 = (
        round(side * protocol.mpp_um / FINE_UM) for side in (box.x0, box.y0, box.x1, box.y1)
    )
    return fine[max(y0, 0) : y1, max(x0, 0) : x1]
