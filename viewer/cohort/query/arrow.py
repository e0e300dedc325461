# pyright: basic
# (pyarrow brings no types)
"""Columns as Arrow: schemas of the tables, and the files that they are handed over in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from viewer.cohort.query.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_BATCH_ROWS = 1 << 16
_TYPES = {
    "text": pa.dictionary(pa.int32(), pa.string()),
    "number": pa.float64(),
    "small number": pa.float32(),
    "integer": pa.int64(),
    "yes or no": pa.bool_(),
    "numbers by name": pa.map_(pa.string(), pa.float64()),
}


def schema_of(table: str, stamp: str = "") -> Any:
    """Return the Arrow schema of a table; `stamp` says what a file of it was made from."""
    fields = [pa.field(name, _TYPES[column.kind]) for name, column in TABLES[table].items()]
    return pa.schema(fields, metadata={"stamp": stamp} if stamp else None)


def table_of(table: str, rows: Iterable[Mapping[str, object]]) -> Any:
    """Return rows as an Arrow table; what a row lacks is empty."""
    schema = schema_of(table)
    held = list(rows)
    columns = [_column([row.get(field.name) for row in held], field.type) for field in schema]
    return pa.table(columns, schema=schema)


def write_table(path: Path, table: Any) -> None:
    """Write a table as an Arrow file. Raises OSError."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=_BATCH_ROWS)


def repeated(text: str, count: int) -> Any:
    """Return one text in each of `count` rows."""
    return labels(np.zeros(count, np.int32), [text])


def labels(indices: NDArray[np.integer], names: Sequence[str]) -> Any:
    """Return a text for each index."""
    return pa.DictionaryArray.from_arrays(
        pa.array(indices.astype(np.int32)), pa.array(names, pa.string())
    )


def numbers_by_name(columns: Mapping[str, NDArray[np.floating]], count: int) -> Any:
    """Return a map for each of `count` rows, from a column of numbers for each name."""
    names = list(columns)
    offsets = np.arange(count + 1, dtype=np.int32) * len(names)
    keys = labels(np.tile(np.arange(len(names)), count), names).cast(pa.string())
    stacked = np.stack([*columns.values()], 1) if names else np.zeros((count, 0))
    values = pa.array(stacked.astype(np.float64).ravel(), from_pandas=True)  # NaN is empty
    return pa.MapArray.from_arrays(pa.array(offsets), keys, values)


def _column(values: list[object], kind: Any) -> Any:
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode().cast(kind)
    if pa.types.is_map(kind):
        return pa.array([list(each.items()) if isinstance(each, dict) else None for each in values],
                        kind)  # fmt: skip
    return pa.array(values, kind)
