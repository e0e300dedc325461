"""The table of the cores of a microarray: a row a core, with its ids and what was measured."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from viewer.annotations.counted import COUNTED
from viewer.annotations.measured import up_to_date
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.annotations.tma.cores import CASE_ID, COLUMN, ROW, TmaGrid, is_missing
from viewer.cell_text import row_cells
from viewer.files.atomic_write import atomic_write_text

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.annotations.annotation import Annotation

Cell = str | float
_HIDDEN = (ROW, COLUMN, COUNTED, "Author", "Created", "Modified")


def core_rows(grid: TmaGrid, mpp_um: tuple[float, float] | None) -> list[list[Cell]]:
    """Return a header and a row a core; lengths in µm, in pixels where that is unknown.

    Counts that are outdated, since the core was moved after they were made, are left out.
    """
    calibration = PixelCalibration(mpp_um)
    unit = "um" if calibration.unit == "um" else "px"
    width, height = calibration.pixel
    cores = [(row, column, up_to_date(core, mpp_um)) for row, column, core in grid]
    texts = list(dict.fromkeys(name for *_, core in cores for name in core.metadata))
    texts = [CASE_ID, *(name for name in texts if name not in (*_HIDDEN, CASE_ID))]
    numbers = list(dict.fromkeys(name for *_, core in cores for name in core.measurements))
    header: list[Cell] = ["Core", "Row", "Column", "Missing", *texts, f"Centroid X {unit}",
                          f"Centroid Y {unit}", f"Diameter {unit}", *numbers]  # fmt: skip
    rows = [header]
    for row, column, core in cores:
        x0, y0, x1, y1 = core.geometry.bounds
        diameter = ((x1 - x0) * width + (y1 - y0) * height) / 2
        rows.append(
            [
                core.name,
                row + 1,
                column + 1,
                "true" if is_missing(core) else "false",
                *(core.metadata.get(name, "") for name in texts),
                round((x0 + x1) / 2 * width, 2),
                round((y0 + y1) / 2 * height, 2),
                round(diameter, 2),
                *(core.measurements.get(name, "") for name in numbers),
            ]
        )
    return rows


def write_core_table(path: Path, grid: TmaGrid, mpp_um: tuple[float, float] | None) -> None:
    """Write the table as CSV. Raises OSError; a file that was there is left as it was."""
    with atomic_write_text(path) as file:
        csv.writer(file).writerows(map(row_cells, core_rows(grid, mpp_um)))


def exported_cores(grid: TmaGrid, mpp_um: tuple[float, float] | None) -> list[Annotation]:
    """Return the cores as files hold them: without counts that are outdated."""
    return [up_to_date(core, mpp_um) for *_, core in grid]
