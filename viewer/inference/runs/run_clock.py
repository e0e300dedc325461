"""How long a run over a slide has worked, pauses left out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


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
