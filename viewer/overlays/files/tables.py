"""Measurements of objects as CSV."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from viewer.cell_text import text_cell
from viewer.files.atomic_write import atomic_write_text
from viewer.overlays.objects import UNLIKE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.overlays.objects import Objects


def write_csv(
    path: Path, objects: Objects, classes: Sequence[tuple[str, str]], mpp_um: float
) -> None:
    """Write a row an object: number, class, centroid in level-0 pixels and um, measurements.

    The last column is 1 for objects in a field that is unlike what the model was trained on, and
    empty where that is unknown.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    names = [name for name in objects.measurements if name != UNLIKE]
    unlike = [
        "" if value != value else f"{value:.0f}" for value in objects.measured(UNLIKE).tolist()
    ]
    with atomic_write_text(path) as file:
        writer = csv.writer(file)
        writer.writerow(
            ["Number", "Class", "X px", "Y px", "X um", "Y um", *map(text_cell, names), UNLIKE]
        )
        for index, (x, y) in enumerate(objects.centroids.tolist()):
            measured = [f"{objects.measurements[name][index]:.4f}" for name in names]
            place = [f"{v:.2f}" for v in (x, y, x * mpp_um, y * mpp_um)]
            class_name = classes[int(objects.classes[index])][0]
            writer.writerow([index + 1, text_cell(class_name), *place, *measured, unlike[index]])
