# pyright: basic
# (duckdb and pyarrow bring no types)
"""Answers one query in a confined process: it can read the tables that it is given, nothing else.

DuckDB is told so, too: it reaches no file, loads no extension, and takes no other settings.
"""

from __future__ import annotations

import datetime
import decimal
import math
import re
import uuid
from typing import Any

import msgspec

from viewer.cohort.query.errors import QueryError
from viewer.cohort.query.messages import Columns, End, Refused, Rows, RunQuery
from viewer.cohort.query.schema import TABLES
from viewer.prepared_types import prepared
from viewer.processes.channel import inherited_channel

_ROWS_AT_ONCE = 4096
_THREADS = 2
_CONFIG: dict[str, Any] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "temp_directory": "",
}
_NO_FILES = "A query reads the tables of Coverslip and no files, folders or networks."
_SELECT = "A query can only read: write one SELECT over {}."


def main(arguments: list[str]) -> None:
    """Answer the query that comes on a channel, whose descriptor is the last argument."""
    channel = inherited_channel(int(arguments[-1]), msgspec.msgpack.Decoder(prepared(RunQuery)))
    asked = channel.receive()
    try:
        _answer(asked, channel.send)
    except QueryError as error:
        channel.send(Refused(str(error)))
    except MemoryError:
        channel.send(Refused(_too_much(asked)))
    else:
        channel.send(End())


def _answer(asked: RunQuery, send: Any) -> None:
    import duckdb

    connection = duckdb.connect(":memory:", config=_CONFIG)
    try:
        connection.execute("SET python_enable_replacements=false")
        connection.execute(f"SET memory_limit='{asked.memory_bytes * 3 // 4}B'")
        connection.execute(f"SET threads={_THREADS}")
        for name in TABLES:
            connection.register(name, _table(name, asked.tables.get(name, [])))
        connection.execute("SET lock_configuration=true")
        statements = connection.extract_statements(asked.sql)
        names = ", ".join(TABLES)
        if not statements:
            raise QueryError(f"The query is empty: write one SELECT over {names}.")
        if len(statements) > 1:
            raise QueryError(f"One query at a time: these are {len(statements)} statements.")
        if statements[0].type != duckdb.StatementType.SELECT:
            raise QueryError(_SELECT.format(names))
        result = connection.execute(statements[0], asked.parameters or None)
        send(Columns([column[0] for column in result.description or ()]))
        while rows := result.fetchmany(_ROWS_AT_ONCE):
            send(Rows([[_plain(value) for value in row] for row in rows]))
    except duckdb.OutOfMemoryException as error:
        raise QueryError(_too_much(asked)) from error
    except duckdb.PermissionException as error:
        raise QueryError(_NO_FILES) from error
    except duckdb.Error as error:
        raise QueryError(_sentence(str(error))) from error


def _table(name: str, paths: list[str]) -> Any:
    """Return a table of Arrow files; of these a query reads the columns that it names."""
    import pyarrow.dataset as ds

    from viewer.cohort.query.arrow import schema_of

    schema = schema_of(name)
    if not paths:
        return schema.empty_table()
    return ds.dataset(paths, schema=schema, format="ipc")


def _sentence(text: str) -> str:
    """Return one sentence for what DuckDB complains of."""
    text = text.split("\n\nLINE ")[0]
    if missing := re.search(r'Table with name "?(.+?)"? does not exist', text):
        return f'There is no table "{missing[1]}": there are {", ".join(TABLES)}.'
    if "expression depth limit" in text:  # which a setting would raise that nobody may set
        return "The query is nested more than 1,000 times: write it with fewer brackets."
    if "extension" in text:
        return f"{_NO_FILES[:-1]}, and loads no extensions."
    kind, _, said = text.partition(" Error: ")
    said = " ".join((said or kind).split()).replace("! ", "; ").rstrip(".!?")
    return f"The query cannot be answered: {said}."


def _too_much(asked: RunQuery) -> str:
    most = f"{asked.memory_bytes / (1 << 30):.3g} GB"
    return f"The query takes more than {most} of memory: ask for less at once, or count."


def _plain(value: Any) -> object:
    match value:
        case None | bool() | int() | str():
            return value if not isinstance(value, int) or abs(value) < 1 << 63 else str(value)
        case float():
            return value if math.isfinite(value) else None
        case decimal.Decimal():
            return float(value)
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return value.total_seconds()
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case bytes():
            return value.hex()
        case uuid.UUID():
            return str(value)
        case _:
            return str(value)
