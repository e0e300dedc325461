"""Text in the cells of tables, so that no spreadsheet takes it for a formula.

A text that begins with = + - @, a tab or a return gets an apostrophe before it, which reading takes
off again. Numbers are no texts and stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def text_cell(text: str) -> str:
    """Return a text as it is written to a cell."""
    return f"'{text}" if text.startswith(_FORMULA) or _is_escaped(text) else text


def cell_of(value: object) -> object:
    """Return a value as it is written to a table: a text by `text_cell`, all else as it is."""
    return text_cell(value) if isinstance(value, str) else value


def row_cells(row: Iterable[object]) -> list[object]:
    """Return the cells of a row, each as `cell_of`."""
    return [cell_of(each) for each in row]


def bare_cell(text: str) -> str:
    """Return the text that `text_cell` was given."""
    return text[1:] if _is_escaped(text) else text


def _is_escaped(text: str) -> bool:
    return text.startswith("'") and text[1:].startswith((*_FORMULA, "'"))
