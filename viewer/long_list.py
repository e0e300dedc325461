"""Lists of very many that are never copied to become longer."""

from __future__ import annotations

from array import array
from itertools import chain
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableSequence

_T = TypeVar("_T")
_BITS = 13
_IN_PART = 1 << _BITS
_PLACE = _IN_PART - 1


class LongList(Generic[_T]):
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

    def __len__(self) -> int:
        return (len(self.parts) - 1) * _IN_PART + len(self.parts[-1]) if self.parts else 0

    def __getitem__(self, at: int) -> _T:
        return self.parts[at >> _BITS][at & _PLACE]

    def __setitem__(self, at: int, thing: _T) -> None:
        self.parts[at >> _BITS][at & _PLACE] = thing

    def __iter__(self) -> Iterator[_T]:
        return chain.from_iterable(self.parts)


def whole_numbers() -> LongList[int]:
    """Return an empty list of whole numbers below 2^63, of eight bytes each."""
    return LongList(lambda: array("q"))
