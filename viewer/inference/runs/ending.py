"""Threads that come to their end while nobody waits, until somebody needs what they leave."""

from __future__ import annotations

import atexit
import threading

_WAIT_S = 2.0
"""For each: one that hangs, as on a server, holds nobody up for ever."""

_lock = threading.Lock()
_ending: list[threading.Thread] = []


def let_end(thread: threading.Thread) -> None:
    """Leave a thread to its end, which was asked of it; the end of the program waits for it."""
    with _lock:
        _ending[:] = [each for each in _ending if each.is_alive()]
        if thread not in _ending:
            _ending.append(thread)


@atexit.register
def wait_for_ending() -> None:
    """Wait for the threads that are coming to their end, each for two seconds at most."""
    with _lock:
        ending = list(_ending)
    for each in ending:
        if each is not threading.current_thread():
            each.join(_WAIT_S)
    with _lock:
        _ending[:] = [each for each in _ending if each not in ending or each.is_alive()]
