"""Scores of tiles from tables: x, y and numbers, or the attention scores that CLAM writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from viewer.annotations.formats.packed_files import unpacked
from viewer.colors import class_colour
from viewer.geometry import Box
from viewer.overlays.blocks import BlockGrid
from viewer.overlays.files.result_file import ResultFile, ResultFileError, troubles_of
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import CELLS, PatchFeatures

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.geometry import Size

_MOST_CELLS = 64_000_000
_LEAST_SIDE_PX, _MOST_SIDE_PX = 1.0, 1e6
_PIECE_BYTES = 1 << 20
_X_NAMES = ("x", "x px", "x_px", "coord_x", "x_coord", "left")
_Y_NAMES = ("y", "y px", "y_px", "coord_y", "y_coord", "top")
_SIDE_NAMES = ("side px", "side_px", "size", "tile_size", "patch_size", "width")


def read_csv(path: Path) -> pa.Table:
    """Return a table in UTF-8 or UTF-16, packed or not, with decimal points or commas."""
    with unpacked(path, (".csv", ".tsv", ".txt")) as pieces:
        data = b"".join(iter(lambda: pieces[0](_PIECE_BYTES), b""))
    header = data.partition(b"\n")[0]
    mark = next((mark for mark in ";\t" if mark.encode() in header), ",")
    parse = pa_csv.ParseOptions(delimiter=mark)
    convert = pa_csv.ConvertOptions(decimal_point="," if mark == ";" and b"," in data else ".")
    return pa_csv.read_csv(pa.BufferReader(data), parse_options=parse, convert_options=convert)


def read_hdf(path: Path) -> pa.Table:
    """Return tiles with their scores as CLAM writes them, or tiles alone as TRIDENT does."""
    import h5py

    with h5py.File(path) as file:
        coords, scores = file.get("coords"), file.get("attention_scores")
        if not isinstance(coords, h5py.Dataset):
            raise ResultFileError(
                f"{path.name} holds no coords of tiles, as CLAM and TRIDENT write them."
            )
        if int(coords.size or 0) > _MOST_CELLS or coords.shape[-1:] != (2,):
            raise ResultFileError(f"{path.name} holds coords that are no pairs of x and y.")
        places = np.asarray(coords[:], np.float64).reshape(-1, 2)
        side = _side_of(coords)
        heads = np.ones((1, len(places)))
        if isinstance(scores, h5py.Dataset):
            if int(scores.size or 0) > _MOST_CELLS:
                raise ResultFileError(f"{path.name} holds more scores than can be shown.")
            heads = _heads(path, np.asarray(scores[...], np.float64), len(places))
    columns = {"x": places[:, 0], "y": places[:, 1]}
    if side is not None:
        columns["side px"] = np.full(len(places), side)
    name = "Attention" if isinstance(scores, h5py.Dataset) else "Tiles"
    names = [f"{name} {i + 1}" for i in range(len(heads))] if len(heads) > 1 else [name]
    return pa.table(columns | dict(zip(names, heads, strict=True)))


def _side_of(coords: Any) -> float | None:
    """Side of a tile in level-0 pixels, where the attributes of the coordinates tell it."""

    def attribute(name: str) -> float | None:
        try:
            value = float(np.ravel(coords.attrs[name])[0])
        except (KeyError, ValueError, TypeError, IndexError):
            return None
        return value if 0 < value < _MOST_SIDE_PX else None

    side = attribute("patch_size_level0")
    if side is None and (patch := attribute("patch_size")) is not None:
        downsample = attribute("downsample")
        side = patch * downsample if downsample is not None else None
    return side


def _heads(path: Path, scores: NDArray[np.float64], tiles: int) -> NDArray[np.float64]:
    """(heads, tiles) from either order of the two, with any axes of length 1."""
    heads = scores.reshape([length for length in scores.shape if length != 1] or [1])
    if tiles == 1:
        return heads.reshape(-1, 1)
    if heads.ndim == 1:
        heads = heads[None]
    if heads.ndim == 2 and heads.shape[1] == tiles:
        return heads
    if heads.ndim == 2 and heads.shape[0] == tiles:
        return heads.T
    shape = " x ".join(map(str, scores.shape))
    raise ResultFileError(f"{path.name} holds scores of {shape} for {tiles} tiles.")


def of_table(path: Path, table: pa.Table, slide: Size, mpp_um: float) -> ResultFile:
    columns = {name.strip().casefold(): name for name in table.column_names}
    x_name = next((columns[name] for name in _X_NAMES if name in columns), None)
    y_name = next((columns[name] for name in _Y_NAMES if name in columns), None)
    side_name = next((columns[name] for name in _SIDE_NAMES if name in columns), None)
    scores = [
        field.name
        for field in table.schema
        if (pa.types.is_floating(field.type) or pa.types.is_integer(field.type))
        and field.name not in (x_name, y_name, side_name)
    ]
    if x_name is None or y_name is None or not scores:
        raise ResultFileError(
            f"{path.name} needs columns x, y and at least one score; it has "
            f"{', '.join(table.column_names[:8])}."
        )
    x, y = _numbers(table, x_name), _numbers(table, y_name)
    values = np.stack([_numbers(table, name) for name in scores], 1).astype(np.float32)
    good = np.isfinite(x) & np.isfinite(y) & np.isfinite(values).all(1)
    beside = good & ~((x >= 0) & (y >= 0) & (x < slide.width) & (y < slide.height))
    troubles = troubles_of(
        path, [f"row {row + 1}" for row in np.flatnonzero(~good).tolist()], int(beside.sum())
    )
    good &= ~beside
    if not good.any():
        raise ResultFileError(f"{path.name} holds no tiles on this slide; it may be of another.")
    x, y, values = x[good], y[good], values[good]
    side = (
        float(np.median(_numbers(table, side_name)[good])) if side_name else _spacing(x, y, slide)
    )
    if not _LEAST_SIDE_PX <= side < _MOST_SIDE_PX:
        raise ResultFileError(f"{path.name} tells of tiles of {side:g} pixels, which are none.")
    found = _cells(x, y, values, side, slide, mpp_um, path)
    colours = [(name, class_colour(index)) for index, name in enumerate(scores)]
    return ResultFile(path, found, colours, troubles)


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    return table.column(name).cast(pa.float64(), safe=False).to_numpy().astype(np.float64)


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
    if found.rows * found.columns * values.shape[1] > _MOST_CELLS:
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
