"""What the cores of a tissue microarray are called by their row and column, such as A-1."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from viewer.errors import CoverslipError

Order = Literal["row", "column"]
_LETTERS = 26
_SPAN = re.compile(r"\s*([A-Za-z]{1,3}|\d{1,4})\s*(?:(?:-|–|\.\.|:)\s*([A-Za-z]{1,3}|\d{1,4})\s*)?")
_NAME = re.compile(r"([A-Za-z]{1,3}|\d{1,4})\s*[-_. ]?\s*([A-Za-z]{1,3}|\d{1,4})")


class TmaError(CoverslipError):
    """Something that cannot be done with the cores of a slide; `str()` is one sentence."""


class NoCoresError(TmaError):
    """A slide on which there is no microarray."""


class LabelScheme(msgspec.Struct, frozen=True):
    """How rows and columns are labeled, and which label comes first.

    Attributes
    ----------
    rows, columns
        The label of the first one; the others follow it, backward where `_down` says so.
    """

    rows: str = "A"
    columns: str = "1"
    order: Order = "row"
    rows_down: bool = False
    columns_down: bool = False

    def name(self, row: int, column: int) -> str:
        """Return what the core of a row and a column is called; both count from 0.

        Raises
        ------
        TmaError
            The labels run out, as those that count backward do.
        """
        parts = (self.of("row", row), self.of("column", column))
        return "-".join(parts if self.order == "row" else reversed(parts))

    def of(self, what: Order, index: int) -> str:
        """Return the label of a row or column, counted from 0. Raises TmaError as `name` does."""
        if what == "row":
            return _label(self.rows, index, is_down=self.rows_down)
        return _label(self.columns, index, is_down=self.columns_down)

    def place(self, name: str) -> tuple[int, int] | None:
        """Return row and column, from 0, of the core that has this name; None for other names.

        Names are understood in any case, and with another sign or none between their parts.
        """
        found = _NAME.fullmatch(name.strip())
        if found is None:
            return None
        first, second = found.groups()
        if self.order == "column":
            first, second = second, first
        row = _index(self.rows, first, is_down=self.rows_down)
        column = _index(self.columns, second, is_down=self.columns_down)
        return None if row is None or column is None else (row, column)


def label_scheme(rows: str = "A", columns: str = "1", order: str = "row") -> LabelScheme:
    """Return the scheme of labels such as "A-J", "1-16" or "8-1"; the ends need not be given.

    Raises
    ------
    TmaError
        A label is none, or the order is neither row nor column.
    """
    if order not in ("row", "column"):
        raise TmaError(f'The order of labels cannot be "{order}": choose row or column.')
    first_row, rows_down = _span(rows, "rows")
    first_column, columns_down = _span(columns, "columns")
    return LabelScheme(first_row, first_column, order, rows_down, columns_down)


def schemes_of(first_name: str) -> tuple[LabelScheme, ...]:
    """Return the schemes by which the core of the first row and column has this name.

    The likelier first: rows have letters, as a rule.
    """
    found = _NAME.fullmatch(first_name.strip())
    if found is None:
        return ()
    first, second = (each.upper() for each in found.groups())
    schemes = (LabelScheme(first, second), LabelScheme(second, first, "column"))
    is_turned = first.isdigit() and not second.isdigit()
    return schemes[::-1] if is_turned else schemes


def _span(text: str, what: str) -> tuple[str, bool]:
    found = _SPAN.fullmatch(text)
    first, last = found.groups() if found is not None else ("", "")
    if not first or (last and first.isdigit() != last.isdigit()):
        raise TmaError(f'Labels of {what} cannot be "{text}": give them such as A-J or 1-16.')
    first = first.upper()
    return first, bool(last) and _number(last) < _number(first)


def _label(first: str, index: int, *, is_down: bool) -> str:
    number = _number(first) + (-index if is_down else index)
    if number < (0 if first.isdigit() else 1):
        raise TmaError(f"Labels from {first} down do not reach so far: choose others.")
    if first.isdigit():
        return str(number)
    text = ""
    while number:
        number, rest = divmod(number - 1, _LETTERS)
        text = chr(ord("A") + rest) + text
    return text


def _index(first: str, label: str, *, is_down: bool) -> int | None:
    if first.isdigit() != label.isdigit():
        return None
    index = (_number(first) - _number(label)) if is_down else (_number(label) - _number(first))
    return index if index >= 0 else None


def _number(label: str) -> int:
    """Return the number of a label: A is 1, Z 26, AA 27."""
    if label.isdigit():
        return int(label)
    number = 0
    for letter in label.upper():
        number = number * _LETTERS + ord(letter) - ord("A") + 1
    return number
