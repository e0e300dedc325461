"""Results made elsewhere, read for the slide that is open: outlines, or scores of tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import shapely

from viewer.geometry import Box
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.objects import Objects
from viewer.overlays.vector_map import VectorMap
from viewer.overlays.vectors import CELLS, Vectors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.geometry import Size

RESULT_SUFFIXES = (".geojson", ".json", ".csv", ".h5", ".hdf5", ".parquet", ".geoparquet")
_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
_BLOCK_PX = 2048
_MOST_CELLS = 64_000_000
_X_NAMES = ("x", "x px", "x_px", "coord_x", "x_coord", "left")
_Y_NAMES = ("y", "y px", "y_px", "coord_y", "y_coord", "top")
_SIDE_NAMES = ("side px", "side_px", "size", "tile_size", "patch_size", "width")


class ResultFileError(Exception):
    """A file without results for this slide; `str()` is one sentence."""


@dataclass(frozen=True, slots=True)
class ResultFile:
    """What a file told.

    Attributes
    ----------
    found
        Outlines, or vectors of scores.
    colours
        Name and colour of each class or score.
    troubles
        What is missing, a sentence each.
    """

    path: Path
    found: ObjectMap | VectorMap
    colours: list[tuple[str, str]]
    troubles: list[str]

    @property
    def key(self) -> str:
        return f"file {self.path}"

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def about(self) -> str:
        return "Read from a file, for this slide alone."

    @property
    def place(self) -> Path:
        return self.path

    @property
    def task(self) -> Literal["instances", "scores"]:
        return "instances" if isinstance(self.found, ObjectMap) else "scores"


def read_result_file(path: Path, slide: Size, mpp_um: float) -> ResultFile:
    """Reads GeoJSON, GeoParquet, a CSV of x, y and scores, or CLAM's attention scores (.h5).

    Parameters
    ----------
    slide, mpp_um
        Size in level-0 pixels, and micrometres per level-0 pixel.

    Raises
    ------
    ResultFileError
        One sentence says what is wrong and what to do.
    """
    try:
        match path.suffix.lower():
            case ".csv":
                return _of_table(path, _read_csv(path), slide, mpp_um)
            case ".h5" | ".hdf5":
                return _of_table(path, _read_hdf(path), slide, mpp_um)
            case ".parquet" | ".geoparquet":
                table = pq.read_table(path)
                if "geometry" not in table.column_names:
                    return _of_table(path, table, slide, mpp_um)
                return _of_outlines(path, _parquet_outlines(table), slide, mpp_um)
            case _:
                return _of_outlines(path, _geojson_outlines(path), slide, mpp_um)
    except (OSError, pa.ArrowException, msgspec.MsgspecError) as error:
        raise ResultFileError(f"{path.name} cannot be read: {error}.") from error


# Outlines ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Outlines:
    """Polygons with the name of a class, its colour if told, and measurements."""

    polygons: list[Any]
    names: list[str]
    colours: dict[str, str]
    measurements: list[dict[str, float]]
    left_out: list[str]


class _Class(msgspec.Struct):
    name: str | None = None
    names: list[str] | None = None
    color: list[int] | None = None
    packed: int | None = msgspec.field(default=None, name="colorRGB")


class _Properties(msgspec.Struct):
    classification: _Class | None = None
    measurements: dict[str, float | None] | list[dict[str, Any]] | None = None


class _Feature(msgspec.Struct):
    geometry: dict[str, Any] | None = None
    properties: _Properties | None = None


class _Collection(msgspec.Struct):
    features: list[msgspec.Raw]


def _geojson_outlines(path: Path) -> _Outlines:
    data = path.read_bytes()
    raw = (
        msgspec.json.decode(data, type=list[msgspec.Raw])
        if data.lstrip()[:1] == b"["
        else msgspec.json.decode(data, type=_Collection).features
    )
    found = _Outlines([], [], {}, [], [])
    decoder = msgspec.json.Decoder(_Feature)
    for number, each in enumerate(raw, 1):
        try:
            _take_feature(found, decoder.decode(each))
        except (msgspec.MsgspecError, ValueError, TypeError, shapely.errors.ShapelyError) as error:
            found.left_out.append(f"number {number} ({error})")
    return found


def _take_feature(found: _Outlines, feature: _Feature) -> None:
    if feature.geometry is None:
        raise ValueError("no geometry")
    kind = feature.geometry.get("type")
    rings = feature.geometry.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon") or not rings:
        raise ValueError(f"{kind} is no outline")
    about = feature.properties or _Properties()
    told = about.classification or _Class()
    name = told.name or ": ".join(told.names or []) or "No class"
    if told.color is not None and len(told.color) == 3:
        found.colours[name] = "#{:02x}{:02x}{:02x}".format(*(c & 255 for c in told.color))
    elif told.packed is not None:
        found.colours[name] = f"#{told.packed & 0xFFFFFF:06x}"
    measured = about.measurements or {}
    if isinstance(measured, list):  # QuPath before 0.4
        measured = {str(each["name"]): each["value"] for each in measured}
    values = {n: float(v) for n, v in measured.items() if isinstance(v, int | float)}
    for part in rings if kind == "MultiPolygon" else [rings]:
        found.polygons.append(shapely.Polygon(part[0]))
        found.names.append(name)
        found.measurements.append(values)


def _parquet_outlines(table: pa.Table) -> _Outlines:
    polygons = shapely.from_wkb(table.column("geometry").to_pylist(), on_invalid="ignore")
    is_outline = shapely.get_type_id(polygons) == shapely.GeometryType.POLYGON
    names = table.column("class").to_pylist() if "class" in table.column_names else []
    numbers = [
        field.name
        for field in table.schema
        if pa.types.is_floating(field.type) and field.name not in ("x_px", "y_px")
    ]
    columns = {name: table.column(name).to_pylist() for name in numbers}
    rows = np.flatnonzero(is_outline).tolist()
    return _Outlines(
        [polygons[row] for row in rows],
        [str(names[row]) if names else "No class" for row in rows],
        {},
        [{n: c[row] for n, c in columns.items() if c[row] is not None} for row in rows],
        [f"number {row + 1} (no outline)" for row in np.flatnonzero(~is_outline).tolist()],
    )


def _of_outlines(path: Path, told: _Outlines, slide: Size, mpp_um: float) -> ResultFile:
    if not told.polygons:
        why = f": {told.left_out[0]}" if told.left_out else ""
        raise ResultFileError(f"{path.name} holds no outlines{why}.")
    names = list(dict.fromkeys(told.names))
    if len(names) > np.iinfo(np.uint8).max:
        raise ResultFileError(f"{path.name} holds more than 255 classes.")
    objects = _objects(told, names)
    x, y = objects.centroids[:, 0], objects.centroids[:, 1]
    inside = (x >= 0) & (y >= 0) & (x < slide.width) & (y < slide.height)
    if not inside.any():
        raise ResultFileError(
            f"{path.name} holds outlines beside this slide; it may be of another."
        )
    troubles = _troubles(path, told.left_out, int((~inside).sum()))
    found = _in_blocks(objects.taken(inside), BlockGrid(slide, 1.0, _BLOCK_PX, 64), mpp_um)
    colours = [
        (name, told.colours.get(name, _COLOURS[index % len(_COLOURS)]))
        for index, name in enumerate(names)
    ]
    return ResultFile(path, found, colours, troubles)


def _troubles(path: Path, left_out: Sequence[str], beside: int) -> list[str]:
    troubles: list[str] = []
    if left_out:
        shown = ", ".join(left_out[:3]) + (", ..." if len(left_out) > 3 else "")
        troubles.append(f"{len(left_out)} of {path.name} are left out: {shown}.")
    if beside:
        troubles.append(f"{beside} of {path.name} lie beside the slide and are left out.")
    return troubles


def _objects(told: _Outlines, names: Sequence[str]) -> Objects:
    polygons = np.array(told.polygons, dtype=object)
    rings = shapely.get_exterior_ring(polygons)
    points, owners = shapely.get_coordinates(rings, return_index=True)
    # Rings repeat their first corner at the end.
    is_last = np.append(owners[1:] != owners[:-1], True)
    counts = np.bincount(owners[~is_last], minlength=len(polygons))
    middles = shapely.get_coordinates(shapely.centroid(polygons))
    measured = list(dict.fromkeys(name for each in told.measurements for name in each))
    return Objects(
        points[~is_last].astype(np.float32),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        middles.astype(np.float32),
        np.array([names.index(name) for name in told.names], np.uint8),
        {
            name: np.array([each.get(name, np.nan) for each in told.measurements], np.float32)
            for name in measured
        },
    )


def _in_blocks(objects: Objects, grid: BlockGrid, mpp_um: float) -> ObjectMap:
    found = ObjectMap(grid, mpp_um)
    places = (objects.centroids // grid.side).astype(int)
    keys = places[:, 1] * grid.columns + places[:, 0]
    for key in np.unique(keys).tolist():
        block = BlockKey(key % grid.columns, key // grid.columns)
        found.put(block, objects.taken(keys == key))
    return found


# Scores of tiles -----------------------------------------------------------------------------


def _read_csv(path: Path) -> pa.Table:
    return pa_csv.read_csv(path)


def _read_hdf(path: Path) -> pa.Table:
    import h5py

    with h5py.File(path) as file:
        coords, scores = file.get("coords"), file.get("attention_scores")
        if not isinstance(coords, h5py.Dataset) or not isinstance(scores, h5py.Dataset):
            raise ResultFileError(
                f"{path.name} holds no coords and attention_scores, as CLAM writes them."
            )
        places = np.asarray(coords[:])
        values = np.asarray(scores[:], np.float64).reshape(len(places), -1)
    columns = {"x": places[:, 0], "y": places[:, 1]}
    heads = values.T
    names = [f"Attention {i + 1}" for i in range(len(heads))] if len(heads) > 1 else ["Attention"]
    return pa.table(columns | dict(zip(names, heads, strict=True)))


def _of_table(path: Path, table: pa.Table, slide: Size, mpp_um: float) -> ResultFile:
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
    troubles = _troubles(
        path, [f"row {row + 1}" for row in np.flatnonzero(~good).tolist()], int(beside.sum())
    )
    good &= ~beside
    if not good.any():
        raise ResultFileError(f"{path.name} holds no tiles on this slide; it may be of another.")
    x, y, values = x[good], y[good], values[good]
    side = (
        float(np.median(_numbers(table, side_name)[good])) if side_name else _spacing(x, y, slide)
    )
    found = _cells(x, y, values, side, slide, mpp_um, path)
    colours = [(name, _COLOURS[index % len(_COLOURS)]) for index, name in enumerate(scores)]
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
) -> VectorMap:
    """Each tile in the cell of its middle; several in one cell give their mean."""
    # The grid counts in whole pixels; the downsample takes up what a side has beside them.
    per_cell = max(1, round(side))
    grid = BlockGrid(slide, side / per_cell, CELLS * per_cell, 0)
    found = VectorMap(grid, mpp_um)
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
            found.add(key, Vectors(np.clip(part, -65_000, 65_000).astype(np.float16)))
    return found


def _whole(slide: Size) -> Box:
    return Box(0, 0, slide.width, slide.height)
