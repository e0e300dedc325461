"""Ids of the cores of a microarray, read from a table: a row a core, or a map of the array."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from viewer.annotations.document import Change, Edit
from viewer.annotations.tma.cores import CASE_ID, COLUMN, ROW, TmaGrid, with_missing
from viewer.annotations.tma.labels import TmaError
from viewer.cell_text import bare_cell
from viewer.errors import reason_of
from viewer.limits import open_regular
from viewer.plain_text import shown_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_MOST_BYTES = 16 << 20
_CORE_HEADERS = (
    "core", "name", "tma core", "core name", "core label", "label", "position", "spot", "well",
)  # fmt: skip
_ID_HEADERS = (
    "id", "case id", "case", "unique id", "core id", "patient", "patient id", "sample",
    "sample id", "specimen", "accession",
)  # fmt: skip
_ROW_HEADERS, _COLUMN_HEADERS = ("row", "tma row"), ("column", "col", "tma column")
_MISSING_HEADERS = ("missing", "ismissing", "is missing")
_YES = ("true", "yes", "1", "x")
_OWN = ("centroid x", "centroid y", "diameter")
"""Columns of our own table that say where a core lies: that is not changed by a table."""
_MOST_NAMED = 5


class CoreIds(msgspec.Struct, frozen=True):
    """What a table says of cores.

    Attributes
    ----------
    texts
        By row and column, from 0: metadata by its name.
    missing
        Of the cores of which the table says it.
    problems
        Sentences about what belongs to no core.
    """

    texts: Mapping[tuple[int, int], Mapping[str, str]]
    missing: Mapping[tuple[int, int], bool] = msgspec.field(
        default_factory=dict[tuple[int, int], bool]
    )
    problems: tuple[str, ...] = ()

    def edit(self, grid: TmaGrid) -> Edit:
        """Return the edit that gives the cores what the table says of them."""
        changes: list[Change] = []
        for row, column, core in grid:
            after = core
            for name, text in self.texts.get((row, column), {}).items():
                after = after.noted(name, text)
            if (row, column) in self.missing:
                after = with_missing(after, missing=self.missing[row, column])
            if after != core:
                changes.append(Change(core, after))
        return Edit("Import core ids", tuple(changes))


def read_core_ids(path: Path, grid: TmaGrid) -> CoreIds:
    """Read a table of ids for the cores of a grid: CSV, or text with tabs or semicolons.

    Raises
    ------
    TmaError
        The file cannot be read, or says nothing of cores; one sentence says which forms do.
    """
    try:
        with open_regular(path) as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise TmaError(f"{path.name} cannot be read ({reason_of(error)}).") from error
    if len(content) > _MOST_BYTES:
        raise TmaError(f"{path.name} is too large for a table of core ids.")
    rows = _rows(_decoded(content))
    if not rows:
        raise TmaError(f"{path.name} is empty: a table of core ids has a row for each core.")
    found = _list_with_header(rows, grid) or _bare_list(rows, grid) or _map(rows, grid)
    if found is None or not (found.texts or found.missing):
        raise TmaError(
            f"{path.name} holds no ids of these cores: give a table with the columns Core (such as "
            f"A-1) and Case ID, or a map of {grid.rows} rows and {grid.columns} columns."
        )
    return found


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _rows(text: str) -> list[list[str]]:
    lines = text.splitlines()
    if lines and lines[0].lower().startswith("sep="):
        text = text[len(lines[0]) :].lstrip("\r\n")
    counts = {sign: text.count(sign) for sign in "\t;,"}
    divider = next((s for s in "\t;," if counts[s] and counts[s] >= max(counts.values()) / 2), ",")
    try:
        read = list(csv.reader(io.StringIO(text, newline=""), delimiter=divider))
    except csv.Error as error:
        raise TmaError(f"The table of core ids cannot be read ({error}).") from error
    cells = [[shown_line(bare_cell(cell.strip())) for cell in row] for row in read]
    return [row for row in cells if any(row)]


def _list_with_header(rows: Sequence[list[str]], grid: TmaGrid) -> CoreIds | None:
    header = [cell.casefold() for cell in rows[0]]
    core = _index(header, _CORE_HEADERS)
    row_at, column_at = _index(header, _ROW_HEADERS), _index(header, _COLUMN_HEADERS)
    if core is None and (row_at is None or column_at is None):
        return None
    missing_at = _index(header, _MISSING_HEADERS)
    id_at = next((header.index(each) for each in _ID_HEADERS if each in header), None)
    keys = {
        index: CASE_ID if index == id_at else name
        for index, name in enumerate(rows[0])
        if name and index not in (core, row_at, column_at, missing_at)
        and not header[index].startswith(_OWN) and name not in (ROW, COLUMN)
    }  # fmt: skip
    texts: dict[tuple[int, int], dict[str, str]] = {}
    missing: dict[tuple[int, int], bool] = {}
    strangers: list[str] = []
    twice: list[str] = []
    for cells in rows[1:]:
        cells = cells + [""] * (len(header) - len(cells))
        place = _place(cells[core], grid) if core is not None else None
        if place is None and row_at is not None and column_at is not None:
            place = _by_lines(cells[row_at], cells[column_at], grid)
        if place is None:
            name = (
                cells[core] if core is not None else f"{cells[row_at or 0]}-{cells[column_at or 0]}"
            )
            strangers.append(name)
            continue
        if place in texts:
            twice.append(grid.cores[place].name)
        texts[place] = {key: cells[index] for index, key in keys.items() if cells[index]}
        if missing_at is not None and cells[missing_at]:
            missing[place] = cells[missing_at].casefold() in _YES
    problems = _unknown(strangers) + _repeated(twice)
    return CoreIds({at: each for at, each in texts.items() if each}, missing, problems)


def _bare_list(rows: Sequence[list[str]], grid: TmaGrid) -> CoreIds | None:
    """Return the ids of a table of two columns without a header: core and id."""
    if any(len(row) != 2 for row in rows):
        return None
    places = [_place(row[0], grid) for row in rows]
    if sum(place is not None for place in places) <= len(rows) / 2:
        return None
    texts = {
        place: {CASE_ID: row[1]}
        for place, row in zip(places, rows, strict=True)
        if place is not None and row[1]
    }
    strangers = [row[0] for place, row in zip(places, rows, strict=True) if place is None]
    known = [place for place in places if place is not None]
    twice = [grid.cores[place].name for at, place in enumerate(known) if place in known[:at]]
    return CoreIds(texts, {}, _unknown(strangers) + _repeated(twice))


def _map(rows: Sequence[list[str]], grid: TmaGrid) -> CoreIds | None:
    """Return the ids of a map that is laid out as the array is, with labels around it or none."""
    wide = max(len(row) for row in rows)
    if len(rows) == grid.rows + 1 and wide == grid.columns + 1:
        rows = [row[1:] for row in rows[1:]]
    elif len(rows) == grid.rows + 1 and wide == grid.columns and not grid.rows == grid.columns == 1:
        rows = rows[1:]
    elif len(rows) == grid.rows and wide == grid.columns + 1:
        rows = [row[1:] for row in rows]
    elif len(rows) != grid.rows or wide != grid.columns:
        return None
    texts = {
        (row, column): {CASE_ID: text}
        for row, cells in enumerate(rows)
        for column, text in enumerate(cells)
        if text and (row, column) in grid.cores
    }
    return CoreIds(texts)


def _place(name: str, grid: TmaGrid) -> tuple[int, int] | None:
    """Return the place of the core of a name: its own, or what its place would be called."""
    wanted = name.casefold()
    own = next((at for at, core in grid.cores.items() if core.name.casefold() == wanted), None)
    place = own or grid.labels.place(name)
    return place if place in grid.cores else None


def _by_lines(row: str, column: str, grid: TmaGrid) -> tuple[int, int] | None:
    """Return the place of a row and a column by their labels, or by their numbers from 1."""
    labels = replace(grid.labels, order="row")
    place = labels.place(f"{row}-{column}")
    if place is None and row.isdecimal() and column.isdecimal():
        place = int(row) - 1, int(column) - 1
    return place if place in grid.cores else None


def _index(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _unknown(names: Sequence[str]) -> tuple[str, ...]:
    named = [name for name in names if name]
    if not named:
        return ()
    shown = ", ".join(named[:_MOST_NAMED]) + (", ..." if len(named) > _MOST_NAMED else "")
    which = "core is" if len(named) == 1 else "cores are"
    return (f"{len(named):,} {which} not on this slide and left out: {shown}.",)


def _repeated(names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        return ()
    once = list(dict.fromkeys(names))
    shown = ", ".join(once[:_MOST_NAMED]) + (", ..." if len(once) > _MOST_NAMED else "")
    which = "core has" if len(once) == 1 else "cores have"
    return (f"{len(once):,} {which} more than one row, and the last counts: {shown}.",)
