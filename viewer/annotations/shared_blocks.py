"""Blocks that copies have in common until one of them changes a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Copied(Protocol):
    def copy(self) -> Self: ...


Block = TypeVar("Block", bound=_Copied)


class SharedBlocks(list[Block]):
    """Blocks of which a copy has the same: whichever of the two changes one first copies it."""

    def __init__(self, blocks: Iterable[Block] = ()) -> None:
        super().__init__(blocks)
        self._own: set[int] = set()
        """The blocks that no copy has."""

    def shared(self) -> SharedBlocks[Block]:
        """Return a copy, which has the same blocks."""
        self._own = set()
        return SharedBlocks(self)

    def put(self, number: int, block: Block) -> None:
        """Add a block behind the last, or put it in the place of another; no copy has it."""
        if number == len(self):
            self.append(block)
        else:
            self[number] = block
        self._own.add(number)

    def to_change(self, number: int) -> Block:
        """Return a block that no copy has, to be changed."""
        if number not in self._own:
            self[number] = self[number].copy()
            self._own.add(number)
        return self[number]
