# pyright: basic
# (pyarrow brings no types)
"""Writes a table of patches as Parquet; runs in the helper process, since it needs pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from viewer.files.atomic_write import atomic_write
from viewer.overlays.files.arrays import WriteArrays
from viewer.prepared_types import prepared

if TYPE_CHECKING:
    from viewer.processes.helper_entry import TaskContext


def write(body: bytes, _context: TaskContext) -> bytes:
    """Answer a `WriteArrays` whose array "table" has a column for each of its texts."""
    request = msgspec.msgpack.decode(body, type=prepared(WriteArrays))
    with atomic_write(Path(request.path)) as file:
        pq.write_table(pa.table(list(request.array("table").T), names=request.texts), file)
    return b""
