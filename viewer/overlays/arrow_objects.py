# pyright: basic
# (pyarrow brings no types)
"""Reads objects of an earlier version from Arrow; runs in the helper process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa

from viewer.overlays.former_objects import ArrowBytes
from viewer.overlays.objects import Objects
from viewer.prepared_types import prepared

if TYPE_CHECKING:
    from viewer.processes.helper_entry import TaskContext


def convert(body: bytes, _context: TaskContext) -> bytes:
    """Answer an `ArrowBytes` with the objects as they are packed today."""
    data = msgspec.msgpack.decode(body, type=prepared(ArrowBytes)).data
    with pa.ipc.open_stream(data) as reader:
        table = reader.read_all()
        table.validate(full=True)  # offsets and indices point at what is there
        table = table.combine_chunks()
    columns = {name: table.column(name) for name in table.column_names}
    outlines = columns["outline"].combine_chunks()
    return Objects(
        outlines.flatten().to_numpy().reshape(-1, 2),
        outlines.offsets.to_numpy().astype(np.int64) // 2,
        np.stack([columns["x"].to_numpy(), columns["y"].to_numpy()], 1),
        columns["class"].to_numpy().astype(np.uint8),
        {name[2:]: each.to_numpy() for name, each in columns.items() if name.startswith("m:")},
    ).to_bytes()
