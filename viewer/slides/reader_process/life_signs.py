"""Signs of a reader that works on one answer for long: it makes progress, and is no stuck decoder.

A picture that is decoded from its top alone takes minutes where it is very large.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from viewer.slides.reader_process.messages import AtWork

if TYPE_CHECKING:
    import msgspec

    from viewer.processes.channel import Channel

_EVERY_S = 10.0


class LifeSigns:
    """Sends signs to all that wait for an answer, as one may wait for what another works on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Channel[Any]] = []
        self._last_s = time.monotonic()

    def begin(self, channel: Channel[Any]) -> None:
        """Take note that an answer is waited for at the other end of a channel."""
        with self._lock:
            self._waiting.append(channel)

    def answer(self, channel: Channel[Any], answer: msgspec.Struct) -> None:
        """Send the answer, behind which no sign follows. Raises ChannelError."""
        with self._lock:
            self._waiting.remove(channel)
            channel.send(answer)

    def progress(self, _share: float) -> None:
        """Send signs, now and then. Raises ChannelError."""
        with self._lock:
            if time.monotonic() - self._last_s < _EVERY_S:
                return
            self._last_s = time.monotonic()
            for channel in self._waiting:
                channel.send(AtWork())
