"""Lists of slides: text files with a path or address a line, and tables with a column of them."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from viewer.cohort.errors import BatchError
from viewer.errors import reason_of
from viewer.limits import JSON_BYTES, read_regular
from viewer.slides.remote.address import is_address, slide_path

if TYPE_CHECKING:
    from pathlib import Path

_TABLES = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (".txt", ".lst", *_TABLES)
"""Of files that are lists."""
_LONGEST_NAME = 4096
_COLUMNS = ("path", "slide", "slide_path", "file", "filename", "wsi", "image", "address", "url")
"""What the column of slides may be called, the surest first; else it is the first one."""


def is_slide_list(path: Path) -> bool:
    """Return whether a path names a list of slides and not a slide, by its suffix."""
    return not is_address(path) and path.suffix.lower() in SUFFIXES and path.is_file()


def read_slide_list(path: Path) -> list[Path]:
    """Return the slides of a list in its order; those of relative paths lie beside the list.

    Empty lines and those that begin with # are left out.

    Raises
    ------
    BatchError
        The list cannot be read, or names no slide; one sentence says why.
    """
    try:
        text = read_regular(path, JSON_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise BatchError(f"{path.name} cannot be read ({reason_of(error)}).") from error
    except UnicodeDecodeError as error:
        raise BatchError(f"{path.name} is no list of slides: save it as text in UTF-8.") from error
    try:
        return _named(text, path)
    except csv.Error as error:
        raise BatchError(f"{path.name} is no table of slides ({error}).") from error


def _named(text: str, path: Path) -> list[Path]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    separator = _TABLES.get(path.suffix.lower())
    named = [line.strip() for line in lines] if separator is None else _column(lines, separator)
    if not named:
        raise BatchError(f"{path.name} names no slides: write a path or address in each line.")
    if max(map(len, named)) > _LONGEST_NAME:
        raise BatchError(f"{path.name} is no list of slides: it has names that no file can have.")
    return [_place(name, path) for name in named]


def _column(lines: list[str], separator: str) -> list[str]:
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
    if not rows:
        return []
    names = [cell.casefold() for cell in rows[0]]
    known = [name for name in _COLUMNS if name in names]
    at = names.index(known[0]) if known else 0
    body = rows[1:] if known else rows
    return [row[at] for row in body if len(row) > at and row[at]]


def _place(name: str, beside: Path) -> Path:
    if is_address(name):
        return slide_path(name)
    # A path that is absolute stays one.
    return beside.parent / name
