"""Events, actions and sessions as tables, in Parquet or CSV."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

from viewer.processes.helper import helper
from viewer.recording.events import Pointer, Viewport
from viewer.recording.export.records import ACTION_COLUMNS, action_records
from viewer.recording.log_reader import iter_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    "rotation_deg": "of the field about its center, clockwise",
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
    "mpp_x_um": "micrometers per level-0 pixel",
    "mpp_y_um": "micrometers per level-0 pixel",
    "objective_power": "of the scan",
    "duration_s": "from the first view to the end",
    "looked_s": "without the time away",
}
COLUMNS = {"sessions": SESSION_COLUMNS, "events": EVENT_COLUMNS, "actions": ACTION_COLUMNS}

_LENGTH = struct.Struct("<Q")


class JoinTables(msgspec.Struct, frozen=True):
    """Asks the helper process for the tables of many sessions, one behind the other."""

    parts: list[str]
    out: str
    as_csv: bool


def write_tables(reading: Reading, folder: Path) -> None:
    """Write the rows of the three tables of one session, block by block."""
    write_rows(folder, "sessions", [[_session_row(reading)]])
    write_rows(folder, "actions", [action_records(reading)])
    blocks = iter_blocks(reading.folder)
    rows = ([_event_row(reading.id, line) for line in block] for block in blocks)
    write_rows(folder, "events", rows)


def join_tables(parts: list[Path], out: Path, *, as_csv: bool) -> None:
    """Write the tables of many sessions as Parquet or CSV, without holding them in memory.

    Raises
    ------
    OSError
        They cannot be written.
    HelperFailedError, HelperEndedError
        The helper process failed.
    """
    request = JoinTables([str(part.absolute()) for part in parts], str(out.absolute()), as_csv)
    helper().run("viewer.recording.export.table_files:join", request)


def write_rows(folder: Path, name: str, blocks: Iterable[Sequence[Mapping[str, object]]]) -> None:
    """Write the rows of a table, block by block, to be read with `read_rows`. Raises OSError."""
    # A part of an export that is done again after a crash, so it is written as it comes.
    with rows_file(folder, name).open("wb") as file:
        for block in blocks:
            data = msgspec.msgpack.encode(block)
            file.write(_LENGTH.pack(len(data)) + data)


def rows_file(folder: Path, name: str) -> Path:
    """Return where the rows of a table lie: lengths and msgpack, a block of rows each."""
    return folder / f"{name}.rows"


def read_rows(folder: Path, name: str) -> Iterator[list[dict[str, object]]]:
    """Give the blocks of rows that were written. Raises OSError."""
    with rows_file(folder, name).open("rb") as file:
        while head := file.read(_LENGTH.size):
            yield msgspec.msgpack.decode(file.read(_LENGTH.unpack(head)[0]))


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
