"""Memory after each step of a laboratory's day, and whether it stays as it is."""

from __future__ import annotations

import sys
import threading
import time
from statistics import median
from typing import TYPE_CHECKING

import msgspec
import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

_EVERY_S = 0.05
_FEWEST = 3
"""Looks at memory at rest, in each half of the time, for a median to mean something."""
_STILL_BLOCKS, _STILL_S = 2000, 1.5
"""What may come and go of Python's memory at rest: threads look at what is freed twice a second."""
_STILL_SHARE = 0.2
"""Of a processor that may be taken at rest: who still writes a million changes holds them."""
_PATIENCE_S = 120.0
AT_REST = "put all away"
"""The step after which memory is compared."""


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
    """How memory went from the first half of a time to the second.

    Attributes
    ----------
    at_rest_mb
        What the program holds more once all is put away, in the median.
    peak_mb
        How much higher the highest peak of the second half is.
    blocks
        As `at_rest_mb`, of the blocks that Python has in use.
    rests
        How often all was put away in the half in which it was less often.
    """

    at_rest_mb: float
    peak_mb: float
    blocks: int
    rests: int


def wait_for_rest(settle: Callable[[float], object]) -> None:
    """Wait until nothing is being written or freed any more: very much is freed little by little.

    Raises
    ------
    TimeoutError
        Memory is freed without an end.
    """
    until_s = time.monotonic() + _PATIENCE_S
    is_still = False
    while not is_still:
        if time.monotonic() > until_s:
            raise TimeoutError(f"memory is still being freed after {_PATIENCE_S:.0f} s")
        blocks, worked_s = sys.getallocatedblocks(), time.process_time()
        settle(_STILL_S)
        is_still = (
            abs(sys.getallocatedblocks() - blocks) <= _STILL_BLOCKS
            and time.process_time() - worked_s < _STILL_SHARE * _STILL_S
        )


def growth(steps: Sequence[Taken]) -> Growth | None:
    """Compare both halves of steps; None where all was put away too seldom to tell.

    What is held in between hangs on what was done last: of a million annotations that were edited
    those from before are kept for undo.
    """
    halves = steps[: len(steps) // 2], steps[len(steps) // 2 :]
    first, second = ([each for each in half if each.step == AT_REST] for half in halves)
    rests = min(len(first), len(second))
    if rests < _FEWEST:
        return None
    peaks = [max(each.peak_mb for each in half) for half in halves]
    return Growth(
        median(each.after_mb for each in second) - median(each.after_mb for each in first),
        peaks[1] - peaks[0],
        round(median(each.blocks for each in second) - median(each.blocks for each in first)),
        rests,
    )


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
