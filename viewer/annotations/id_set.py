"""Sets of ids that share what they have in common: one more of a million takes no copy of all."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from itertools import chain, filterfalse, islice
from typing import TYPE_CHECKING
from uuid import UUID

from viewer.annotations.row_table import PARTS
from viewer.window_first import giving_way

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Part = dict[int, UUID]

_MOST_APART = 2000
"""Ids that two sets differ by while they share the others: as many are copied with each."""
FEW = 50_000
"""Ids that are put into one table, which takes a hundredth of a second at most: made larger by
itself, or freed, that is one call of some milliseconds."""


class SharedIds:
    """Ids in tables of which none is large: to make one of a million takes a tenth of a second.

    That is one call, again whenever the table has become too small, and no other thread runs in it.
    By their numbers ids are found sooner than by themselves, whose hashes Python works out.
    """

    __slots__ = ("_count", "parts")

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts
        """Each is freed by itself by whoever lets go of them in a list of their own."""
        self._count = sum(map(len, parts))

    @classmethod
    def of(cls, ids: Iterable[UUID]) -> SharedIds:
        """Put ids together; work in threads gives way to the window meanwhile."""
        if isinstance(ids, IdSet) and ids.is_shared:
            return ids.shared
        rest = iter(ids)
        few = list(islice(rest, FEW))
        if len(few) < FEW:
            return cls([{id_.int: id_ for id_ in few}])
        parts: list[Part] = [{} for _ in range(PARTS)]
        for id_ in giving_way(chain(few, rest)):
            number = id_.int
            parts[number % PARTS][number] = id_
        return cls(parts)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[UUID]:
        return chain.from_iterable(part.values() for part in self.parts)

    def __contains__(self, id_: UUID) -> bool:
        return id_.int in self.parts[id_.int % len(self.parts)]

    def union(self, other: SharedIds) -> SharedIds:
        """Return the ids of both."""
        return SharedIds([part | more for part, more in self._beside(other)])

    def common(self, other: SharedIds) -> SharedIds:
        """Return what is in both."""
        return SharedIds(
            [
                {n: id_ for n, id_ in part.items() if n in those}
                for part, those in self._beside(other)
            ]
        )

    def less(self, other: SharedIds) -> SharedIds:
        """Return what is not in the other."""
        return SharedIds(
            [
                {n: id_ for n, id_ in part.items() if n not in those}
                for part, those in self._beside(other)
            ]
        )

    def _beside(self, other: SharedIds) -> Iterator[tuple[Part, Part]]:
        """Yield the parts of both that may have ids in common."""
        count = max(len(self.parts), len(other.parts))
        return zip(self._spread(count), other._spread(count), strict=True)

    def _spread(self, count: int) -> list[Part]:
        if len(self.parts) == count:
            return self.parts
        parts: list[Part] = [{} for _ in range(count)]
        for id_ in self:
            parts[id_.int % count][id_.int] = id_
        return parts


_NONE = SharedIds([{}])


class IdSet(AbstractSet[UUID]):
    """Ids that never change: those of a set that others share, but for a few.

    Parameters
    ----------
    shared
        What it has in common with others.
    came, gone
        What it has besides, and which of the shared ones it lacks.
    """

    __slots__ = ("_came", "_gone", "shared")

    def __init__(
        self,
        shared: SharedIds = _NONE,
        came: frozenset[UUID] = frozenset(),
        gone: frozenset[UUID] = frozenset(),
    ) -> None:
        self.shared = shared
        self._came, self._gone = came, gone
        if len(came) + len(gone) > min(_MOST_APART, len(shared)):
            self.shared = SharedIds.of(iter(self))
            self._came = self._gone = frozenset[UUID]()

    @classmethod
    def of(cls, ids: Iterable[UUID]) -> IdSet:
        """Return a set of ids, the same where it is one already.

        Of a million it takes half a second; work in threads gives way to the window meanwhile.
        """
        return ids if isinstance(ids, IdSet) else cls(SharedIds.of(ids))

    @property
    def is_shared(self) -> bool:
        """Return whether it has just what it may have in common with others."""
        return not (self._came or self._gone)

    def __len__(self) -> int:
        return len(self.shared) + len(self._came) - len(self._gone)

    def __iter__(self) -> Iterator[UUID]:
        if self.is_shared:
            return iter(self.shared)
        return chain(filterfalse(self._gone.__contains__, self.shared), self._came)

    def __contains__(self, id_: object) -> bool:
        if not isinstance(id_, UUID):
            return False
        parts, number = self.shared.parts, id_.int
        if number in parts[number % len(parts)]:
            return not self._gone or id_ not in self._gone
        return bool(self._came) and id_ in self._came

    def __and__(self, other: AbstractSet[object]) -> IdSet:
        if len(other) <= _MOST_APART:
            return IdSet.of(id_ for id_ in other if isinstance(id_, UUID) and id_ in self)
        ids = (id_ for id_ in other if isinstance(id_, UUID))
        those = SharedIds.of(other if isinstance(other, IdSet) else ids)
        return IdSet(SharedIds.of(self).common(those))

    __rand__ = __and__

    def with_ids(self, ids: AbstractSet[UUID]) -> IdSet:
        """Return these and others, quickly where those are few."""
        if len(ids) > _MOST_APART:
            return IdSet(SharedIds.of(self).union(SharedIds.of(ids)))
        came = self._came.union(id_ for id_ in ids if id_ not in self.shared)
        return IdSet(self.shared, came, self._gone.difference(ids))

    def without(self, ids: AbstractSet[UUID]) -> IdSet:
        """Return these without others, quickly where those are few."""
        if len(ids) > _MOST_APART:
            return IdSet(SharedIds.of(self).less(SharedIds.of(ids)))
        gone = self._gone.union(id_ for id_ in ids if id_ in self.shared)
        return IdSet(self.shared, self._came.difference(ids), gone)

    def differing(self, other: IdSet) -> frozenset[UUID] | None:
        """Return what one of both has alone; None where of very many nobody knows it at once."""
        if self.shared is other.shared:
            return (self._came ^ other._came) | (self._gone ^ other._gone)
        if max(len(self), len(other)) > _MOST_APART:
            return None
        return frozenset(self) ^ frozenset(other)
