"""Measurements of detections as QuPath exports them: a row an object, without outlines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from viewer.annotations.annotation import NO_CLASS
from viewer.colors import class_color
from viewer.overlays.files.outline_files import MOST_CLASSES, objects_in_blocks
from viewer.overlays.files.result_file import ResultFile, ResultFileError, troubles_of
from viewer.overlays.objects import Objects

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.geometry import Size
    from viewer.overlays.files.foreign_table import ForeignTable

_CENTROID = re.compile(r"centroid ([xy]) (px|.{1,2}m)", re.IGNORECASE)
_AREA = re.compile(r"(nucleus: |cell: )?area .{1,2}m\^?.?", re.IGNORECASE)
_TYPES = ("object type", "type")
_CLASSES = ("classification", "class")
_RADIUS_UM = 4.0
"""Of a disc where the table has no area: that of a nucleus."""
_CORNERS = 16


def is_qupath_table(table: ForeignTable) -> bool:
    """Return whether a table has the middles of objects, as QuPath names them."""
    return len(_centroids(table)) == 2


def of_qupath_table(
    path: Path,
    table: ForeignTable,
    slide: Size,
    mpp_um: tuple[float, float],
    shift_px: tuple[float, float],
) -> ResultFile:
    """Return the detections of a table as discs of their areas.

    Parameters
    ----------
    mpp_um
        Micrometers per level-0 pixel in x and y.
    shift_px
        Where at level 0 the corner lies from which the table counts.

    Raises
    ------
    ResultFileError
        None of them lies on this slide.
    """
    x, y = (
        table.column(name) / (1.0 if unit == "px" else scale) + shift
        for (name, unit), scale, shift in zip(_centroids(table), mpp_um, shift_px, strict=True)
    )
    is_detected = _are_detections(table)
    good = is_detected & np.isfinite(x) & np.isfinite(y)
    inside = good & (x >= 0) & (y >= 0) & (x < slide.width) & (y < slide.height)
    if not inside.any():
        raise ResultFileError(
            f"{path.name} holds no detections on this slide; it may be of another."
        )
    rows = np.flatnonzero(inside)
    left_out = [f"row {row + 1}" for row in np.flatnonzero(is_detected & ~good).tolist()]
    notes = troubles_of(path, left_out, int((good & ~inside).sum()))
    notes.append(
        f"{path.name} holds the middles of objects and no outlines: they are discs of their area."
    )
    names, classes = _classes(path, table, rows)
    objects = _discs(table, rows, np.stack([x, y], 1)[rows], classes, float(np.mean(mpp_um)))
    colors = [(name, class_color(index)) for index, name in enumerate(names)]
    return ResultFile(
        path, objects_in_blocks(objects, slide, float(np.mean(mpp_um))), colors, notes
    )


def _centroids(table: ForeignTable) -> list[tuple[str, str]]:
    """Return the columns of x and y, with their units."""
    found: dict[str, tuple[str, str]] = {}
    for name in table.numbers:
        if match := _CENTROID.fullmatch(name.strip()):
            found.setdefault(match[1].casefold(), (name, match[2].casefold()))
    return [found[axis] for axis in ("x", "y") if axis in found]


def _are_detections(table: ForeignTable) -> NDArray[np.bool_]:
    """Return (rows,) what is no annotation; all where the table does not say."""
    kinds = _texts(table, _TYPES)
    if kinds is None:
        return np.ones(table.rows, bool)
    is_drawn = np.array(["annotation" in (each or "").casefold() for each in kinds])
    return ~is_drawn if not is_drawn.all() else ~np.ones(table.rows, bool)


def _classes(
    path: Path, table: ForeignTable, rows: NDArray[np.intp]
) -> tuple[list[str], NDArray[np.uint8]]:
    held = _texts(table, _CLASSES)
    numbered: list[int] = rows.tolist()
    given = [(held[row] if held is not None else "") or NO_CLASS for row in numbered]
    names = list(dict.fromkeys(given))
    if len(names) > MOST_CLASSES:
        raise ResultFileError(f"{path.name} holds more than {MOST_CLASSES} classes.")
    numbers = {name: index for index, name in enumerate(names)}
    return names, np.array([numbers[name] for name in given], np.uint8)


def _texts(table: ForeignTable, names: tuple[str, ...]) -> list[str | None] | None:
    by_name = {name.strip().casefold(): name for name in table.texts}
    return next((table.texts[by_name[name]] for name in names if name in by_name), None)


def _discs(
    table: ForeignTable,
    rows: NDArray[np.intp],
    middles: NDArray[np.float64],
    classes: NDArray[np.uint8],
    mpp_um: float,
) -> Objects:
    centroids = {name for name, _ in _centroids(table)}
    measured = {
        name: table.column(name)[rows].astype(np.float32)
        for name in table.numbers
        if name not in centroids
    }
    areas = next((each for name, each in measured.items() if _AREA.fullmatch(name.strip())), None)
    radii = np.full(len(rows), _RADIUS_UM / mpp_um)
    if areas is not None:
        has_area = np.isfinite(areas) & (areas > 0)
        radii[has_area] = np.sqrt(areas[has_area] / np.pi) / mpp_um
    angles = np.arange(_CORNERS) * 2 * np.pi / _CORNERS
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    points = middles[:, np.newaxis] + circle * radii[:, np.newaxis, np.newaxis]
    starts = np.arange(len(rows) + 1, dtype=np.int64) * _CORNERS
    return Objects(
        points.reshape(-1, 2).astype(np.float32), starts, middles.astype(np.float32), classes,
        measured,
    )  # fmt: skip
