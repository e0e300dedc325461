"""Processes that compute for long give way to a window, where there is one."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

_NICENESS = 10

_has_window = False


def let_window_come_first(*, has_window: bool = True) -> None:
    """Have `give_way` take effect; a command without a window has nobody to give way to."""
    global _has_window
    _has_window = has_window


def gives_way() -> bool:
    """Return whether there is a window to give way to."""
    return _has_window


def give_way(pid: int) -> None:
    """Let others compute before a process just started; alone it is as fast as ever.

    The process has a session of its own: what shares one with the window would slow that, too.
    """
    if not _has_window:
        return
    with contextlib.suppress(psutil.Error, OSError):
        psutil.Process(pid).nice(
            psutil.BELOW_NORMAL_PRIORITY_CLASS if psutil.WINDOWS else _NICENESS
        )
    if psutil.LINUX:
        # Desktops share the time out among sessions first, and a child of ours is one of its own.
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text(str(_NICENESS))
