"""What the run of one slide says to the batch that started it: JSON, a line each."""

from __future__ import annotations

import logging
import os
import stat
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from viewer.cohort.executor import RunLine, RunProgress
from viewer.slides.remote.address import is_address, slide_path

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from pathlib import Path

    from viewer.inference.runs.run_clock import Progress
    from viewer.inference.runs.running import ModelRun

_EVERY_S = 0.2
_MANY = 10_000
"""Objects of which the columns take a while to make."""
_log = logging.getLogger(__name__)


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
    said_s = float("inf")  # what comes late is of no slide any more


def print_line(run: ModelRun, record: Mapping[str, object], *, keeps_columns: bool = True) -> None:
    """Print the notes of a run and its record, with where its results are kept.

    Columns for queries are kept beside results of this machine alone.
    """
    for sentence in run.all_troubles():
        _print(RunLine(note=sentence))
    more = {
        "slide": run.identity, "results": run.results, "tissue_mm2": run.tissue_mm2,
        "computed": run.computed,
    }  # fmt: skip
    if keeps_columns:
        _keep_columns(run)
    _print(RunLine(record={**record, **more}))


def print_record_line(record: Mapping[str, object], notes: Iterable[str]) -> None:
    """Print notes and a record that say all there is to say of a slide."""
    for sentence in notes:
        _print(RunLine(note=sentence))
    _print(RunLine(record=dict(record)))


def print_bands(bands: int) -> None:
    """Print in how many bands the slide is to be run first."""
    _print(RunLine(bands=bands))


def _keep_columns(run: ModelRun) -> None:
    """Make what queries read ready after a run that found much, so that no query waits for it."""
    if not run.results or run.found.as_objects is None or run.found.count < _MANY:
        return
    from viewer.cohort.query.result_columns import keep_columns
    from viewer.inference.models.bundle import STEPS_VERSION
    from viewer.overlays.result_store import results_folder

    try:
        keep_columns(run.results, results_folder(), STEPS_VERSION)
    except OSError as error:
        _log.warning("The columns of %s are made later (%s)", run.results, error)


def watch_parent(slide: Path) -> None:
    """End this process when its standard input closes, if that is a pipe of who started it.

    Of a slide on a server the whole address comes there, with what the server wants to see.
    """
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        if is_address(slide):
            slide_path(_line().decode(errors="replace"))
        threading.Thread(target=_end_at_eof, name="parent watch", daemon=True).start()


def _line() -> bytes:
    """Return the first line of standard input; the rest of it is left there."""
    line = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line


def _end_at_eof() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


def _print(line: RunLine) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()
