"""The table over all slides of a batch: one row a slide, in the columns of its model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.cell_text import row_cells
from viewer.files.atomic_write import atomic_write_text
from viewer.untyped import is_sequence, mapping_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from viewer.cohort.batch import Batch, BatchSlide, SlideRecord

Cell = str | float | int | None

TABLE_FILE = "slides.csv"
_FIRST = ("slide", "state", "model", "version")
_GROUPS = {
    "classes": "{}", "areas_mm2": "{} mm2", "means": "mean {}", "chances": "chance {}",
    "scores": "{}",
}  # fmt: skip
"""Members of a record that hold a number for each class, and what their columns are called."""
_LAST = ("mpp_um", "device", "elapsed_s", "stains", "settings", "path", "key", "error", "notes")


def batch_table(batch: Batch) -> tuple[list[str], list[list[Cell]]]:
    """Return the columns of a batch, and a row for each slide."""
    records = batch.records()
    columns = [*_FIRST, *_number_columns(record.record for record in records), *_LAST]
    rows: list[list[Cell]] = []
    for slide, record in zip(batch.slides, records, strict=True):
        values = slide_values(batch, slide, record)
        rows.append([values.get(name) for name in columns])
    return columns, rows


def number_columns(batch: Batch) -> list[str]:
    """Return the columns that hold what a batch counted and measured."""
    return _number_columns(record.record for record in batch.records())


def slide_values(batch: Batch, slide: BatchSlide, record: SlideRecord) -> dict[str, Cell]:
    """Return what is known of one slide, by column."""
    settings = batch.settings
    told = record.record
    values: dict[str, Cell] = {
        "slide": slide.name, "state": record.state, "path": slide.path,
        "model": settings.name, "version": settings.version,
        "settings": frozen_text(batch), "error": record.error, "notes": " ".join(record.notes),
        "key": _text(told.get("slide")), "device": _text(told.get("device")),
        "stains": _text(told.get("stains")),
        **_numbers(told),
    }  # fmt: skip
    for name in ("mpp_um", "elapsed_s"):
        values[name] = _number(told.get(name))
    return values


def measured_rate(batch: Batch) -> tuple[float, float] | None:
    """Return blocks a second of one worker, and blocks a slide, of what a batch computed so far.

    None where nothing was computed; slides that were known before do not count.
    """
    blocks: list[tuple[float, float]] = []
    for record in batch.records():
        computed, elapsed_s = (
            _number(record.record.get(name)) for name in ("computed", "elapsed_s")
        )
        if computed and elapsed_s:
            blocks.append((computed, elapsed_s))
    if not blocks:
        return None
    total = sum(count for count, _ in blocks)
    return total / sum(elapsed_s for _, elapsed_s in blocks), total / len(blocks)


def write_batch_table(batch: Batch, path: Path) -> None:
    """Write the table as CSV; texts that look like formulas are escaped. Raises OSError."""
    import csv

    columns, rows = batch_table(batch)
    with atomic_write_text(path) as file:
        writer = csv.writer(file)
        writer.writerow(row_cells(columns))
        writer.writerows(map(row_cells, rows))


def _number_columns(records: Iterable[Mapping[str, object]]) -> list[str]:
    names: dict[str, None] = {}
    for record in records:
        names.update(dict.fromkeys(_numbers(record)))
    return list(names)


def _numbers(record: Mapping[str, object]) -> dict[str, Cell]:
    """Return what was counted and measured; densities are of the tissue that was found."""
    values: dict[str, Cell] = {}
    for name in ("objects", "cells", "patches"):
        if (count := _number(record.get(name))) is not None:
            values[name] = count
    for group, title in _GROUPS.items():
        for name, value in mapping_of(record.get(group)).items():
            if not is_sequence(value):  # such as the ends of an interval
                values[title.format(name)] = _number(value)
    tissue_mm2 = _number(record.get("tissue_mm2"))
    if tissue_mm2 is not None:
        values["tissue mm2"] = tissue_mm2
        if "objects" in values:
            objects = values["objects"]
            assert isinstance(objects, int | float)
            values["objects per mm2"] = round(objects / tissue_mm2, 3) if tissue_mm2 else None
    return values


def frozen_text(batch: Batch) -> str:
    """Return what a batch froze, but for the stains of each slide, as JSON."""
    settings = batch.settings
    frozen = {"model": settings.key, **settings.options}
    return msgspec.json.encode(frozen).decode()


def _number(value: object) -> float | int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
