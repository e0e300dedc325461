# pyright: basic
# (pyarrow brings no types)
"""Events, actions and sessions as tables, in Parquet or CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from viewer.atomic_write import atomic_write
from viewer.recording.events import Pointer, Viewport
from viewer.recording.export.records import ACTION_COLUMNS, RATIONALE_COLUMNS, action_records
from viewer.recording.log_reader import iter_blocks

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.recording.export.reading import Reading
    from viewer.recording.log_line import LogLine

EVENT_COLUMNS = {
    "session": "id of the session",
    "number": "counts from 0 within the session",
    "elapsed_s": "seconds since the session began, monotonic clock",
    "wall_ms": "milliseconds since the session began by the computer's clock, which can be set",
    "kind": "tag of the event: view, point, click, ...",
    "x_px": "left of the field, or the pointer; level-0 pixels",
    "y_px": "top of the field, or the pointer; level-0 pixels",
    "width_px": "of the field, level-0 pixels",
    "height_px": "of the field, level-0 pixels",
    "rotation_deg": "of the field about its centre, clockwise",
    "downsample": "level-0 pixels per screen pixel",
    "magnification": "empty where the slide tells no scale",
    "cause": "what moved the view",
    "payload": "all fields of the event as a JSON object",
}
SESSION_COLUMNS = {
    "session": "id of the session",
    "reader": "pseudonym",
    "origin": "recorded, imported, simulated or agent",
    "started_utc": "ISO 8601",
    "slide": "identity of the slide (hash, not its name)",
    "slide_width_px": "level-0 pixels",
    "slide_height_px": "level-0 pixels",
    "mpp_x_um": "micrometres per level-0 pixel",
    "mpp_y_um": "micrometres per level-0 pixel",
    "objective_power": "of the scan",
    "duration_s": "from the first view to the end",
    "looked_s": "without the time away",
}
COLUMNS = {"sessions": SESSION_COLUMNS, "events": EVENT_COLUMNS, "actions": ACTION_COLUMNS}

_WHOLE = {"number", "wall_ms", "slide_width_px", "slide_height_px", "rationale_edit_distance"}
_TEXTS = {"session", "reader", "origin", "slide", "command", "kind", "notes", "cause", "payload",
          "started_utc", *RATIONALE_COLUMNS} - {*_WHOLE, "rationale_s"}  # fmt: skip


def write_tables(reading: Reading, folder: Path) -> None:
    """The three tables of one session as Parquet, block by block."""
    _write(folder, "sessions", [_session_row(reading)])
    _write(folder, "actions", action_records(reading))
    with pa_parquet.ParquetWriter(folder / "events.parquet", _schema("events")) as writer:
        for lines in iter_blocks(reading.folder):
            rows = [_event_row(reading.id, line) for line in lines]
            writer.write_table(pa.Table.from_pylist(rows, _schema("events")))


def join_tables(parts: list[Path], out: Path, *, as_csv: bool) -> None:
    """The tables of many sessions one behind the other, without holding them in memory."""
    for name in COLUMNS:
        make = pa_csv.CSVWriter if as_csv else pa_parquet.ParquetWriter
        path = out / (f"{name}.csv" if as_csv else f"{name}.parquet")
        with atomic_write(path) as file, make(file, _schema(name)) as writer:
            _copy(parts, name, writer.write_batch)


def _copy(parts: list[Path], name: str, write) -> None:
    for part in parts:
        with pa_parquet.ParquetFile(part / f"{name}.parquet") as file:
            for batch in file.iter_batches():
                write(batch)


def _write(folder: Path, name: str, rows: list) -> None:
    table = pa.Table.from_pylist(rows, _schema(name))
    pa_parquet.write_table(table, folder / f"{name}.parquet")


def _schema(name: str) -> pa.Schema:
    """Each column tells in its metadata what it holds."""
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


def _event_row(session: str, line: LogLine) -> dict[str, object]:
    event = line.event
    tag, *values = msgspec.to_builtins(event)
    fields = dict(zip(event.__struct_fields__, values, strict=True))
    row: dict[str, object] = {
        "session": session,
        "number": line.number,
        "elapsed_s": line.elapsed_ns / 1e9,
        "wall_ms": line.wall_ms,
        "kind": tag,
        "payload": msgspec.json.encode(fields).decode(),
    }
    if isinstance(event, (Viewport, Pointer)):
        row |= {"x_px": event.x, "y_px": event.y}
    if isinstance(event, Viewport):
        row |= {
            "width_px": event.width,
            "height_px": event.height,
            "rotation_deg": event.rotation_deg,
            "downsample": event.downsample,
            "magnification": event.magnification,
            "cause": event.cause,
        }
    return row


def _session_row(reading: Reading) -> dict[str, object]:
    header, slide = reading.header, reading.header.slide
    mpp_x_um, mpp_y_um = slide.mpp_um or (None, None)
    return {
        "session": header.id,
        "reader": header.reader,
        "origin": header.origin,
        "started_utc": header.started_utc,
        "slide": slide.identity,
        "slide_width_px": slide.width_px,
        "slide_height_px": slide.height_px,
        "mpp_x_um": mpp_x_um,
        "mpp_y_um": mpp_y_um,
        "objective_power": slide.objective_power,
        "duration_s": reading.trace.duration_s,
        "looked_s": float(reading.trace.looked_s().sum()),
    }
