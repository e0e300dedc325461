"""How a user stops what an agent has under way."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class AgentCancelledError(CoverslipError):
    """The user stopped the agent."""


class Cancel:
    """One agent's stop; may be pulled from any thread, once and for good."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._stops: list[Callable[[], object]] = []

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        """Stop what is under way and all that would follow."""
        self._event.set()
        with self._lock:
            for stop in self._stops:
                stop()

    def check(self) -> None:
        """Raise AgentCancelledError once it is set."""
        if self._event.is_set():
            raise AgentCancelledError

    def wait(self, seconds: float) -> None:
        """Wait; raise AgentCancelledError as soon as it is set."""
        if self._event.wait(max(seconds, 0.0)):
            raise AgentCancelledError

    @contextmanager
    def stopping(self, stop: Callable[[], object]) -> Generator[None]:
        """Within the block, `stop` is called by whoever sets this; it has to return at once.

        Raises
        ------
        AgentCancelledError
            It is set already.
        """
        with self._lock:
            self.check()
            self._stops.append(stop)
        try:
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)
