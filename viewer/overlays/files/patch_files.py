"""Scores of cells as files: a table, or a TIFF with a page for each class."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from viewer.cell_text import text_cell
from viewer.files.atomic_write import atomic_write, atomic_write_text
from viewer.overlays.files.arrays import write_in_helper
from viewer.overlays.objects import UNLIKE
from viewer.overlays.result_card import write_card

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.overlays.area import Area
    from viewer.overlays.patch_feature_map import PatchFeatureMap
    from viewer.overlays.result_card import ResultCard

_TILE_PX = 256

CELL_FORMATS: dict[str, tuple[str, ...]] = {
    "CSV table": (".csv",),
    "Parquet table": (".parquet",),
    "Heatmap, OME-TIFF": (".tif", ".tiff"),
    "Heatmap, OME-Zarr": (".zarr",),
}


def write_cells(
    path: Path,
    found: PatchFeatureMap,
    values: NDArray[np.float32],
    names: Sequence[str],
    area: Area,
    card: ResultCard | None = None,
) -> None:
    """Write the known cells whose middle lies in an area; to a heatmap, all that are known.

    The last column of a table is 1 for cells that are unlike what the model was trained on.

    Parameters
    ----------
    values
        (rows, columns, d), such as probabilities; a name for each of the d.
    card
        What the cells were made of; written beside the file.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    _write_values(path, found, values, names, area)
    if card is not None:
        write_card(path, card)


def _write_values(
    path: Path,
    found: PatchFeatureMap,
    values: NDArray[np.float32],
    names: Sequence[str],
    area: Area,
) -> None:
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        _write_heatmap(path, found, values, names)
        return
    if suffix == ".zarr":
        um = found.raster_px * found.mpp_um
        task = "viewer.overlays.files.ome_zarr:write"
        write_in_helper(task, path, {"values": values}, list(names), um)
        return
    header = ["X px", "Y px", "Side px", *names]
    table = found.tile_rows(area)
    if table is None:
        rows, columns = np.nonzero(found.cells_in(area))
        corners = np.stack([columns, rows], 1) * found.raster_px + np.array(found.origin)
        side = np.full(len(rows), found.raster_px)
        unlike = found.unlike.mask[rows, columns]
        header.append(UNLIKE)
        table = np.column_stack([corners, side, values[rows, columns], unlike])
    if suffix == ".parquet":
        task = "viewer.overlays.files.patch_parquet:write"
        write_in_helper(task, path, {"table": table}, header)
        return
    with atomic_write_text(path) as text:
        writer = csv.writer(text)
        writer.writerow(map(text_cell, header))
        writer.writerows([f"{value:.6g}" for value in line] for line in table.tolist())


def _write_heatmap(
    path: Path, found: PatchFeatureMap, values: NDArray[np.float32], names: Sequence[str]
) -> None:
    """OME-TIFF, float32, a channel a class, a pixel a cell; NaN where nothing is known."""
    um = found.raster_px * found.mpp_um
    base, *coarser = pyramid(np.moveaxis(values.astype(np.float32), 2, 0))
    with atomic_write(path) as file, tifffile.TiffWriter(file, ome=True) as tiff:
        tiff.write(
            base,
            photometric="minisblack",
            compression="zlib",
            tile=(_TILE_PX, _TILE_PX) if coarser else None,
            subifds=len(coarser),
            resolution=(1e4 / um, 1e4 / um),
            resolutionunit="CENTIMETER",
            metadata={
                "axes": "CYX",
                "Channel": {"Name": list(names)},
                "PhysicalSizeX": um,
                "PhysicalSizeY": um,
                **_plane_places(found, len(names)),
            },
        )
        for level in coarser:
            tiff.write(
                level,
                photometric="minisblack",
                compression="zlib",
                tile=(_TILE_PX, _TILE_PX),
                subfiletype=1,
            )


def _plane_places(found: PatchFeatureMap, planes: int) -> dict[str, object]:
    """Return where the first cell begins, for OME, where that is not the corner of the slide."""
    x, y = (value * found.mpp_um for value in found.origin)
    if not (x or y):
        return {}
    units = {f"Position{axis}Unit": ["µm"] * planes for axis in "XY"}
    return {"Plane": {"PositionX": [x] * planes, "PositionY": [y] * planes, **units}}


def pyramid(values: NDArray[np.float32], least_px: int = 256) -> list[NDArray[np.float32]]:
    """(channels, rows, columns) and its means over 2 x 2, until it is small; NaN is left out."""
    levels = [values]
    while max(levels[-1].shape[1:]) > least_px:
        levels.append(_halved(levels[-1]))
    return levels


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    _, rows, columns = values.shape
    even = np.pad(
        values, ((0, 0), (0, rows % 2), (0, columns % 2)), constant_values=np.float32(np.nan)
    )
    quarters = even.reshape(len(values), (rows + 1) // 2, 2, (columns + 1) // 2, 2)
    known = ~np.isnan(quarters)
    sums, counts = np.where(known, quarters, 0).sum((2, 4)), known.sum((2, 4))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).astype(np.float32)
