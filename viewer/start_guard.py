"""What a start leaves for the next: whether it drew a window, and the trace of a native crash."""

from __future__ import annotations

import faulthandler
import logging
import stat
import time
from typing import TYPE_CHECKING

import psutil

from viewer.access import open_text
from viewer.files.set_aside import set_aside
from viewer.folders import config_folder, log_folder
from viewer.limits import read_kept

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

_log = logging.getLogger(__name__)
_STARTING = "starting"
_PATIENCE_S = 20.0
"""A start of another process that is younger than this may still draw its window."""
_TRACE = "trace-{pid}.txt"
LAST_CRASH = "last-crash.txt"


class StartGuard:
    """Guards one start of the window.

    From `begin` until `drawn` a file says that a window is awaited; `end` closes all.
    While it runs, a native crash (a fault in a library, an abort) writes the stack of every thread
    to a file in the log folder.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._trace: IO[str] | None = None

    def begin(self) -> bool:
        """Note that a window is awaited; return whether the last start drew one."""
        last_drew = not self._failed()
        try:
            with open_text(self._starting) as file:
                file.write(str(self._pid))
        except OSError as error:
            _log.warning("Whether this start draws a window cannot be noted: %s", error)
        return last_drew

    def drawn(self) -> None:
        """Note that the window was drawn and answers."""
        if _pid_in(self._starting) == self._pid:
            self._starting.unlink(missing_ok=True)

    def keep_traces(self) -> None:
        """Write a trace of native crashes from now on."""
        try:
            path = log_folder() / _TRACE.format(pid=self._pid)
            self._trace = open_text(path)
        except OSError as error:
            _log.warning("A crash would leave no trace: %s", error)
            return
        faulthandler.enable(self._trace)

    def end(self) -> None:
        """Stop watching; a trace that was not needed is removed."""
        if self._trace is not None:
            faulthandler.disable()
            self._trace.close()
            self._trace = None
            (log_folder() / _TRACE.format(pid=self._pid)).unlink(missing_ok=True)

    def take_trace(self) -> str:
        """Return the trace that an ended process left, "" if none crashed; each is returned once.

        It is kept in the log folder as `last-crash.txt`. Call it before `keep_traces`.
        """
        text = ""
        for path in sorted(log_folder().glob(_TRACE.format(pid="*"))):
            pid = path.stem.rpartition("-")[2]
            if not pid.isdigit() or not self._has_ended(int(pid)):
                continue
            try:
                found = read_kept(path).decode(errors="replace")
                if found.strip():
                    path.replace(log_folder() / LAST_CRASH)
                    text = found
                else:
                    path.unlink()
            except OSError:
                continue  # another window takes it at this moment
        return text

    def _failed(self) -> bool:
        """Tell whether the start that wrote the file ended or hangs without a window."""
        try:
            about = self._starting.stat()
        except OSError:  # also a link to itself
            return False
        if not stat.S_ISREG(about.st_mode):
            set_aside(self._starting, "it is no file", "What the last start left")
            return False
        age_s = time.time() - about.st_mtime
        pid = _pid_in(self._starting)
        return pid is None or age_s > _PATIENCE_S or self._has_ended(pid)

    def _has_ended(self, pid: int) -> bool:
        """Tell whether another process wrote under `pid`, and runs no more."""
        # In a container each start may well have the number of the last one.
        return pid == self._pid or not psutil.pid_exists(pid)

    @property
    def _starting(self) -> Path:
        return config_folder() / _STARTING


def _pid_in(starting: Path) -> int | None:
    try:
        return int(read_kept(starting))
    except (OSError, ValueError):
        return None
