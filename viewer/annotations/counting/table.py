"""The table of a count: a row a field, and one of all of them."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from viewer.annotations.counting.tally import (
    MITOSIS,
    counted_annotations,
    summary_of,
    with_counts,
)
from viewer.annotations.formats.qupath_writing import write_qupath
from viewer.cell_text import row_cells
from viewer.files.atomic_write import atomic_write_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.counting.tally import CountSummary

TOTAL = "Total"
Cell = str | int | float


def count_rows(summary: CountSummary) -> list[list[Cell]]:
    """Return the table with its header; the last row counts each place and each point once."""
    names = summary.class_names or [MITOSIS.name]
    header: list[Cell] = ["Field", "Shape", "Area mm2", "Center x px", "Center y px",
                          "Pixel width um", "Pixel height um", "Counted by"]  # fmt: skip
    for name in names:
        header += [name, f"{name} per mm2"]
    rows = [header]
    for each in summary.fields:
        middle = each.field.geometry.centroid
        row: list[Cell] = [
            each.field.name, each.layout.shape, round(each.area_mm2, 6), round(middle.x, 1),
            round(middle.y, 1), *each.layout.mpp_um, each.field.author,
        ]  # fmt: skip
        for name in names:
            number = each.counts.get(name, 0)
            row += [number, round(number / each.area_mm2, 4)]
        rows.append(row)
    total: list[Cell] = [TOTAL, "", round(summary.area_mm2, 6), "", "", "", "", ""]
    for name in names:
        total += [summary.counts[name], round(summary.per_mm2(name), 4)]
    return [*rows, total]


def write_counts(path: Path, summary: CountSummary) -> None:
    """Write the table as CSV. Raises OSError; a file that was there is left as it was."""
    with atomic_write_text(path) as file:
        csv.writer(file).writerows(map(row_cells, count_rows(summary)))


def write_count_file(path: Path, annotations: Iterable[Annotation]) -> None:
    """Write the fields among annotations and what lies in them: GeoJSON by its ending, else CSV.

    Raises OSError; a file that was there is left as it was.
    """
    held = list(annotations)
    if path.suffix.lower() in (".geojson", ".json"):
        write_qupath(path, with_counts(counted_annotations(held)))
    else:
        write_counts(path, summary_of(held))
