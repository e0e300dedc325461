"""A query from beginning to end: tables made ready, asked in a process of its own, watched."""

from __future__ import annotations

import importlib.util
import re
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from viewer.cohort.query.errors import QueryError
from viewer.cohort.query.messages import Answer, Columns, End, Refused, Rows, RunQuery
from viewer.cohort.query.schema import TABLES
from viewer.cohort.query.store import Store, open_store
from viewer.errors import reason_of
from viewer.overlays.result_store import ResultStoreError
from viewer.plain_text import is_text
from viewer.prepared_types import prepared
from viewer.processes.channel import ChannelError, ChannelTimeoutError, open_channel
from viewer.processes.confinement.launching import launch
from viewer.processes.memory_watch import MemoryWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from viewer.cohort.query.result_columns import KeptResult

Parameter = str | float | list[str]

LIMIT_S, LIMIT_BYTES = 60.0, 2 << 30
_MAIN = "viewer.cohort.query.process"
_CELL_BYTES = 64
"""What a value of an answer takes, about."""
_ANY_TABLE = re.compile(r"\bquery(_table)?\s*\(", re.IGNORECASE)
"""Functions that take the name of a table as text."""
_MISSING = (
    "Queries need DuckDB, which is not installed: run `pip install 'coverslip[query]'`, then ask "
    "again."
)


class QueryAnswer(msgspec.Struct):
    """Column names, and rows as they come; rows are read once.

    Attributes
    ----------
    note
        What a study keeps from who asks, a sentence; "" where none does.
    """

    columns: list[str]
    rows: Iterator[list[object]]
    note: str = ""


def ask(
    sql: str,
    place: Path | str | None = None,
    limit_s: float = LIMIT_S,
    limit_bytes: int = LIMIT_BYTES,
    parameters: Mapping[str, Parameter] | None = None,
) -> QueryAnswer:
    """Ask a query, SQL with one SELECT, of the user's own store or the one at a place.

    Parameters
    ----------
    parameters
        Values for "$name" in the query.

    Raises
    ------
    QueryError
        One sentence says why there is no answer; while the rows are read, too.
    """
    if importlib.util.find_spec("duckdb") is None:
        raise QueryError(_MISSING)
    if not is_text(sql):
        raise QueryError("The query holds bytes that are no text: write it in UTF-8.")
    store = open_store(place)
    answers = _answers(sql, store, limit_s, limit_bytes, dict(parameters or {}))
    first = next(answers)
    names = first.names if isinstance(first, Columns) else []
    return QueryAnswer(_told_apart(names), _rows(answers), store.note)


def collected(answer: QueryAnswer, limit_bytes: int = LIMIT_BYTES) -> list[list[object]]:
    """Return all rows of an answer at once. Raises QueryError where they are too many."""
    rows: list[list[object]] = []
    most = limit_bytes // (_CELL_BYTES * max(1, len(answer.columns)))
    for row in answer.rows:
        if len(rows) == most:
            raise QueryError(f"The answer has more than {most:,} rows: ask for less, or use --csv.")
        rows.append(row)
    return rows


def _told_apart(names: list[str]) -> list[str]:
    """Return names of columns, each once: "n", "n_1"."""
    found: list[str] = []
    for name in names:
        number, unlike = 0, name
        while unlike in found:
            number += 1
            unlike = f"{name}_{number}"
        found.append(unlike)
    return found


def _rows(answers: Iterator[Columns | Rows]) -> Iterator[list[object]]:
    for answer in answers:
        if isinstance(answer, Rows):
            yield from answer.rows


def _answers(
    sql: str, store: Store, limit_s: float, limit_bytes: int, parameters: dict[str, Parameter]
) -> Iterator[Columns | Rows]:
    with tempfile.TemporaryDirectory(prefix="coverslip-query-") as folder:
        try:
            tables = ready_tables(sql, store, Path(folder))
        except ResultStoreError as error:
            raise QueryError(str(error)) from error
        except OSError as error:
            raise QueryError(
                f"The tables cannot be made ready ({reason_of(error)}): see that there is "
                "room on the disk."
            ) from error
        readable = [folder, *([str(store.results)] if store.results.is_dir() else [])]
        channel, child_end = open_channel(msgspec.msgpack.Decoder(prepared(Answer)))
        with closing(channel):
            with child_end:
                number = child_end.fileno()
                child = launch(
                    _MAIN, [str(number)], readable_paths=readable, inherited_fds=[number]
                )
            watch = MemoryWatch(child.pid, limit_bytes, child.popen.kill)
            try:
                deadline_s = time.monotonic() + limit_s
                channel.send(RunQuery(sql, tables, limit_bytes, parameters))
                while not isinstance(answer := channel.receive(_left_s(deadline_s)), End):
                    if isinstance(answer, Refused):
                        raise QueryError(answer.sentence)
                    yield answer
            except ChannelTimeoutError as error:
                raise QueryError(
                    f"The query takes longer than {limit_s:g} s: ask for less, or check that it "
                    "ends."
                ) from error
            except ChannelError as error:
                most = f"{limit_bytes / (1 << 30):.3g} GB"
                raise QueryError(
                    f"The query takes more than {most} of memory: ask for less at once, or count."
                    if watch.has_killed
                    else "The process that answers queries ended: try again."
                ) from error
            finally:
                watch.close()
                child.close()


def _left_s(deadline_s: float) -> float:
    return max(0.0, deadline_s - time.monotonic())


def ready_tables(sql: str, store: Store, folder: Path) -> dict[str, list[str]]:
    """Return the Arrow files of the tables that a query names; what it does not name is not read.

    Raises OSError, and ResultStoreError where the store of a cohort does not answer.
    """
    from viewer.cohort.query import arrow, result_columns, rows, stored_results
    from viewer.inference.models.bundle import STEPS_VERSION

    named = {
        name for name in TABLES if _ANY_TABLE.search(sql) or re.search(rf"(?i)\b{name}\b", sql)
    }
    results: list[KeptResult] = []
    if named & {"slides", "results", "objects", "annotations"}:
        results = result_columns.kept_results(store, STEPS_VERSION)
    objects = {
        each.name: result_columns.object_columns(each, folder)
        for each in (results if named & {"results", "objects"} else ())
    }

    def counts(result: KeptResult) -> Mapping[str, int] | None:
        path = objects[result.name]
        return None if path is None else result_columns.class_counts(path)

    makers: dict[str, Callable[[], Iterable[Mapping[str, object]]]] = {
        "slides": lambda: rows.slide_rows(store, results),
        "results": lambda: rows.result_rows(store, results, counts),
        "annotations": lambda: rows.annotation_rows(store, rows.slide_rows(store, results)),
        "sessions": lambda: rows.session_rows(store),
        "actions": lambda: rows.action_rows(store),
        "answers": lambda: rows.answer_rows(store),
    }
    files = {"objects": [str(path) for path in objects.values() if path is not None]}
    for name in sorted(named & makers.keys()):
        path = folder / f"{name}.arrow"
        arrow.write_table(path, arrow.table_of(name, makers[name]()))
        files[name] = [str(path)]
    if store.shared is not None:
        stored_results.trim_columns(store.results.parent)
    return files
