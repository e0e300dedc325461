"""Memory after each step of a laboratory's day, and whether it stays as it is."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING

import msgspec
import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

_EVERY_S = 0.05
_FEWEST = 3
"""Of a kind of step, in each half of the time, for a median to mean something."""


class Taken(msgspec.Struct, frozen=True):
    """What the program took of memory once a step was done, and at most while it was.

    Attributes
    ----------
    blocks
        Of Python's own memory that are in use. Its allocator gives memory back by the megabyte, and
        only where nothing lies in it any more: what it took once mostly stays for the next need,
        and `after_mb` goes as far as the highest need so far. What leaks is in use.
    """

    step: str
    after_mb: float
    peak_mb: float
    blocks: int


class MemoryWatch:
    """Looks at the memory of this process in a thread; a step may take more than it leaves."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._peak_mb = 0.0
        self._is_ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ended.set()
        self._thread.join()

    def taken(self, step: str) -> Taken:
        """Return what a step took that is done now; the next one begins."""
        now_mb = self._now_mb()
        peak_mb, self._peak_mb = max(self._peak_mb, now_mb), 0.0
        return Taken(step, now_mb, peak_mb, sys.getallocatedblocks())

    def _now_mb(self) -> float:
        return self._process.memory_info().rss / 1e6

    def _look(self) -> None:
        while not self._is_ended.wait(_EVERY_S):
            self._peak_mb = max(self._peak_mb, self._now_mb())


class Growth(msgspec.Struct, frozen=True):
    """How memory went from the first half of steps to the second, step by step of the same kind.

    Attributes
    ----------
    after_mb
        What the median kind of step leaves more in the second half.
    peak_mb
        How much higher the highest peak of the second half is.
    kinds
        How many kinds of steps came often enough in both halves.
    blocks
        As `after_mb`, of the blocks that Python has in use.
    """

    after_mb: float
    peak_mb: float
    kinds: int
    blocks: int


def growth(steps: Sequence[Taken]) -> Growth | None:
    """Compare both halves of steps; None where they were too few to tell."""
    halves = steps[: len(steps) // 2], steps[len(steps) // 2 :]
    by_kind: list[dict[str, list[Taken]]] = []
    for half in halves:
        kinds: dict[str, list[Taken]] = defaultdict(list)
        for each in half:
            kinds[each.step].append(each)
        by_kind.append(kinds)
    first, second = by_kind
    both = [
        (first[step], second[step])
        for step in first
        if min(len(first[step]), len(second[step])) >= _FEWEST
    ]
    if not both:
        return None
    grown = median(
        median(each.after_mb for each in two) - median(each.after_mb for each in one)
        for one, two in both
    )
    blocks = median(
        median(each.blocks for each in two) - median(each.blocks for each in one)
        for one, two in both
    )
    peaks = [max(each.peak_mb for each in half) for half in halves]
    return Growth(grown, peaks[1] - peaks[0], len(both), round(blocks))


def table(steps: Sequence[Taken]) -> str:
    """Return a line a kind of step: how often, what it left in both halves, its highest peak."""
    lines = [f"{'step':34}{'n':>5}{'1st half':>10}{'2nd half':>10}{'peak':>8}  MB"]
    middle = len(steps) // 2
    for step in sorted({each.step for each in steps}):
        halves = [
            [each.after_mb for each in part if each.step == step]
            for part in (steps[:middle], steps[middle:])
        ]
        said = [f"{median(half):,.0f}" if half else "-" for half in halves]
        peak_mb = max(each.peak_mb for each in steps if each.step == step)
        count = sum(map(len, halves))
        lines.append(f"{step:34}{count:>5}{said[0]:>10}{said[1]:>10}{peak_mb:>8,.0f}")
    return "\n".join(lines)
