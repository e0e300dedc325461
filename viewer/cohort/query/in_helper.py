"""Queries of the window, asked in the helper process: the window holds neither Arrow nor DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.cohort.query.errors import QueryError
from viewer.cohort.query.running import ask, collected
from viewer.cohort.spread import AskQuery, QueryRows
from viewer.prepared_types import prepared

if TYPE_CHECKING:
    from viewer.processes.helper_entry import TaskContext


def answer(body: bytes, _context: TaskContext) -> bytes:
    """Answer an `AskQuery` with its rows."""
    asked = msgspec.msgpack.decode(body, type=prepared(AskQuery))
    try:
        rows = collected(ask(asked.sql, parameters=asked.parameters))
    except QueryError as error:
        return msgspec.msgpack.encode(QueryRows(problem=str(error)))
    return msgspec.msgpack.encode(QueryRows(rows))
