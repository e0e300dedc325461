"""Converting and de-identifying a slide of a gigabyte whose tiles are copied, against a file copy.

Each runs in a process of its own, and they take turns with plain copies of the same file that are
synced to the disk as what is written is.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.report import Figure

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS = 3
_LONGEST_SHARE = 1.5
_MOST_GIB = 1.0
_BLOCK_BYTES = 8 << 20
_COMMAND = "from viewer.cli import main; main()"


def run(slide: Path) -> list[Figure]:
    """Return times as shares of a copy's, and the peak of memory."""
    with tempfile.TemporaryDirectory(dir=slide.parent) as folder:
        out, again = Path(folder) / "out.ome.tif", Path(folder) / "again.ome.tif"
        copies_s: list[float] = []
        shares: dict[str, list[float]] = {"convert": [], "deidentify": []}
        peaks: dict[str, int] = {}
        for _ in range(_ROUNDS):
            copies_s.append(_timed(lambda: _copy(slide, Path(folder) / "copy")))
            for command, source, target in (
                ("convert", slide, out),
                ("deidentify", out, again),
            ):
                spent_s, peak = _run(command, source, target)
                shares[command].append(spent_s / copies_s[-1])
                peaks[command] = max(peaks.get(command, 0), peak)
        return [
            Figure("convert", "copy of the file, synced", statistics.median(copies_s), "s"),
            *(
                figure
                for command in shares
                for figure in (
                    Figure("convert", f"{command}, time by a copy's",
                           statistics.median(shares[command]), "x", _LONGEST_SHARE),
                    Figure("convert", f"{command}, peak memory",
                           peaks[command] / 2**30, "GiB", _MOST_GIB),
                )
            ),
        ]  # fmt: skip


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("wb") as written:
        while block := read.read(_BLOCK_BYTES):
            written.write(block)
        written.flush()
        os.fsync(written.fileno())
    target.unlink()


def _timed(work: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s


def _run(command: str, source: Path, target: Path) -> tuple[float, int]:
    """Return the seconds of a command and the most memory that it and its children held."""
    words = [sys.executable, "-c", _COMMAND, command, str(source), str(target), "--overwrite"]
    start_s = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    _, said = process.communicate()
    spent_s = time.perf_counter() - start_s
    watcher.join()
    if process.returncode:
        raise RuntimeError(f"{command} failed: {said}")
    return spent_s, peak[0]


def _watch(pid: int, peak: list[int]) -> None:
    try:
        process = psutil.Process(pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            family = [process, *process.children(recursive=True)]
            peak[0] = max(peak[0], sum(_bytes_of(each) for each in family))
            time.sleep(0.02)
    except psutil.Error:
        return


def _bytes_of(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0
