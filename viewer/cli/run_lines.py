"""What the run of one slide says to the batch that started it: JSON, a line each."""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from viewer.cohort.executor import RunLine, RunProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from viewer.inference.runs.engine import Progress
    from viewer.inference.runs.running import ModelRun

_EVERY_S = 0.2


@contextmanager
def print_progress() -> Generator[Callable[[Progress], None]]:
    """Give what prints a line of progress, a few times a second at most."""
    said_s = 0.0

    def show(progress: Progress) -> None:
        nonlocal said_s
        now_s = time.monotonic()
        if now_s - said_s >= _EVERY_S:
            said_s = now_s
            _print(RunLine(RunProgress(progress.done, progress.total, progress.left_s)))

    yield show


def print_line(run: ModelRun, record: Mapping[str, object]) -> None:
    """Print the notes of a run and its record, with where its results are kept."""
    for sentence in run.all_troubles():
        _print(RunLine(note=sentence))
    more = {"slide": run.identity, "results": run.results, "tissue_mm2": run.tissue_mm2}
    _print(RunLine(record={**record, **more}))


def watch_parent() -> None:
    """End this process when its standard input closes, if that is a pipe of who started it."""
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        threading.Thread(target=_end_at_eof, name="parent watch", daemon=True).start()


def _end_at_eof() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


def _print(line: RunLine) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()
