"""Time at work: what passes while nothing is touched for long does not count."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_S = 60.0
"""Longest time between two touches that counts; looking at cells needs no hand (ours)."""


class Stopwatch:
    """Adds up the time between touches, each up to `IDLE_S`."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._total_s = 0.0
        self._touched_s: float | None = None

    def touch(self) -> None:
        """Something was done: runs from now on, if it did not already."""
        now_s = self._clock_s()
        if self._touched_s is not None:
            self._total_s += min(now_s - self._touched_s, IDLE_S)
        self._touched_s = now_s

    def hold(self) -> None:
        """Stand still until the next touch."""
        if self._touched_s is not None:
            self.touch()
            self._touched_s = None

    def take_s(self) -> float:
        """Return the seconds so far; begins again at 0."""
        if self._touched_s is not None:
            self.touch()
        total_s, self._total_s = self._total_s, 0.0
        return total_s
