"""Measurements of many objects with the same names, which keep their numbers in one array.

A dictionary each would take most of the memory of a million cells: of 40 measurements 1.8 kB, as a
row 0.4 kB.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import ItemsView, Iterator, Sequence, ValuesView

_MOST_ROWS = 256
"""Of a table, which lives as long as one of its rows; Python keeps numbers so small only once."""
_FEWEST_ROWS = 4
"""With fewer a table takes more than their dictionaries."""


class _Table:
    """Numbers of some objects, one after another."""

    __slots__ = ("names", "places", "values")

    def __init__(self, names: tuple[str, ...], values: array[float]) -> None:
        self.names, self.places = _shared(names)
        self.values = values


@lru_cache(1024)
def _shared(names: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the same for all tables of these names: the names, and where each is in a row."""
    return names, {name: place for place, name in enumerate(names)}


class MeasurementRow(Mapping[str, float]):
    """The measurements of one object by their names, which cannot be changed."""

    __slots__ = ("_row", "_table")

    def __init__(self, table: _Table, row: int) -> None:
        self._table = table
        self._row = row

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names in their order: one tuple for all rows of these names."""
        return self._table.names

    def __getitem__(self, name: str) -> float:
        places = self._table.places
        return self._table.values[self._row * len(places) + places[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.places)

    def __len__(self) -> int:
        return len(self._table.places)

    def __contains__(self, name: object) -> bool:
        return name in self._table.places

    def __eq__(self, other: object) -> bool:
        return self is other or super().__eq__(other)

    __hash__ = None  # pyright: ignore[reportAssignmentType] - equal to dictionaries, which have none

    def __repr__(self) -> str:
        return repr(self._as_dict())

    def items(self) -> ItemsView[str, float]:
        """Return names and numbers, all looked up at once."""
        return self._as_dict().items()

    def values(self) -> ValuesView[float]:
        """Return the numbers, all looked up at once."""
        return self._as_dict().values()

    def _as_dict(self) -> dict[str, float]:
        places = self._table.places
        begin = self._row * len(places)
        return dict(zip(places, self._table.values[begin : begin + len(places)], strict=True))


def names_of(measurements: Mapping[str, float]) -> tuple[str, ...]:
    """Return the names in their order."""
    if isinstance(measurements, MeasurementRow):
        return measurements.names
    return tuple(measurements)


def in_rows(measured: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """Return the same measurements, as rows where several have the same names in the same order."""
    rows = list(measured)
    same: dict[tuple[str, ...], list[int]] = {}
    for index, numbers in enumerate(measured):
        if numbers:
            same.setdefault(tuple(numbers), []).append(index)
    for names, indices in same.items():
        if len(indices) < _FEWEST_ROWS:
            continue
        for begin in range(0, len(indices), _MOST_ROWS):
            some = indices[begin : begin + _MOST_ROWS]
            values = chain.from_iterable([measured[index].values() for index in some])
            table = _Table(names, array("d", values))
            for row, index in enumerate(some):
                rows[index] = MeasurementRow(table, row)
    return rows
