"""Runs the command line on a hostile file and measures what it takes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
_EVERY_S = 0.03


@dataclass(frozen=True)
class Outcome:
    """What a run ended with; `peak_mb` is of the process and its children together."""

    code: int
    out: str
    err: str
    peak_mb: float
    elapsed_s: float

    @property
    def is_one_sentence(self) -> bool:
        """Whether the error is one line without a traceback."""
        return len(self.err.strip().splitlines()) == 1 and "Traceback" not in self.err


def coverslip(*arguments: object, timeout_s: float = 60.0) -> Outcome:
    """Run `coverslip` to its end, or kill it and fail."""
    command = [sys.executable, "app.py", *map(str, arguments)]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        others, started_s = set(psutil.pids()), time.monotonic()
        with subprocess.Popen(
            command, cwd=REPOSITORY, stdout=out, stderr=err, env=environment
        ) as process:
            family = _Family(process.pid, others)
            peak_bytes = 0
            while process.poll() is None:
                peak_bytes = max(peak_bytes, family.resident_bytes())
                if time.monotonic() - started_s > timeout_s:
                    process.kill()
                    raise AssertionError(f"{arguments} ran longer than {timeout_s} s")
                time.sleep(_EVERY_S)
        out.seek(0)
        err.seek(0)
        elapsed_s = time.monotonic() - started_s
        return Outcome(process.returncode, out.read(), err.read(), peak_bytes / 1e6, elapsed_s)


class _Family:
    """A process and its descendants, found among what starts while it runs.

    To ask for the children again and again would look at every process of the machine each time.
    """

    def __init__(self, pid: int, others: set[int]) -> None:
        self._family = {pid: psutil.Process(pid)}
        self._seen = {pid, *others}

    def resident_bytes(self) -> int:
        """Of all that live now, in bytes."""
        living = psutil.pids()
        new, self._seen = [pid for pid in living if pid not in self._seen], set(living)
        for pid in new:
            with contextlib.suppress(psutil.Error):
                started = psutil.Process(pid)
                if started.ppid() in self._family:
                    self._family[pid] = started
        total_bytes = 0
        for process in self._family.values():
            with contextlib.suppress(psutil.Error):
                total_bytes += process.memory_info().rss
        return total_bytes
