"""Ends a child that takes more memory than it may, watched from outside."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

_EVERY_S = 0.05


class MemoryWatch:
    """Looks at the resident memory of a process until `close`.

    Parameters
    ----------
    end
        Called once, from the watching thread, when the process holds more than `most_bytes`.
    """

    def __init__(self, pid: int, most_bytes: int, end: Callable[[], object]) -> None:
        self.has_killed = False
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=self._watch, args=(pid, most_bytes, end), name="memory watch", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()
        self._thread.join()

    def _watch(self, pid: int, most_bytes: int, end: Callable[[], object]) -> None:
        try:
            process = psutil.Process(pid)
            while not self._closed.wait(_EVERY_S):
                if process.memory_info().rss > most_bytes:
                    self.has_killed = True
                    end()
                    return
        except psutil.Error:
            return  # it has ended
