"""Scores of tiles from tables: x, y and numbers, or the attention scores that CLAM writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.colors import class_color
from viewer.geometry import Box, Point
from viewer.overlays.blocks import BlockGrid
from viewer.overlays.files.result_file import ResultFile, ResultFileError, troubles_of
from viewer.overlays.files.score_columns import score_columns
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import CELLS, PatchFeatures
from viewer.overlays.tile_raster import Tiles, hexagonal_pitch
from viewer.overlays.tile_score_map import TileScoreMap

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.geometry import Size
    from viewer.overlays.files.foreign_table import ForeignTable
    from viewer.overlays.files.score_columns import ScoreColumns

MOST_CELLS = 64_000_000
_LEAST_SIDE_PX, MOST_SIDE_PX = 1.0, 1e6
_SPOT_OF_PITCH = 0.55
"""Spots of Visium are 55 µm wide and 100 µm apart."""


def of_table(
    path: Path,
    table: ForeignTable,
    slide: Size,
    mpp_um: float,
    shift_px: tuple[float, float] = (0.0, 0.0),
) -> ResultFile:
    """Return the tiles of a table where they lie.

    Parameters
    ----------
    shift_px
        Where at level 0 the corner lies from which the table counts.

    Raises
    ------
    ResultFileError
        It has no places or scores, or none on this slide.
    """
    columns = score_columns(table)
    if columns.x is None or columns.y is None or not columns.scores:
        raise ResultFileError(
            f"{path.name} needs columns x, y and at least one score; it has "
            f"{', '.join(map(repr, table.names[:8]))}."
        )
    with np.errstate(over="ignore"):
        values = np.stack([table.column(name) for name in columns.scores], 1).astype(np.float32)
    values[~np.isfinite(values)] = np.nan
    tiles, notes = _tiles(path, table, columns, slide)
    tiles = tiles.moved(*shift_px)
    sides = np.stack([tiles.width, tiles.height])
    has_side = np.all((sides >= _LEAST_SIDE_PX) & (sides < MOST_SIDE_PX), axis=0)
    good = np.isfinite(tiles.left) & np.isfinite(tiles.top) & ~np.isnan(values).all(1)
    if good.any() and not has_side[good].any():
        side = float(tiles.width[good][0])
        raise ResultFileError(f"{path.name} tells of tiles of {side:g} pixels, which are none.")
    good &= has_side
    beside = good & ~tiles.meets(slide)
    left_out = [f"row {row + 1}" for row in np.flatnonzero(~good).tolist()]
    notes += troubles_of(path, left_out, int(beside.sum()))
    good &= ~beside
    if not good.any():
        raise ResultFileError(f"{path.name} holds no tiles on this slide; it may be of another.")
    found = _found(path, tiles.taken(good), values[good], slide, mpp_um)
    colors = [(name, class_color(index)) for index, name in enumerate(columns.scores)]
    return ResultFile(path, found, colors, notes, is_score_sure=columns.is_sure)


def _tiles(
    path: Path, table: ForeignTable, columns: ScoreColumns, slide: Size
) -> tuple[Tiles, list[str]]:
    """Return a tile for each row, and what is to be said of them."""
    assert columns.x is not None
    assert columns.y is not None
    x, y = table.column(columns.x), table.column(columns.y)
    placed = np.isfinite(x) & np.isfinite(y)
    width = _extent(table, columns.width, columns.right, x)
    height = _extent(table, columns.height, columns.bottom, y)
    width, height = (height if width is None else width), (width if height is None else height)
    pitch = hexagonal_pitch(x[placed], y[placed])
    if pitch is not None:
        if width is None or height is None:
            width = height = np.full(len(x), pitch * _SPOT_OF_PITCH)
        note = (
            f"{path.name} holds spots in a hexagonal pattern: they are discs of "
            f"{float(np.median(width)):.4g} px round their x and y."
        )
        return Tiles(x - width / 2, y - height / 2, width, height, are_discs=True), [note]
    if width is None or height is None:
        width = height = np.full(len(x), row_spacing(x[placed], y[placed], slide))
    return Tiles(x, y, width, height), []


def _extent(
    table: ForeignTable, name: str | None, end: str | None, start: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    if name is not None:
        return table.column(name)
    return None if end is None else table.column(end) - start


def row_spacing(x: NDArray[np.float64], y: NDArray[np.float64], slide: Size) -> float:
    """Return the commonest step from one tile of a row to the next."""
    order = np.lexsort((x, y))
    steps = np.diff(x[order])[np.diff(y[order]) == 0]
    steps = steps[steps > 0]
    if not len(steps):
        return max(slide.width, slide.height) / 100
    sizes, counts = np.unique(steps, return_counts=True)
    return float(sizes[counts.argmax()])


def _found(
    path: Path, tiles: Tiles, values: NDArray[np.float32], slide: Size, mpp_um: float
) -> PatchFeatureMap:
    origin = tiles.lattice_origin()
    if origin is not None:
        return _on_lattice(path, tiles, values, Point(*origin), slide, mpp_um)
    return TileScoreMap(slide, mpp_um, tiles, values)


def _on_lattice(
    path: Path,
    tiles: Tiles,
    values: NDArray[np.float32],
    origin: Point,
    slide: Size,
    mpp_um: float,
) -> PatchFeatureMap:
    """Return each tile as the cell that it is; several of one place give their mean."""
    # The grid counts in whole pixels; the downsample takes up what a side has beside them.
    side = tiles.side
    per_cell = max(1, round(side))
    grid = BlockGrid(slide, side / per_cell, CELLS * per_cell, 0, origin)
    found = PatchFeatureMap(grid, mpp_um)
    if found.rows * found.columns * values.shape[1] > MOST_CELLS:
        raise ResultFileError(f"{path.name} tells of tiles too small for this slide: {side:g} px.")
    rows = np.clip((tiles.top - origin.y + side / 2) // side, 0, found.rows - 1).astype(int)
    columns = np.clip((tiles.left - origin.x + side / 2) // side, 0, found.columns - 1).astype(int)
    known = ~np.isnan(values)
    shape = (found.rows, found.columns, values.shape[1])
    sums, counts = np.zeros(shape), np.zeros(shape, np.float32)
    np.add.at(sums, (rows, columns), np.where(known, values, 0))
    np.add.at(counts, (rows, columns), known)
    with np.errstate(invalid="ignore"):
        means = (sums / counts).astype(np.float32)
    for key in grid.covering(Box(0, 0, slide.width, slide.height)):
        part = means[
            key.row * CELLS : (key.row + 1) * CELLS, key.column * CELLS : (key.column + 1) * CELLS
        ]
        if not np.isnan(part).all():
            found.add(key, PatchFeatures(part))
    return found
