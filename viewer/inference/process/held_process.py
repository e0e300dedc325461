"""A model process that one part of the program holds from one question to the next."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from viewer.inference.errors import ModelProcessError

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.inference.process.model_process import ModelProcess


class HeldProcess:
    """Starts a process at first need and again once it has ended.

    One thread takes and asks it at a time; `close` may be called from any, and waits for nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: ModelProcess | None = None
        self._is_closed = False

    @property
    def process(self) -> ModelProcess | None:
        """Return the process that is held now."""
        return self._process

    def take(self, start: Callable[[], ModelProcess]) -> tuple[ModelProcess, bool]:
        """Return the process, and whether it is a new one, which knows nothing yet.

        Raises
        ------
        ModelProcessError
            None can be started, or the window is closing; `str()` is one sentence.
        """
        with self._lock:
            if self._is_closed:
                raise ModelProcessError("The window is closing.")
            if self._process is not None:
                return self._process, False
            self._process = start()
            return self._process, True

    def end(self) -> str:
        """End the process; return why it was stopped from outside, "" where it was not."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return ""
        process.close()
        return process.stopped

    def close(self) -> None:
        """End the process for good."""
        with self._lock:
            self._is_closed = True
        self.end()
