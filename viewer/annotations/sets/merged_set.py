"""What the lines of a set come to, whoever wrote them and in whatever order they are read.

The later edit of an annotation holds, by a clock that never runs behind what its writer had seen.
A removed annotation stays known as such, or a copy that a synced folder made would bring it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from viewer.annotations.sets.records import (
    EditLine,
    PropertyLine,
    SealedLine,
    SetHeader,
    unsealed_line,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from viewer.annotations.sets.records import Sealer, SetLine


class Held(NamedTuple):
    """What holds of an annotation: when and by whom it was written last, and its packed bytes.

    `body` is None where it was removed; `place` is its rank in the order of drawing.
    """

    clock: int
    writer: str
    place: tuple[int, int]
    body: bytes | None


class MergedSet:
    """Lines taken in one after the other; a line that is taken in twice changes nothing.

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
        self.held: dict[bytes, Held] = {}
        self.properties: dict[str, tuple[int, str]] = {}
        """The clock and value of each."""
        self.latest = 0
        """The latest clock that was seen."""
        self.sealed_count = 0
        """Lines that stay sealed here."""

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

    def living(self, naming: Sequence[bytes] = ()) -> list[bytes]:
        """Return the bytes of what is there, in the order of drawing.

        Of those that hold one of the words of `naming`, where there are any.
        """
        found = [
            (each.place, id_, each.body)
            for id_, each in self.held.items()
            if each.body is not None and (not naming or any(word in each.body for word in naming))
        ]
        found.sort()
        return [body for _, _, body in found]

    def __len__(self) -> int:
        return sum(each.body is not None for each in self.held.values())

    def _take_edit(self, line: EditLine, writer: str) -> bool:
        held, is_changed = self.held, False
        self.latest = max(self.latest, line.clock)
        for change in line.changes:
            clock = change.clock or line.clock
            before = held.get(change.id)
            if before is None or (clock, writer) > (before.clock, before.writer):
                place = change.place if before is None else min(before.place, change.place)
                held[change.id] = Held(clock, writer, place, change.body)
                is_changed = True
        return is_changed

    def _take_property(self, line: PropertyLine) -> bool:
        self.latest = max(self.latest, line.clock)
        now = (line.clock, line.value)
        if now <= self.properties.get(line.name, (0, "")):
            return False
        self.properties[line.name] = now
        return True
