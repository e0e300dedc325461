"""Lists of very many that are never copied to become longer."""

from __future__ import annotations

import operator
from array import array
from collections.abc import MutableSequence, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeGuard, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_T = TypeVar("_T")
_BITS = 13
_IN_PART = 1 << _BITS
_PLACE = _IN_PART - 1


class LongList(Sequence[_T]):
    """A list in parts that only grows.

    A list of a million is copied each time it outgrows its room, in one call in which no other
    thread runs: 2 ms, but a tenth of a second where the system has to give the memory first.

    Parameters
    ----------
    make
        Makes an empty part, such as an array.
    """

    __slots__ = ("_make", "parts")

    def __init__(self, make: Callable[[], MutableSequence[_T]] = list) -> None:
        self._make = make
        self.parts: list[MutableSequence[_T]] = []
        """What is to be freed, part by part, once nobody has the list any more."""

    def append(self, thing: _T) -> None:
        """Add a thing at the end."""
        if not self.parts or len(self.parts[-1]) == _IN_PART:
            self.parts.append(self._make())
        self.parts[-1].append(thing)

    def extend(self, things: Iterable[_T]) -> None:
        """Add things at the end, as many at a time as a part holds."""
        rest = iter(things)
        while some := list(islice(rest, _IN_PART - len(self) % _IN_PART)):
            if len(self) % _IN_PART == 0:
                self.parts.append(self._make())
            self.parts[-1].extend(some)

    def __len__(self) -> int:
        return (len(self.parts) - 1) * _IN_PART + len(self.parts[-1]) if self.parts else 0

    @overload
    def __getitem__(self, at: int) -> _T: ...
    @overload
    def __getitem__(self, at: slice) -> list[_T]: ...
    def __getitem__(self, at: int | slice) -> _T | list[_T]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        return self.parts[at >> _BITS][at & _PLACE]

    def __setitem__(self, at: int, thing: _T) -> None:
        self.parts[at >> _BITS][at & _PLACE] = thing

    def __iter__(self) -> Iterator[_T]:
        return chain.from_iterable(self.parts)

    def __eq__(self, other: object) -> bool:
        if not _is_sequence(other):
            return NotImplemented
        return len(self) == len(other) and all(map(operator.eq, self, other))

    def __reversed__(self) -> Iterator[_T]:
        return chain.from_iterable(map(reversed, reversed(self.parts)))


def _is_sequence(thing: object) -> TypeGuard[Sequence[object]]:
    return isinstance(thing, Sequence)


def gathered(things: Iterable[_T]) -> Sequence[_T]:
    """Return things together: as a tuple, or where they are very many in parts."""
    rest = iter(things)
    few = tuple(islice(rest, _IN_PART))
    if len(few) < _IN_PART:
        return few
    many = LongList[_T]()
    many.extend(few)
    many.extend(rest)
    return many


def parts_of(things: Sequence[_T]) -> list[MutableSequence[_T]]:
    """Return what things lie in, so that it can be freed part by part by who has it last."""
    return [*things.parts] if isinstance(things, LongList) else [[*things]]


def whole_numbers() -> LongList[int]:
    """Return an empty list of whole numbers below 2^63, of eight bytes each."""
    return LongList(lambda: array("q"))
