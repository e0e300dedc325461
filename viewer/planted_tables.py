"""SQLite files that another may have planted: only tables that are made here are read.

A view or a generated column in place of a table runs SQL of its own when it is read, a trigger when
it is written to, and a virtual table hands the file to another parser.
"""

from __future__ import annotations

import re
import sqlite3

from viewer.errors import CoverslipError
from viewer.plain_text import shown_line

_MOST_VALUE_BYTES = 512 << 20
"""Of one value: pages of a damaged file can be tied to a ring that has no end."""
_OF_SQLITE = "CREATE TABLE sqlite_sequence(name,seq)"


class PlantedTablesError(CoverslipError, sqlite3.DatabaseError):
    """A database that holds more than tables of ours; `str()` is one sentence."""


def with_our_tables(database: sqlite3.Connection, statements: str) -> sqlite3.Connection:
    """Hold the tables of a database against the statements that make ours, before any is read.

    Each word of what made them has to stand in `statements`: those of views, triggers, virtual
    tables, generated columns and checks do not.

    Returns
    -------
    sqlite3.Connection
        The same, which is closed where an error is raised.

    Raises
    ------
    PlantedTablesError
        It holds something else.
    sqlite3.DatabaseError
        It is damaged.
    """
    try:
        _check_tables(database, statements)
    except BaseException:
        database.close()
        raise
    return database


def _check_tables(database: sqlite3.Connection, statements: str) -> None:
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_VALUE_BYTES)
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA cell_size_check = ON")
    ours = _words(statements) | _words(_OF_SQLITE)
    try:
        made_by = database.execute("SELECT name, sql FROM sqlite_master").fetchall()
    except UnicodeDecodeError as error:  # of SQLite's own sentence, which names what is damaged
        raise sqlite3.DatabaseError("the list of its tables is damaged") from error
    for name, sql in made_by:
        if sql is not None and not _words(sql) <= ours:
            raise PlantedTablesError(
                f"it holds {shown_line(name)!r}, which Coverslip does not make"
            )


def _words(sql: str) -> set[str]:
    return set(re.findall(r"\w+", sql.upper()))
