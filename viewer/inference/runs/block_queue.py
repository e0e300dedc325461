"""Which block comes next: what is on screen first, then what lies round it, then the rest."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.geometry import Box
    from viewer.overlays.blocks import BlockGrid, BlockKey


_MOST_IN_FIELD = 1024
"""Blocks of a field that are wanted, the middle ones; a whole slide on screen may have more, and
would take longer than anyone looks."""


class BlockQueue:
    """The blocks to compute, in order; used under the engine's lock, so nothing here takes long."""

    def __init__(self, grid: BlockGrid) -> None:
        self._grid = grid
        self._settled: set[BlockKey] = set()
        self._under_way: set[BlockKey] = set()
        self._field: deque[BlockKey] = deque()
        self._whole: deque[BlockKey] = deque()
        self._whole_left: set[BlockKey] = set()
        self.whole_count = 0

    @property
    def whole_done(self) -> int:
        """Return how many of the blocks asked for as a whole are known."""
        return self.whole_count - len(self._whole_left)

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    @property
    def is_idle(self) -> bool:
        """Return whether all that was asked for is known."""
        is_waiting = self._under_way or self._whole_left
        return not is_waiting and all(key in self._settled for key in self._field)

    def look_at(self, field: Box | None) -> None:
        """Queue the blocks of a field (level-0 px), then a ring, in place of the last field."""
        self._field.clear()
        if field is None:
            return
        inside = self._grid.touching(field, _MOST_IN_FIELD)
        self._field.extend(inside)
        if len(inside) < _MOST_IN_FIELD:
            shown = set(inside)
            ring = self._grid.touching(field.grown(self._grid.side), 2 * _MOST_IN_FIELD)
            self._field.extend(key for key in ring if key not in shown)

    def want(self, keys: Sequence[BlockKey]) -> None:
        """Queue these behind the field of view, in place of those that were queued so before."""
        self._whole = deque(keys)
        self._whole_left = set(keys) - self._settled
        self.whole_count = len(keys)

    def stop(self) -> None:
        """Drop all blocks but those of the field of view."""
        self._whole.clear()
        self._whole_left.clear()
        self.whole_count = 0

    def take(self) -> BlockKey | None:
        """Return the next block, now under way; None where nothing is left."""
        for waiting in (self._field, self._whole):
            while waiting:
                key = waiting.popleft()
                if key not in self._settled and key not in self._under_way:
                    self._under_way.add(key)
                    return key
        return None

    def is_settled(self, key: BlockKey) -> bool:
        """Return whether the block is known, or cannot be known."""
        return key in self._settled

    def mark_done(self, key: BlockKey) -> None:
        """Note that a block is known, or cannot be known."""
        self._under_way.discard(key)
        self._whole_left.discard(key)
        self._settled.add(key)

    def give_back_all(self) -> list[BlockKey]:
        """Put what was under way back in front of all others, and return it."""
        lost = sorted(self._under_way)
        self._under_way.clear()
        self._field.extendleft(lost)
        return lost
