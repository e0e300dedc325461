"""Runs the command line on a hostile file and measures what it takes.

It is forked, with its reader: what they share with the process that they are forks of is no memory
that a file took, and for each as much is counted as one holds that was started.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import forked_programs
import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
MOST_MB = 400
"""Of a command that de-identifies a small slide."""
_EVERY_S = 0.03
_STARTED_BYTES = 50 << 20


@dataclass(frozen=True)
class Outcome:
    """What a run ended with; `peak_mb` is of the process and its reader together."""

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
        with forked_programs.Popen(
            command, along=forked_programs.COMMANDS,
            cwd=REPOSITORY, stdout=out, stderr=err, env=environment,
        ) as process:  # fmt: skip
            family = _Family(process.pid, others)
            peak_bytes = 0
            while process.poll() is None:
                peak_bytes = max(peak_bytes, family.own_bytes())
                if time.monotonic() - started_s > timeout_s:
                    process.kill()
                    raise AssertionError(f"{arguments} ran longer than {timeout_s} s")
                time.sleep(_EVERY_S)
        out.seek(0)
        err.seek(0)
        elapsed_s = time.monotonic() - started_s
        peak_mb = (peak_bytes + 2 * _STARTED_BYTES) / 1e6
        return Outcome(process.returncode, out.read(), err.read(), peak_mb, elapsed_s)


class _Family:
    """A process and its descendants, found among what starts while it runs.

    To ask for the children again and again would look at every process of the machine each time.
    """

    def __init__(self, pid: int, others: set[int]) -> None:
        self._family = {pid: psutil.Process(pid)}
        self._seen = {pid, *others}
        self._shared_bytes: dict[int, int] = {}
        """Of each when it was first seen: to ask for it takes long."""

    def own_bytes(self) -> int:
        """Return what all that live now hold beyond what they began with as forks."""
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
                if process.pid not in self._shared_bytes:
                    memory = process.memory_full_info()
                    self._shared_bytes[process.pid] = memory.rss - memory.uss
                total_bytes += process.memory_info().rss - self._shared_bytes[process.pid]
        return total_bytes


def assert_not_deidentified(slide: Path, sentence: str, most_mb: float = MOST_MB) -> None:
    """See that a slide is refused with one sentence, in little memory, and nothing is left."""
    out = slide.with_name(f"copy-{slide.name}")
    done = coverslip("deidentify", slide, out)
    assert done.code == 2, done
    assert done.is_one_sentence, done.err
    assert sentence in done.err
    assert done.peak_mb < most_mb
    assert not out.exists()
