"""What the lines of a set come to, whoever wrote them and in whatever order they are read.

The later edit of an annotation holds, by a clock that never runs behind what its writer had seen.
A removed annotation stays known as such, or a copy that a synced folder made would bring it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.annotations.row_table import RowTable
from viewer.annotations.sets.body_file import BodyFile
from viewer.annotations.sets.records import (
    ChangeRecord,
    EditLine,
    PropertyLine,
    SealedLine,
    SetHeader,
    unsealed_line,
)
from viewer.memory.long_list import LongList, whole_numbers
from viewer.memory.slow_release import release_slowly
from viewer.window_first import give_way, giving_way

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from viewer.annotations.sets.records import Sealer, SetLine

_REMOVED = -1
_AT_ONCE = 1000
_MOST_SHARED = 10_000
_MOST_LOOSE_BYTES = 64 << 20
"""Of bodies that hold no more, beyond those that hold, before their room is given back."""


class MergedSet:
    """Lines taken in one after the other; a line that is taken in twice changes nothing.

    Of a million annotations an object each would take a gigabyte: what is known of them is kept in
    columns, and their packed bytes in a file.

    Parameters
    ----------
    about
        What sealed lines of the set are bound to.
    sealer
        Opens sealed lines; None opens none.
    """

    def __init__(self, about: bytes, sealer: Sealer | None) -> None:
        self._about = about
        self._sealer = sealer
        self.header: SetHeader | None = None
        self.properties: dict[str, tuple[int, str]] = {}
        """The clock and value of each."""
        self.latest = 0
        """The latest clock that was seen."""
        self.sealed_count = 0
        """Lines that stay sealed here."""
        self.living_bytes = 0
        """Of the packed annotations that are there."""
        self._file = BodyFile()
        self._living_count = 0
        self._shared: dict[int, int] = {}
        self._begin()

    def _begin(self) -> None:
        self._rows = RowTable[bytes]()
        self._ids = LongList[bytes]()
        """Of each annotation that ever was, of which the columns tell:"""
        self._clocks, self._writers = LongList[int](), LongList[str]()
        """When and by whom it was written last."""
        self._place_clocks, self._place_numbers = LongList[int](), LongList[int]()
        """Its rank in the order of drawing."""
        self._numbers = whole_numbers()
        """Of its body in the file, or that it was removed."""

    def __len__(self) -> int:
        return self._living_count

    @property
    def count(self) -> int:
        """Return how many annotations ever were, those included that were removed."""
        return len(self._ids)

    def take(self, lines: Iterable[SetLine], writer: str) -> bool:
        """Take lines of one writer's file in; True where anything is other than before."""
        is_changed = False
        for line in lines:
            match line:
                case SetHeader():
                    writer = line.writer
                    is_changed |= self.header is None
                    self.header = self.header or line
                case EditLine():
                    is_changed |= self._take_edit(line, writer)
                case PropertyLine():
                    is_changed |= self._take_property(line)
                case SealedLine():
                    opened = unsealed_line(line, self._sealer, self._about)
                    if opened is None or isinstance(opened, SetHeader | SealedLine):
                        self.sealed_count += 1
                    else:
                        is_changed |= self.take([opened], writer)
        return is_changed

    def place_of(self, id_: bytes) -> tuple[int, int] | None:
        """Return the rank in the order of drawing, also of what was removed."""
        row = self._rows.get(id_)
        return None if row is None else (self._place_clocks[row], self._place_numbers[row])

    def body_of(self, id_: bytes) -> bytes | None:
        """Return the bytes of an annotation; None where there is none."""
        row = self._rows.get(id_)
        if row is None or self._numbers[row] == _REMOVED:
            return None
        return next(self._file.bodies([self._numbers[row]]))

    def living(self, naming: Sequence[bytes] = ()) -> Iterator[bytes]:
        """Yield the bytes of what is there, in the order of drawing.

        Of those that hold one of the words of `naming`, where there are any.
        """
        for part in self._living_numbers():
            for body in self._file.bodies(part):
                if not naming or any(word in body for word in naming):
                    yield body

    def records(self) -> Iterator[ChangeRecord]:
        """Yield all that is known of each annotation, also of what was removed."""
        for begin in range(0, len(self._ids), _AT_ONCE):
            rows = range(begin, min(begin + _AT_ONCE, len(self._ids)))
            numbers = [self._numbers[row] for row in rows]
            bodies = self._file.bodies([each for each in numbers if each != _REMOVED])
            for row, number in zip(rows, numbers, strict=True):
                place = self._place_clocks[row], self._place_numbers[row]
                body = None if number == _REMOVED else next(bodies)
                yield ChangeRecord(self._ids[row], place, body, self._clocks[row])

    def close(self) -> None:
        """Forget all of it; very much is freed little by little."""
        columns = (self._ids, self._clocks, self._writers, self._place_clocks, self._place_numbers)
        if len(self._ids) > _AT_ONCE:
            release_slowly(self._rows.parts, *(each.parts for each in columns))
        self._begin()
        self._file.close()

    # -----------------------------------------------------------------------------------------

    def _take_edit(self, line: EditLine, writer: str) -> bool:
        self.latest = max(self.latest, line.clock)
        taken: dict[int, bytes | None] = {}
        for change in giving_way(line.changes):
            clock = line.clock if change.clock in (0, line.clock) else self._one(change.clock)
            row = self._rows.get(change.id)
            if row is None:
                row = self._rows.add(change.id)
                self._ids.append(change.id)
                self._clocks.append(clock)
                self._writers.append(writer)
                first, number = change.place
                self._place_clocks.append(line.clock if first == line.clock else self._one(first))
                self._place_numbers.append(self._one(number))
                self._numbers.append(_REMOVED)
            elif (clock, writer) > (self._clocks[row], self._writers[row]):
                self._clocks[row], self._writers[row] = clock, writer
                place = min((self._place_clocks[row], self._place_numbers[row]), change.place)
                self._place_clocks[row], self._place_numbers[row] = map(self._one, place)
            else:
                continue
            taken[row] = change.body
        self._keep(taken)
        return bool(taken)

    def _keep(self, taken: dict[int, bytes | None]) -> None:
        """Put bodies in the place of those that rows had; None removes."""
        bodies = [body for body in taken.values() if body is not None]
        numbers = iter(self._file.add(bodies))
        for row, body in giving_way(taken.items()):
            former = self._numbers[row]
            if former != _REMOVED:
                self.living_bytes -= self._file.length_of(former)
            self._living_count += (body is not None) - (former != _REMOVED)
            self._numbers[row] = _REMOVED if body is None else next(numbers)
        self.living_bytes += sum(map(len, bodies))
        if self._file.size_bytes > 2 * self.living_bytes + _MOST_LOOSE_BYTES:
            self._tighten()

    def _tighten(self) -> None:
        """Write what holds to another file, without what holds no more."""
        living = np.flatnonzero(_array_of(self._numbers, "i8") != _REMOVED)
        former, self._file = self._file, BodyFile()
        for begin in range(0, len(living), _AT_ONCE):
            give_way()
            part: list[int] = living[begin : begin + _AT_ONCE].tolist()
            bodies = list(former.bodies([self._numbers[row] for row in part]))
            for row, number in zip(part, self._file.add(bodies), strict=True):
                self._numbers[row] = number
        former.close()

    def _living_numbers(self) -> Iterator[list[int]]:
        """Yield the numbers of the bodies of what is there, in the order of drawing."""
        try:
            clocks = _array_of(self._place_clocks, "i8")
            numbers = _array_of(self._place_numbers, "i8")
        except OverflowError:  # of a file that no program of ours wrote
            key = zip(self._place_clocks, self._place_numbers, self._ids, strict=True)
            in_order = sorted((*each, row) for row, each in enumerate(key))
            order = np.array([row for *_, row in in_order])
        else:
            order = np.lexsort((_array_of(self._ids, "S16"), numbers, clocks))
        for begin in range(0, len(order), _AT_ONCE):
            give_way()
            rows: list[int] = order[begin : begin + _AT_ONCE].tolist()
            of_rows = [self._numbers[row] for row in rows]
            yield [each for each in of_rows if each != _REMOVED]

    def _one(self, number: int) -> int:
        """Return one object for all equal numbers that come in a row: each takes 32 bytes."""
        if len(self._shared) > _MOST_SHARED:
            self._shared.clear()
        return self._shared.setdefault(number, number)

    def _take_property(self, line: PropertyLine) -> bool:
        self.latest = max(self.latest, line.clock)
        now = (line.clock, line.value)
        if now <= self.properties.get(line.name, (0, "")):
            return False
        self.properties[line.name] = now
        return True


def _array_of(values: LongList[Any], dtype: str) -> NDArray[Any]:
    """Return an array of values, a few at a time: else no other thread computes meanwhile."""
    found = np.empty(len(values), dtype)
    begin = 0
    for part in values.parts:
        give_way()
        found[begin : begin + len(part)] = part
        begin += len(part)
    return found
