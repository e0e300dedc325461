"""An event loop for libraries that need one, in a process that may not make sockets."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

Result = TypeVar("Result")


class _PipeEnd:
    """One end of a pipe with the few methods of a socket that a loop calls to wake itself."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)

    def fileno(self) -> int:
        return self._descriptor

    def send(self, data: bytes) -> int:
        return os.write(self._descriptor, data)

    def recv(self, size: int) -> bytes:
        return os.read(self._descriptor, size)

    def close(self) -> None:
        os.close(self._descriptor)


class PipeEventLoop(asyncio.SelectorEventLoop):
    """Wakes itself through a pipe, where asyncio takes a pair of sockets."""

    def _make_self_pipe(self) -> None:
        reading, writing = os.pipe()
        inside: Any = self
        inside._ssock, inside._csock = _PipeEnd(reading), _PipeEnd(writing)
        inside._internal_fds += 1
        inside._add_reader(reading, inside._read_from_self)


class LoopThread:
    """A loop that runs in a thread of its own until the process ends."""

    def __init__(self) -> None:
        self._loop = PipeEventLoop()
        threading.Thread(target=self._loop.run_forever, name="event loop", daemon=True).start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what the coroutine gives; for any thread but the loop's own."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
