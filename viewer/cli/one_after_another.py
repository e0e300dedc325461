"""The commands of one batch, slide after slide in one process: what starts once is shared.

A process that was started anew for each slide would import everything and load the model again.
Each command has its own readers, confined to the files of its slide.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import traceback
from queue import SimpleQueue
from typing import IO

import msgspec
import psutil

from viewer.cli import app_of
from viewer.cli.command_line import run_command_line
from viewer.cohort.executor import GIVE_WAY, RunEnd, RunLine, RunOrder
from viewer.inference.process.spare_process import model_processes_kept
from viewer.prepared_types import prepared
from viewer.processes.giving_way import let_window_come_first
from viewer.slides.remote.address import slide_path

_MOST_BYTES = 1 << 30
"""A process that a large slide has left with more memory ends; the next slide gets another."""


def main() -> None:
    """Run the commands that come on standard input, until it closes or one of them fails."""
    let_window_come_first(has_window=GIVE_WAY in sys.argv)
    orders: SimpleQueue[RunOrder] = SimpleQueue()
    threading.Thread(target=_read, args=(_taken_stdin(), orders), daemon=True).start()
    with model_processes_kept():
        while not (end := _run(orders.get())).is_last:
            _print(end)
    _print(end)


def _run(order: RunOrder) -> RunEnd:
    if order.address:
        slide_path(order.address)  # with what the server wants to see
    said = io.TextIOWrapper(io.BytesIO(), "utf-8", "replace", write_through=True)
    code = 1
    with contextlib.redirect_stderr(said):
        try:
            code = run_command_line(app_of(order.words), order.words)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except Exception:  # of whatever kind: it costs this slide
            traceback.print_exc()
    lines = said.buffer.getvalue().decode(errors="replace").splitlines()
    sentence = next((line.strip() for line in reversed(lines) if line.strip()), "")
    is_large = psutil.Process().memory_info().rss > _MOST_BYTES
    return RunEnd(code, sentence, is_last=code != 0 or is_large)


def _taken_stdin() -> IO[bytes]:
    """Return standard input, which nothing else reads any more."""
    orders = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return orders


def _read(lines: IO[bytes], orders: SimpleQueue[RunOrder]) -> None:
    for line in lines:
        orders.put(msgspec.json.decode(line, type=prepared(RunOrder)))
    os._exit(1)  # who started this process has ended, or wants no more


def _print(end: RunEnd) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(RunLine(end=end)) + b"\n")
    sys.stdout.buffer.flush()
