"""Vectors that an encoder made of tiles elsewhere: for likeness, few-shot classes, slide models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.geometry import Box, Point
from viewer.overlays.blocks import BlockGrid
from viewer.overlays.files.result_file import (
    FileVectors,
    ResultFile,
    ResultFileError,
    troubles_of,
)
from viewer.overlays.files.tile_scores import MOST_SIDE_PX, row_spacing
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import CELLS, PatchFeatures
from viewer.overlays.tile_raster import Tiles
from viewer.plurals import plural

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.geometry import Size
    from viewer.overlays.files.foreign_table import ForeignTable

_MOST_NUMBERS = 400_000_000
"""Of the map of a slide, in 16 bits each."""
_SAME_STEP = 0.999
_NOTED_PX = 2.0
_ROUNDING_PX = 1.0


def of_features(
    path: Path,
    table: ForeignTable,
    slide: Size,
    mpp_um: float,
    shift_px: tuple[float, float] = (0.0, 0.0),
) -> ResultFile:
    """Return the vectors of a table, each in the cell of the tile that it was made of.

    Tiles that overlap have cells as wide as their step; tiles of several lattices go to the
    nearest cell of one, and how far that is off is said.

    Raises
    ------
    ResultFileError
        None of the tiles lies on this slide, or they are too small for it.
    """
    x, y = table.column("x") + shift_px[0], table.column("y") + shift_px[1]
    vectors = np.frombuffer(table.vectors, np.float16).reshape(-1, table.vector_length)
    placed = np.isfinite(x) & np.isfinite(y)
    spacing = row_spacing(x[placed], y[placed], slide)
    side = float(table.column("side px")[0]) if "side px" in table.numbers else spacing
    if not 1.0 <= side < MOST_SIDE_PX:
        raise ResultFileError(f"{path.name} tells of tiles of {side:g} pixels, which are none.")
    good = placed & ~np.isnan(vectors).any(1)
    sides = np.full(len(x), side)
    beside = good & ~Tiles(x, y, sides, sides).meets(slide)
    left_out = [f"row {row + 1}" for row in np.flatnonzero(~good).tolist()]
    notes = troubles_of(path, left_out, int(beside.sum()))
    good &= ~beside
    if not good.any():
        raise ResultFileError(f"{path.name} holds no tiles on this slide; it may be of another.")
    step = spacing if spacing < side * _SAME_STEP else side
    step = _mean_step(step, x[good], y[good])
    middles = np.stack([y[good], x[good]], 1) + side / 2
    found = _found(path, middles, vectors[good], step, slide, mpp_um, notes)
    about = FileVectors(table.vector_length, side * mpp_um, table.encoder)
    return ResultFile(path, found, [], notes, vectors=about)


def _found(
    path: Path, middles: NDArray[np.float64], vectors: NDArray[np.float16], step: float,
    slide: Size, mpp_um: float, notes: list[str],
) -> PatchFeatureMap:  # fmt: skip
    """Return the map of vectors (n, d) whose tiles have their middles (n, 2) at y, x."""
    starts = middles - step / 2
    lowest: NDArray[np.float64] = starts.min(0)
    origin = np.array([_commonest_start(axis, step) for axis in starts.T])
    origin += np.round((lowest - origin) / step) * step
    cells = np.round((starts - origin) / step).astype(int)
    off = np.abs(starts - origin - cells * step).max(1)
    order = np.argsort(off, kind="stable")
    _, first = np.unique(cells[order], axis=0, return_index=True)
    kept = order[first]
    if dropped := len(cells) - len(kept):
        tiles = plural(dropped, f"tile of {path.name} shares", f"tiles of {path.name} share")
        notes.append(f"{tiles} the place of another.")
    if (worst := float(off[kept].max())) > _NOTED_PX:
        notes.append(
            f"The tiles of {path.name} lie on several lattices: their places are up to "
            f"{worst:.0f} px off."
        )
    per_cell = max(1, round(step))
    grid = BlockGrid(slide, step / per_cell, CELLS * per_cell, 0, Point(origin[1], origin[0]))
    found = PatchFeatureMap(grid, mpp_um)
    if found.rows * found.columns * vectors.shape[1] > _MOST_NUMBERS:
        raise ResultFileError(f"{path.name} tells of tiles too small for this slide: {step:g} px.")
    rows, columns = cells[kept].T
    inside = (rows < found.rows) & (columns < found.columns)
    _fill(found, slide, rows[inside], columns[inside], vectors[kept[inside]])
    return found


def _fill(
    found: PatchFeatureMap, slide: Size, rows: NDArray[np.intp], columns: NDArray[np.intp],
    vectors: NDArray[np.float16],
) -> None:  # fmt: skip
    blocks = rows // CELLS * (found.columns // CELLS) + columns // CELLS
    order = np.argsort(blocks, kind="stable")
    held = dict(
        zip(*_groups(blocks[order], order), strict=True),
    )
    for key in found.grid.covering(Box(0, 0, slide.width, slide.height)):
        which = held.get(key.row * (found.columns // CELLS) + key.column)
        if which is not None:
            part = np.full((CELLS, CELLS, vectors.shape[1]), np.nan, np.float16)
            part[rows[which] % CELLS, columns[which] % CELLS] = vectors[which]
            found.add(key, PatchFeatures(part))


def _groups(
    blocks: NDArray[np.intp], order: NDArray[np.intp]
) -> tuple[list[int], list[NDArray[np.intp]]]:
    """Return the numbers of the blocks, and which vectors lie in each."""
    numbers, starts = np.unique(blocks, return_index=True)
    return numbers.tolist(), np.split(order, starts[1:])


def _mean_step(step: float, *axes: NDArray[np.float64]) -> float:
    """Return a step in fractions of a pixel: places are rounded to whole ones, one by one."""
    length = count = 0.0
    for places in axes:
        apart = np.diff(np.unique(places))
        steps = np.round(apart / step)
        is_whole = (steps >= 1) & (np.abs(apart - steps * step) <= _ROUNDING_PX * steps)
        length, count = length + apart[is_whole].sum(), count + steps[is_whole].sum()
    return float(length / count) if count else step


def _commonest_start(places: NDArray[np.float64], step: float) -> float:
    """Return where a lattice of a step begins on which most places lie."""
    starts, counts = np.unique(np.round(places % step), return_counts=True)
    return float(starts[counts.argmax()])
