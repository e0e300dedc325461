"""Scores of tiles from tables: x, y and numbers, or the attention scores that CLAM writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.colors import class_color
from viewer.geometry import Box
from viewer.overlays.blocks import BlockGrid
from viewer.overlays.files.result_file import ResultFile, ResultFileError, troubles_of
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import CELLS, PatchFeatures

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.geometry import Size
    from viewer.overlays.files.foreign_table import ForeignTable

MOST_CELLS = 64_000_000
_LEAST_SIDE_PX, MOST_SIDE_PX = 1.0, 1e6
_X_NAMES = ("x", "x px", "x_px", "coord_x", "x_coord", "left")
_Y_NAMES = ("y", "y px", "y_px", "coord_y", "y_coord", "top")
_SIDE_NAMES = ("side px", "side_px", "size", "tile_size", "patch_size", "width")


def of_table(path: Path, table: ForeignTable, slide: Size, mpp_um: float) -> ResultFile:
    columns = {name.strip().casefold(): name for name in table.numbers}
    x_name = next((columns[name] for name in _X_NAMES if name in columns), None)
    y_name = next((columns[name] for name in _Y_NAMES if name in columns), None)
    side_name = next((columns[name] for name in _SIDE_NAMES if name in columns), None)
    scores = [name for name in table.numbers if name not in (x_name, y_name, side_name)]
    if x_name is None or y_name is None or not scores:
        raise ResultFileError(
            f"{path.name} needs columns x, y and at least one score; it has "
            f"{', '.join(table.names[:8])}."
        )
    x, y = table.column(x_name), table.column(y_name)
    values = np.stack([table.column(name) for name in scores], 1).astype(np.float32)
    good = np.isfinite(x) & np.isfinite(y) & np.isfinite(values).all(1)
    beside = good & ~((x >= 0) & (y >= 0) & (x < slide.width) & (y < slide.height))
    troubles = troubles_of(
        path, [f"row {row + 1}" for row in np.flatnonzero(~good).tolist()], int(beside.sum())
    )
    good &= ~beside
    if not good.any():
        raise ResultFileError(f"{path.name} holds no tiles on this slide; it may be of another.")
    x, y, values = x[good], y[good], values[good]
    side = float(np.median(table.column(side_name)[good])) if side_name else _spacing(x, y, slide)
    if not _LEAST_SIDE_PX <= side < MOST_SIDE_PX:
        raise ResultFileError(f"{path.name} tells of tiles of {side:g} pixels, which are none.")
    found = _cells(x, y, values, side, slide, mpp_um, path)
    colors = [(name, class_color(index)) for index, name in enumerate(scores)]
    return ResultFile(path, found, colors, troubles)


def _spacing(x: NDArray[np.float64], y: NDArray[np.float64], slide: Size) -> float:
    """The commonest step from one tile of a row to the next."""
    order = np.lexsort((x, y))
    steps = np.diff(x[order])[np.diff(y[order]) == 0]
    steps = steps[steps > 0]
    if not len(steps):
        return max(slide.width, slide.height) / 100
    sizes, counts = np.unique(steps, return_counts=True)
    return float(sizes[counts.argmax()])


def _cells(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    values: NDArray[np.float32],
    side: float,
    slide: Size,
    mpp_um: float,
    path: Path,
) -> PatchFeatureMap:
    """Each tile in the cell of its middle; several in one cell give their mean."""
    # The grid counts in whole pixels; the downsample takes up what a side has beside them.
    per_cell = max(1, round(side))
    grid = BlockGrid(slide, side / per_cell, CELLS * per_cell, 0)
    found = PatchFeatureMap(grid, mpp_um)
    if found.rows * found.columns * values.shape[1] > MOST_CELLS:
        raise ResultFileError(f"{path.name} tells of tiles too small for this slide: {side:g} px.")
    rows = np.clip((y + side / 2) // side, 0, found.rows - 1).astype(int)
    columns = np.clip((x + side / 2) // side, 0, found.columns - 1).astype(int)
    sums = np.zeros((found.rows, found.columns, values.shape[1]), np.float32)
    counts = np.zeros((found.rows, found.columns), np.float32)
    np.add.at(sums, (rows, columns), values)
    np.add.at(counts, (rows, columns), 1)
    with np.errstate(invalid="ignore"):
        means = sums / counts[..., None]
    for key in grid.covering(_whole(slide)):
        part = means[
            key.row * CELLS : (key.row + 1) * CELLS, key.column * CELLS : (key.column + 1) * CELLS
        ]
        if not np.isnan(part).all():
            found.add(key, PatchFeatures(np.clip(part, -65_000, 65_000).astype(np.float16)))
    return found


def _whole(slide: Size) -> Box:
    return Box(0, 0, slide.width, slide.height)
