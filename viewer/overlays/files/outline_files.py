"""Outlines from files: GeoJSON of QuPath's dialect, GeoParquet."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import shapely

from viewer.annotations.annotation import NO_CLASS
from viewer.annotations.formats.dicom.files import read_dicom
from viewer.annotations.formats.problems import Problem, Problems
from viewer.annotations.formats.qupath import read_qupath
from viewer.annotations.shape_numbers import outer_rings, type_ids
from viewer.colors import class_color
from viewer.limits import CLASSES
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.files.result_file import ResultFile, ResultFileError, troubles_of
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.geometry import Size
    from viewer.overlays.files.foreign_table import ForeignTable

_BLOCK_PX = 2048
MOST_CLASSES = 255
"""That objects can have."""


class Outlines(msgspec.Struct):
    """Polygons with the name of a class, its color if given, and measurements."""

    polygons: list[object]
    names: list[str]
    colors: dict[str, str]
    measurements: list[dict[str, float]]
    left_out: list[str]


def geojson_outlines(path: Path) -> Outlines:
    """Return the polygons of a file of QuPath's dialect. Raises AnnotationFileError.

    Where a file holds detections they alone are taken: what was drawn beside them is annotations.
    """
    problems = Problems()
    return _outlines(read_qupath(path, problems), problems)


def dicom_outlines(path: Path, place: SlidePlace | None) -> Outlines:
    """Return the polygons of a file of DICOM annotations. Raises AnnotationFileError."""
    problems = Problems()
    return _outlines(read_dicom(path, problems, place), problems)


def _outlines(annotations: Iterable[Annotation], problems: list[Problem]) -> Outlines:
    is_detected: list[bool] = []
    named: dict[bool, set[str]] = {True: set(), False: set()}
    found = Outlines([], [], {}, [], [])
    for taken, annotation in enumerate(annotations, 1):
        parts = [
            part
            for part in shapely.get_parts(annotation.geometry).tolist()
            if isinstance(part, shapely.Polygon)
        ]
        if not parts:
            number = taken + sum(not problem.is_repaired for problem in problems)
            problems.append(Problem(number, f"{annotation.geometry.geom_type} is no outline"))
            continue
        which = annotation.shown_as
        name = which.name if which is not None else NO_CLASS
        if which is not None:
            found.colors[name] = which.color
        is_detected += [annotation.kind != "annotation"] * len(parts)
        found.polygons += parts
        found.names += [name] * len(parts)
        found.measurements += [dict(annotation.measurements)] * len(parts)
        named[is_detected[-1]].add(name)
        detected, drawn = len(named[True]), len(named[False])
        if detected > MOST_CLASSES or (not detected and drawn > CLASSES.most):
            break  # it is refused; what was drawn beside detections does not count
    if any(is_detected):
        found.polygons = list(compress(found.polygons, is_detected))
        found.names = list(compress(found.names, is_detected))
        found.measurements = list(compress(found.measurements, is_detected))
    gone = [problem for problem in problems if not problem.is_repaired]
    found.left_out += [f"number {each.number} ({each.reason})" for each in gone]
    return found


def table_outlines(table: ForeignTable) -> Outlines:
    """Return the polygons of a table with a column of geometry, as GeoParquet has it."""
    polygons = shapely.from_wkb(np.array(table.geometry, dtype=object), on_invalid="ignore")
    is_outline = type_ids(polygons) == shapely.GeometryType.POLYGON
    names = table.texts.get("class", [])
    numbers = [name for name in table.fractions if name not in ("x_px", "y_px")]
    columns = {name: table.column(name) for name in numbers}
    rows = np.flatnonzero(is_outline).tolist()
    return Outlines(
        [polygons[row] for row in rows],
        [str(names[row]) if names else NO_CLASS for row in rows],
        {},
        [{n: float(c[row]) for n, c in columns.items() if not np.isnan(c[row])} for row in rows],
        [f"number {row + 1} (no outline)" for row in np.flatnonzero(~is_outline).tolist()],
    )


def of_outlines(
    path: Path,
    outlines: Outlines,
    slide: Size,
    mpp_um: float,
    shift_px: tuple[float, float] = (0.0, 0.0),
) -> ResultFile:
    """Return outlines as objects on a slide; `shift_px` is where their corner lies at level 0.

    Raises ResultFileError where there are none on this slide.
    """
    if not outlines.polygons:
        why = f": {outlines.left_out[0]}" if outlines.left_out else ""
        raise ResultFileError(f"{path.name} holds no outlines{why}.")
    names = list(dict.fromkeys(outlines.names))
    if len(names) > MOST_CLASSES:
        raise ResultFileError(f"{path.name} holds more than {MOST_CLASSES} classes.")
    objects = _objects(outlines, names, shift_px)
    x, y = objects.centroids[:, 0], objects.centroids[:, 1]
    inside = (x >= 0) & (y >= 0) & (x < slide.width) & (y < slide.height)
    if not inside.any():
        raise ResultFileError(
            f"{path.name} holds outlines beside this slide; it may be of another."
        )
    troubles = troubles_of(path, outlines.left_out, int((~inside).sum()))
    found = objects_in_blocks(objects.taken(inside), slide, mpp_um)
    colors = [
        (name, outlines.colors.get(name, class_color(index))) for index, name in enumerate(names)
    ]
    return ResultFile(path, found, colors, troubles)


def _objects(outlines: Outlines, names: Sequence[str], shift_px: tuple[float, float]) -> Objects:
    polygons = shapely.transform(
        np.array(outlines.polygons, dtype=object), lambda places: places + shift_px
    )
    rings = outer_rings(polygons)
    points, owners = shapely.get_coordinates(rings, return_index=True)
    # Rings repeat their first corner at the end.
    is_last = np.append(owners[1:] != owners[:-1], True)
    counts = np.bincount(owners[~is_last], minlength=len(polygons))
    middles = shapely.get_coordinates(shapely.centroid(polygons))
    measured = list(dict.fromkeys(name for each in outlines.measurements for name in each))
    return Objects(
        points[~is_last].astype(np.float32),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        middles.astype(np.float32),
        np.array([names.index(name) for name in outlines.names], np.uint8),
        {
            name: np.array([each.get(name, np.nan) for each in outlines.measurements], np.float32)
            for name in measured
        },
    )


def objects_in_blocks(objects: Objects, slide: Size, mpp_um: float) -> ObjectMap:
    """Return objects that lie on a slide as a map of them."""
    grid = BlockGrid(slide, 1.0, _BLOCK_PX, 64)
    found = ObjectMap(grid, mpp_um)
    places = (objects.centroids // grid.side).astype(int)
    keys = places[:, 1] * grid.columns + places[:, 0]
    for key in np.unique(keys).tolist():
        block = BlockKey(key % grid.columns, key // grid.columns)
        found.put(block, objects.taken(keys == key))
    return found
