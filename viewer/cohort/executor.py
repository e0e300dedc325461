"""Who carries out the runs of a batch: one command a slide, here in a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from viewer.cohort.errors import BatchError
from viewer.slides.remote.address import full_address, is_address, slide_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
_MAIN = "from viewer.cli import main; main()"
_IMPORT_PATHS = [str(Path(__file__).parents[2])]
_STDERR_LINES = 20
_END_S = 5.0

Command = Literal["run", "embed"]
"""What is done with each slide."""


class RunProgress(msgspec.Struct, frozen=True):
    """How far the run of one slide is: fields (blocks) done of all, and seconds left."""

    done: int
    total: int
    left_s: float | None = None


class RunLine(msgspec.Struct, frozen=True):
    """One line that a run prints with `--lines`.

    Attributes
    ----------
    bands
        In how many bands the slide is to be run first: it has more blocks than `--most-blocks`.
    """

    progress: RunProgress | None = None
    record: dict[str, object] | None = None
    note: str = ""
    bands: int = 0


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of the run of one slide.

    Attributes
    ----------
    record
        As `coverslip run --json` prints it; None where the run failed.
    error
        One sentence where it failed.
    notes
        Sentences about what is missing.
    was_stopped
        Whether `Executor.stop` ended it; what it had computed is kept.
    bands
        In how many bands the slide is to be run first; 0 where the run came to its end.
    """

    record: dict[str, object] | None = None
    error: str = ""
    notes: list[str] = field(default_factory=list[str])
    was_stopped: bool = False
    bands: int = 0


class Executor(Protocol):
    """Carries out `coverslip run ARGUMENTS`, or another command, for a slide, wherever it does.

    Those on other machines may be called in several threads at once.
    """

    def run(
        self, arguments: Sequence[str], on_progress: Callable[[RunProgress], object]
    ) -> RunResult:
        """Run a command to its end; `on_progress` is called in this thread.

        Raises
        ------
        BatchError
            Nothing can be run any more.
        """
        ...

    def stop(self) -> None:
        """End all runs under way; any thread may call, and nothing is lost that was computed."""
        ...


class LocalExecutor:
    """Runs each slide in a process of this machine, so that a crash costs that slide alone.

    The process ends with this one: it watches its standard input, which closes then.

    Parameters
    ----------
    command
        Which of Coverslip's commands is run for each slide; it takes `--lines`.
    """

    def __init__(self, command: Command = "run") -> None:
        self._command: Command = command
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopped = False

    def run(
        self, arguments: Sequence[str], on_progress: Callable[[RunProgress], object]
    ) -> RunResult:
        """Run a command to its end; `on_progress` is called in this thread.

        Raises
        ------
        BatchError
            No process can be started.
        """
        with self._lock:
            self._is_stopped = False
            process = self._process = _started(self._command, arguments)
        _tell_address(process, arguments[-1])
        said: deque[str] = deque(maxlen=_STDERR_LINES)
        errors = threading.Thread(target=_read_errors, args=(process, said), daemon=True)
        errors.start()
        record: dict[str, object] | None = None
        notes: list[str] = []
        bands = 0
        assert process.stdout is not None
        try:
            for line in process.stdout:
                try:
                    read = msgspec.json.decode(line, type=RunLine)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    continue
                if read.progress is not None:
                    on_progress(read.progress)
                record = read.record or record
                bands = read.bands or bands
                notes += [read.note] if read.note else []
        finally:
            code = self._ended(process)
            errors.join(_END_S)
        if self._is_stopped:
            return RunResult(notes=notes, was_stopped=True)
        if code == 0 and (record is not None or bands):
            return RunResult(record, notes=notes, bands=bands)
        sentence = said[-1] if said else f"Its process ended with code {code}."
        return RunResult(error=sentence, notes=notes)

    def stop(self) -> None:
        """End the run under way; its blocks that are computed are kept."""
        with self._lock:
            self._is_stopped = True
            if self._process is not None:
                self._process.kill()

    def _ended(self, process: subprocess.Popen[bytes]) -> int:
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            code = process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if process.stdout is not None:
            process.stdout.close()
        with self._lock:
            self._process = None
        return code


def _started(command: Command, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-P", "-c", _MAIN, command, "--lines", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(_IMPORT_PATHS)},
        )
    except OSError as error:
        raise BatchError(f"No process can be started ({error.strerror or error}).") from error


def _tell_address(process: subprocess.Popen[bytes], slide: str) -> None:
    """Tell a run the whole address of a slide on a server, where nobody else can see it."""
    if not is_address(slide) or process.stdin is None:
        return
    with contextlib.suppress(OSError):  # it has ended already, and says why
        process.stdin.write(full_address(slide_path(slide)).encode() + b"\n")
        process.stdin.flush()


def _read_errors(process: subprocess.Popen[bytes], said: deque[str]) -> None:
    assert process.stderr is not None
    with process.stderr:
        for line in process.stderr:
            if text := line.decode(errors="replace").strip():
                said.append(text)
