"""`coverslip query`: SQL over slides, results, annotations, sessions and answers."""

from __future__ import annotations

import csv
import sys
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cell_text import text_cell
from viewer.cli.output import fail, print_json, print_table, say
from viewer.plurals import plural
from viewer.untyped import is_mapping, is_sequence

if TYPE_CHECKING:
    from viewer.cohort.query.running import QueryAnswer

_MOST_SHOWN = 1000
"""Rows that are shown as a table to read."""

_Store = Annotated[
    str | None,
    typer.Option(
        metavar="STORE",
        help="Another store than your own: the folder or bucket that results of many slides are "
        "kept in (`run --store`), a folder as COVERSLIP_HOME names one, or a project.",
    ),
]


def query(
    sql: Annotated[
        str,
        typer.Argument(
            metavar="SQL",
            help='Such as "select slide, count(*) from objects group by slide"; the tables and '
            "their columns are in docs/query.md.",
        ),
    ],
    store: _Store = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON: a list of rows.")] = False,
) -> None:
    """Ask SQL over slides, results, objects, annotations, sessions, actions and answers.

    It reads and changes nothing, reaches no file and no network, and ends after 60 s or 2 GB.
    """
    from viewer.cohort.query.errors import QueryError
    from viewer.cohort.query.running import ask, collected

    if as_csv and json:
        fail("--csv and --json both say how to print: give one of them.")
    try:
        answer = ask(sql, store)
        if answer.note:
            say(answer.note)
        if as_csv:
            writer = csv.writer(sys.stdout)
            writer.writerow(text_cell(name) for name in answer.columns)
            for row in answer.rows:
                writer.writerow(_csv_cell(each) for each in row)
        elif json:
            rows = collected(answer)
            print_json([dict(zip(answer.columns, row, strict=True)) for row in rows])
        else:
            _print(answer)
    except QueryError as error:
        fail(str(error))


def _print(answer: QueryAnswer) -> None:
    first = [tuple(_shown(each) for each in row) for row in islice(answer.rows, _MOST_SHOWN)]
    more = sum(1 for _ in answer.rows)
    count = len(first) + more
    print_table(tuple(answer.columns), first)
    rest = f"; the first {len(first):,} are shown, --csv and --json print all" if more else ""
    typer.echo(f"{plural(count, 'row')}{rest}.")


def _csv_cell(value: object) -> object:
    return value if isinstance(value, int | float) else text_cell(_shown(value))


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:.6g}"
        case _ if is_mapping(value):
            return "; ".join(f"{name}: {_shown(each)}" for name, each in value.items())
        case _ if is_sequence(value):
            return "; ".join(map(_shown, value))
        case _:
            return str(value)
