"""Scores of cells as files: a table, or a TIFF with a page for each class."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tifffile

from viewer.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.geometry import Box
    from viewer.overlays.vector_map import VectorMap

CELL_FORMATS = {
    "CSV table": (".csv",),
    "Parquet table": (".parquet",),
    "Heatmap": (".tif", ".tiff"),
}


def write_cells(
    path: Path, found: VectorMap, values: NDArray[np.float32], names: Sequence[str], box: Box
) -> None:
    """Writes the known cells whose middle lies in a level-0 box.

    Parameters
    ----------
    values
        (rows, columns, d), such as probabilities; a name for each of the d.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        _write_heatmap(path, found, values, names)
        return
    rows, columns = np.nonzero(found.cells_in(box))
    corners = np.stack([columns, rows], 1) * found.cell
    header = ["X px", "Y px", "Side px", *names]
    side = np.full(len(rows), found.cell)
    table = np.column_stack([corners, side, values[rows, columns]])
    with whole_file(path) as part:
        if suffix == ".parquet":
            pq.write_table(pa.table(list(table.T), names=header), part)
            return
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows([f"{value:.6g}" for value in line] for line in table.tolist())


def _write_heatmap(
    path: Path, found: VectorMap, values: NDArray[np.float32], names: Sequence[str]
) -> None:
    """OME-TIFF, float32, a channel a class, a pixel a cell; NaN where nothing is known."""
    um = found.cell * found.mpp_um
    with whole_file(path) as part, tifffile.TiffWriter(part, ome=True) as tiff:
        tiff.write(
            np.moveaxis(values.astype(np.float32), 2, 0),
            photometric="minisblack",
            compression="zlib",
            resolution=(1e4 / um, 1e4 / um),
            resolutionunit="CENTIMETER",
            metadata={
                "axes": "CYX",
                "Channel": {"Name": list(names)},
                "PhysicalSizeX": um,
                "PhysicalSizeY": um,
            },
        )
