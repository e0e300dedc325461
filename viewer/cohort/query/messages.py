"""What is said to the process that answers queries, and what it says."""

from __future__ import annotations

import msgspec


class RunQuery(msgspec.Struct, frozen=True, tag=True):
    """Asks a query over tables, each in Arrow files; a table without a file is empty."""

    sql: str
    tables: dict[str, list[str]]
    memory_bytes: int
    parameters: dict[str, str | float | list[str]] = {}


class Columns(msgspec.Struct, frozen=True, tag=True):
    """Names the columns of the answer, whose rows follow."""

    names: list[str]


class Rows(msgspec.Struct, frozen=True, tag=True):
    """Some rows of the answer: numbers, texts, yes or no, lists, maps, or nothing."""

    rows: list[list[object]]


class End(msgspec.Struct, frozen=True, tag=True):
    """Ends the answer."""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Says in one sentence why there is no answer."""

    sentence: str


Answer = Columns | Rows | End | Refused
