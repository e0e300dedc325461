"""Sets of ids that share what they have in common: one more of a million takes no copy of all."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from itertools import chain, filterfalse
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MOST_APART = 2000
"""Ids that two sets differ by while they share the others: as many are copied with each."""


class IdSet(AbstractSet[UUID]):
    """Ids that never change: those of a set that others share, but for a few.

    Parameters
    ----------
    shared
        What it has in common with others.
    came, gone
        What it has besides, and which of the shared ones it lacks.
    """

    __slots__ = ("_came", "_gone", "_shared")

    def __init__(
        self,
        shared: frozenset[UUID] = frozenset(),
        came: frozenset[UUID] = frozenset(),
        gone: frozenset[UUID] = frozenset(),
    ) -> None:
        if len(came) + len(gone) > min(_MOST_APART, len(shared)):
            shared, came, gone = (shared - gone) | came, frozenset(), frozenset()
        self._shared, self._came, self._gone = shared, came, gone

    @classmethod
    def of(cls, ids: Iterable[UUID]) -> IdSet:
        """Return a set of ids, the same where it is one already."""
        return ids if isinstance(ids, IdSet) else cls(frozenset(ids))

    @property
    def shared(self) -> frozenset[UUID]:
        """Return what takes room, once for all sets that share it."""
        return self._shared

    def __len__(self) -> int:
        return len(self._shared) + len(self._came) - len(self._gone)

    def __iter__(self) -> Iterator[UUID]:
        if not (self._came or self._gone):
            return iter(self._shared)
        return chain(filterfalse(self._gone.__contains__, self._shared), self._came)

    def __contains__(self, id_: object) -> bool:
        return (id_ in self._shared and id_ not in self._gone) or id_ in self._came

    def __and__(self, other: AbstractSet[object]) -> frozenset[UUID]:
        return (self._shared.intersection(other) - self._gone) | self._came.intersection(other)

    __rand__ = __and__

    def with_ids(self, ids: AbstractSet[UUID]) -> IdSet:
        """Return these and others, quickly where those are few."""
        came = frozenset(ids) - self._shared
        return IdSet(self._shared, self._came | came, self._gone.difference(ids))

    def without(self, ids: AbstractSet[UUID]) -> IdSet:
        """Return these without others, quickly where those are few."""
        gone = self._shared.intersection(ids)
        return IdSet(self._shared, self._came.difference(ids), self._gone | gone)

    def differing(self, other: IdSet) -> frozenset[UUID] | None:
        """Return what one of both has alone; None where of very many nobody knows it at once."""
        if self._shared is other._shared:
            return (self._came ^ other._came) | (self._gone ^ other._gone)
        if max(len(self), len(other)) > _MOST_APART:
            return None
        return frozenset(self) ^ frozenset(other)
