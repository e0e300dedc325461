"""The rows of ids, in tables of which none is large.

To make the table of a dictionary of a million larger is one call, in which no other thread runs.
"""

from __future__ import annotations

from typing import Generic, TypeVar

_Id = TypeVar("_Id", int, bytes)
PARTS = 251
"""Ids go into as many tables, by the remainder of their hash."""


class RowTable(Generic[_Id]):
    """Gives ids rows, from 0 on, each as it comes; they only grow."""

    def __init__(self) -> None:
        self.parts: list[dict[_Id, int]] = [{} for _ in range(PARTS)]
        """What is to be freed, part by part, once nobody asks any more."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, id_: _Id) -> int | None:
        """Return the row of an id; None where it has none."""
        return self.parts[hash(id_) % PARTS].get(id_)

    def add(self, id_: _Id) -> int:
        """Return a new row, for an id that has none."""
        row = self.parts[hash(id_) % PARTS][id_] = self._count
        self._count += 1
        return row
