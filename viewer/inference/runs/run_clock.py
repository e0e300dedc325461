"""How far a run over a slide has come, how long it has worked, and where the time went."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable


class Progress(msgspec.Struct, frozen=True):
    """How far what was asked for as a whole has come.

    Attributes
    ----------
    done, total
        Blocks.
    blocks_per_s
        0 where it is not known yet.
    left_s
        None where it is not known yet.
    is_busy
        Whether any block that was asked for is not known yet.
    """

    done: int
    total: int
    blocks_per_s: float
    left_s: float | None
    is_busy: bool


class Timing(msgspec.Struct, frozen=True):
    """Seconds spent in the steps of the model's process, and blocks computed."""

    read_s: float = 0.0
    forward_s: float = 0.0
    cut_s: float = 0.0
    blocks: int = 0

    def plus(self, read_s: float, forward_s: float, cut_s: float) -> Timing:
        """Return this and a block more, which was computed where the forward took any time."""
        return Timing(
            self.read_s + read_s,
            self.forward_s + forward_s,
            self.cut_s + cut_s,
            self.blocks + (forward_s > 0),
        )


class RunClock:
    """A clock that stands while models are paused.

    Parameters
    ----------
    now_s
        Gives seconds since any moment.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._worked_s = 0.0
        self._since_s: float | None = now_s()

    def restart(self) -> None:
        """Begin at 0; a clock that stands goes on standing."""
        self._worked_s = 0.0
        if self._since_s is not None:
            self._since_s = self._now_s()

    def set_paused(self, *, paused: bool) -> None:
        """Let the clock stand, or go on."""
        if paused and self._since_s is not None:
            self._worked_s = self.elapsed_s
            self._since_s = None
        elif not paused and self._since_s is None:
            self._since_s = self._now_s()

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since the run began, without its pauses."""
        return self._worked_s + (0.0 if self._since_s is None else self._now_s() - self._since_s)
