# pyright: basic
# (pyarrow brings no types)
"""The tables of an export as Parquet or CSV; runs in the helper process, since it needs pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from viewer.cell_text import cell_of
from viewer.files.atomic_write import atomic_write
from viewer.prepared_types import prepared
from viewer.recording.export.records import RATIONALE_COLUMNS
from viewer.recording.export.tables import COLUMNS, JoinTables, read_rows

if TYPE_CHECKING:
    from viewer.processes.helper_entry import TaskContext

_WHOLE = {"number", "wall_ms", "slide_width_px", "slide_height_px", "rationale_edit_distance"}
_TEXTS = {"session", "reader", "origin", "slide", "command", "kind", "notes", "cause", "payload",
          "started_utc", *RATIONALE_COLUMNS} - {*_WHOLE, "rationale_s"}  # fmt: skip


def join(body: bytes, _context: TaskContext) -> bytes:
    """Answer a `JoinTables`; a task of the helper process."""
    request = msgspec.msgpack.decode(body, type=prepared(JoinTables))
    make = pa_csv.CSVWriter if request.as_csv else pa_parquet.ParquetWriter
    suffix = "csv" if request.as_csv else "parquet"
    for name in COLUMNS:
        schema = _schema(name)
        path = Path(request.out) / f"{name}.{suffix}"
        with atomic_write(path) as file, make(file, schema) as writer:
            for part in request.parts:
                for rows in read_rows(Path(part), name):
                    cells = [_as_cells(row) for row in rows] if request.as_csv else rows
                    writer.write_table(pa.Table.from_pylist(cells, schema))
    return b""


def _as_cells(row: dict[str, object]) -> dict[str, object]:
    """Return a row whose texts no spreadsheet takes for formulas."""
    return {name: cell_of(value) for name, value in row.items()}


def _schema(name: str) -> pa.Schema:
    """Return each column tells in its metadata what it holds."""
    return pa.schema(
        [
            pa.field(column, _type(column), metadata={"description": description})
            for column, description in COLUMNS[name].items()
        ]
    )


def _type(column: str) -> pa.DataType:
    if column in _TEXTS:
        return pa.string()
    return pa.int64() if column in _WHOLE else pa.float64()
