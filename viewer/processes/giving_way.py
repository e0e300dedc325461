"""Processes that compute for long give way to a window, where there is one."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from viewer.unwaited_thread import UnwaitedThread

if TYPE_CHECKING:
    import psutil

_NICENESS = 10
_AGAIN_S, _TRIES = 0.1, 100
"""Linux lets one session of the whole machine be slowed in each tenth of a second, but for root."""

_has_window = False


def let_window_come_first(*, has_window: bool = True) -> None:
    """Have `give_way` take effect; a command without a window has nobody to give way to."""
    global _has_window
    _has_window = has_window


def gives_way() -> bool:
    """Return whether there is a window to give way to."""
    return _has_window


def give_way(pid: int, niceness: int = _NICENESS) -> None:
    """Let others compute before a process just started; alone it is as fast as ever.

    The process has a session of its own: what shares one with the window would slow that, too.

    Parameters
    ----------
    niceness
        Of POSIX: at 5 it has a quarter of a core that the window computes on, too, at 10 a tenth.
    """
    if not _has_window:
        return
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        # Desktops share the time out among sessions first, and a child of ours is one of its own.
        if psutil.LINUX and not _is_session_slowed(process, niceness):
            again = UnwaitedThread(lambda: _slow_session(process, niceness), "give way")
            again.start()
        process.nice(
            psutil.BELOW_NORMAL_PRIORITY_CLASS
            if psutil.WINDOWS
            else max(niceness, process.nice())  # as that of the window, which may be nice itself
        )


def _is_session_slowed(process: psutil.Process, niceness: int) -> bool:
    """Give a session its niceness, where that can be; return False where it is to be later."""
    try:
        descriptor = os.open(f"/proc/{process.pid}/autogroup", os.O_WRONLY)
        try:
            os.write(descriptor, str(niceness).encode())
        finally:
            os.close(descriptor)
    except BlockingIOError:
        return False
    except OSError:  # this kernel shares nothing out among sessions
        return True
    return True


def _slow_session(process: psutil.Process, niceness: int) -> None:
    for _ in range(_TRIES):
        time.sleep(_AGAIN_S)
        if not process.is_running() or _is_session_slowed(process, niceness):
            return
