# pyright: basic
# (pyarrow brings no types)
"""Fine-tuning examples as Parquet, pictures inside; runs in the helper process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from viewer.files.atomic_write import atomic_write
from viewer.prepared_types import prepared
from viewer.recording.export.fine_tuning import JoinExamples

if TYPE_CHECKING:
    from viewer.processes.helper_entry import TaskContext

_TEXT = {"dtype": "string", "_type": "Value"}
_FEATURES = {
    "images": [{"_type": "Image"}],
    "messages": [{"role": _TEXT, "content": [{"type": _TEXT, "text": _TEXT}]}],
}
"""What the library `datasets` is told of the columns: it gives pictures, not their bytes."""
_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_CONTENT = pa.list_(pa.struct([("type", pa.string()), ("text", pa.string())]))
_SCHEMA = pa.schema(
    [
        ("images", pa.list_(_PICTURE)),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", _CONTENT)]))),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)


def join(body: bytes, _context: TaskContext) -> bytes:
    """Answer a `JoinExamples`; a task of the helper process."""
    request = msgspec.msgpack.decode(body, type=prepared(JoinExamples))
    with (
        atomic_write(Path(request.out)) as file,
        pa_parquet.ParquetWriter(file, _SCHEMA) as writer,
    ):
        for part in map(Path, request.parts):
            for line in (part / "examples.jsonl").read_bytes().splitlines():
                row = json.loads(line)
                row["images"] = [
                    {"bytes": (part / path).read_bytes(), "path": path} for path in row["images"]
                ]
                writer.write_table(pa.Table.from_pylist([row], _SCHEMA))
    return b""
