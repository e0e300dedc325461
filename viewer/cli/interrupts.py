"""Ctrl+C that comes just before the main thread begins to wait."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_KICKS, _PAUSE_S = 10, 0.1


@contextmanager
def interrupts_heard() -> Generator[None]:
    """Have signals heard within a second however the main thread waits.

    CPython runs a signal's handler between two instructions of the main thread. One that comes
    after the last instruction before a wait for a lock, an event or a queue is heard only when the
    wait has ended, which may be at the end of a run. So the thread is woken a few times after each
    signal, by a signal of no meaning. Beyond the main thread, and on Windows, nothing is done.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    told, tells = os.pipe()
    os.set_blocking(tells, False)
    before = signal.signal(signal.SIGURG, _no_more)
    wakeup = signal.set_wakeup_fd(tells, warn_on_full_buffer=False)
    main = threading.get_ident()
    threading.Thread(target=_wake, args=(told, main), name="interrupts", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        os.close(tells)  # which ends the thread
        signal.signal(signal.SIGURG, before)


def _no_more(_number: int, _frame: object) -> None:
    """Let a signal come that only wakes."""


def _wake(told: int, main: int) -> None:
    """Wake the main thread a few times after each signal, until the pipe ends."""
    while numbers := os.read(told, 64):
        kicks = _KICKS if set(numbers) != {signal.SIGURG} else 0
        for _ in range(kicks):
            time.sleep(_PAUSE_S)
            signal.pthread_kill(main, signal.SIGURG)
    os.close(told)
