"""Annotations by id, in blocks that copies share: neither copying nor freeing a million takes long.

A dictionary of a million is copied, and freed, in one call during which no other thread runs.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING
from uuid import UUID

from viewer.annotations.shared_blocks import SharedBlocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.bounds_index import BoundsIndex

_BITS = 9
_IN_BLOCK = 1 << _BITS
"""Rows of a block: as many are freed at once, within a millisecond."""
_PLACE = _IN_BLOCK - 1

Block = list["Annotation | None"]
"""What is at rows that follow on each other; None where nothing is."""


class HeldAnnotations:
    """What is at each row of an index, by id; a row is a place in the order of drawing.

    A copy shares the blocks.
    """

    def __init__(self, index: BoundsIndex) -> None:
        self._index = index
        self._blocks: SharedBlocks[Block] = SharedBlocks()
        self._count = 0

    def copied(self, index: BoundsIndex) -> HeldAnnotations:
        """Return another of the same content, over a copy of the index."""
        other = HeldAnnotations(index)
        other._blocks, other._count = self._blocks.shared(), self._count
        return other

    @property
    def blocks(self) -> list[Block]:
        """Return what is to be freed, block by block, once nobody has this any more."""
        return self._blocks

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[UUID]:
        """Yield the ids."""
        return chain.from_iterable(
            [each.id for each in block if each is not None] for block in self._blocks
        )

    def __contains__(self, id_: object) -> bool:
        return isinstance(id_, UUID) and self.get(id_) is not None

    def __getitem__(self, id_: UUID) -> Annotation:
        found = self.get(id_)
        if found is None:
            raise KeyError(id_)
        return found

    def get(self, id_: UUID) -> Annotation | None:
        """Return an annotation; None where it is not here."""
        row = self._index.row_of(id_)
        if row is None or row >> _BITS >= len(self._blocks):
            return None
        return self._blocks[row >> _BITS][row & _PLACE]

    def values(self) -> Iterator[Annotation]:
        """Yield the annotations in the order of drawing, those without bounds too."""
        return chain.from_iterable(
            [each for each in block if each is not None] for block in self._blocks
        )

    def at_rows(self, rows: Iterable[int]) -> list[Annotation | None]:
        """Return what is at rows of the index that had bounds; None for what was removed since."""
        blocks = self._blocks
        return [blocks[row >> _BITS][row & _PLACE] for row in rows]

    def put(self, annotation: Annotation) -> None:
        """Add an annotation on top, or put it in the place of the one that has its id."""
        row = self._index.row_for(annotation.id)
        while row >> _BITS >= len(self._blocks):
            self._blocks.put(len(self._blocks), [None] * _IN_BLOCK)
        block = self._blocks.to_change(row >> _BITS)
        self._count += block[row & _PLACE] is None
        block[row & _PLACE] = annotation

    def remove(self, id_: UUID) -> None:
        """Take an annotation away. Raises KeyError."""
        if id_ not in self:
            raise KeyError(id_)
        row = self._index.place(id_)
        self._blocks.to_change(row >> _BITS)[row & _PLACE] = None
        self._count -= 1
