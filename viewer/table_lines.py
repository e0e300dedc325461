"""Lines of foreign tables as `csv` can read them."""

from __future__ import annotations

import csv
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_LINES_OF_CELL = 50
_MOST_CELL_CHARACTERS = 64 << 20

csv.field_size_limit(_MOST_CELL_CHARACTERS)  # a row is not lost for a long text in it


def with_paired_quotes(lines: Iterator[str], mark: str) -> Iterator[str]:
    """Return lines in which no quote is left open, which would make one cell of all rows behind it.

    A cell may go on over some lines; where one of them is a row of its own, or no quote closes it,
    the quotes of the first line are left out.

    Parameters
    ----------
    mark
        What divides cells.
    """
    waiting: deque[str] = deque()
    columns: int | None = None
    while (line := waiting.popleft() if waiting else next(lines, None)) is not None:
        columns = line.count(mark) if columns is None else columns
        if line.count('"') % 2 == 0:
            yield line
            continue
        held: list[str] = []
        is_closed = False
        while not is_closed and len(held) < _MOST_LINES_OF_CELL:
            following = waiting.popleft() if waiting else next(lines, None)
            if following is None:
                break
            held.append(following)
            is_closed = following.count('"') % 2 == 1
            if not is_closed and columns and following.count(mark) == columns:
                break
        if is_closed:
            yield line
            yield from held
        else:
            yield line.replace('"', "")
            waiting.extendleft(reversed(held))
