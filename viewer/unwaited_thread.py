"""A thread whose start nobody waits for."""

from __future__ import annotations

import threading
import time
from _thread import start_new_thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class UnwaitedThread(threading.Thread):
    """A daemon thread that the window's thread may start.

    A `Thread` lets whoever starts it wait until it has had its first turn, which comes late while
    others compute: the window would stand still. Here a short-lived thread waits for that.
    """

    def __init__(self, work: Callable[[], object], name: str | None = None) -> None:
        super().__init__(target=work, name=name, daemon=True)
        self._has_begun = threading.Event()

    def start(self) -> None:
        start_new_thread(self._start_and_wait, ())

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end, and for the begin where that has not come; after `start` alone."""
        until_s = None if timeout is None else time.monotonic() + timeout
        if self._has_begun.wait(timeout):
            super().join(None if until_s is None else max(0.0, until_s - time.monotonic()))

    def is_alive(self) -> bool:
        """Return whether it has not ended, be it that it has not begun."""
        return not self._has_begun.is_set() or super().is_alive()

    def _start_and_wait(self) -> None:
        super().start()
        self._has_begun.set()
