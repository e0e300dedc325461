"""Processes that compute for long give way to a window, where there is one."""

from __future__ import annotations

import contextlib
from pathlib import Path

_NICENESS = 10

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
        process.nice(
            psutil.BELOW_NORMAL_PRIORITY_CLASS
            if psutil.WINDOWS
            else max(niceness, process.nice())  # as that of the window, which may be nice itself
        )
    if psutil.LINUX:
        # Desktops share the time out among sessions first, and a child of ours is one of its own.
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text(str(niceness))
