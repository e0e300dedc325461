"""Who carries out the runs of a batch: one command a slide, here in a process beside this one."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from viewer.cohort.errors import BatchError
from viewer.errors import reason_of
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.processes.giving_way import give_way, gives_way
from viewer.processes.own_modules import own_environment
from viewer.slides.remote.address import full_address, is_address, slide_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
_MAIN = "from viewer.cli.one_after_another import main; main()"
GIVE_WAY = "--give-way"
"""Tells the process that it and its children give way to the window that started it."""
_STDERR_LINES = 20
_END_S = 5.0

Command = Literal["run", "embed"]
"""What is done with each slide."""


class RunProgress(msgspec.Struct, frozen=True):
    """How far the run of one slide is: fields (blocks) done of all, and seconds left."""

    done: int
    total: int
    left_s: float | None = None


class RunEnd(msgspec.Struct, frozen=True):
    """How a command ended.

    Attributes
    ----------
    sentence
        What it said last on standard error.
    is_last
        Whether its process ends, too.
    """

    code: int
    sentence: str = ""
    is_last: bool = False


class RunLine(msgspec.Struct, frozen=True):
    """One line that a run prints with `--lines`.

    Attributes
    ----------
    bands
        In how many bands the slide is to be run first: it has more blocks than `--most-blocks`.
    end
        After the last of the others, from a process that may run more slides.
    """

    progress: RunProgress | None = None
    record: dict[str, object] | None = None
    note: str = ""
    bands: int = 0
    end: RunEnd | None = None


class RunOrder(msgspec.Struct, frozen=True):
    """A command line that a process is to carry out.

    Attributes
    ----------
    address
        The whole address of a slide on a server, which command lines would let others see.
    """

    words: list[str]
    address: str = ""


class RunResult(msgspec.Struct, frozen=True):
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
    notes: list[str] = msgspec.field(default_factory=list[str])
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
    """Runs slides in a process of this machine, so that a crash costs the slide under way alone.

    The process is kept for the next slide of the batch, but for one that failed or took much
    memory. It ends with this one: it watches its standard input, which closes then.

    Parameters
    ----------
    command
        Which of Coverslip's commands is run for each slide; it takes `--lines`.
    """

    def __init__(self, command: Command = "run") -> None:
        self._command: Command = command
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: threading.Thread | None = None
        self._said: deque[str] = deque(maxlen=_STDERR_LINES)
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
        slide = arguments[-1]
        address = full_address(slide_path(slide)) if is_address(slide) else ""
        order = RunOrder([self._command, "--lines", *arguments], address)
        if self._is_stopped:
            self.close()  # what `stop` ended takes no more
        with self._lock:
            self._is_stopped = False
            process = self._asked(order)
        record: dict[str, object] | None = None
        notes: list[str] = []
        bands = 0
        end: RunEnd | None = None
        assert process.stdout is not None
        try:
            for line in process.stdout:
                try:
                    read = msgspec.json.decode(line, type=prepared(RunLine))
                except DECODE_ERRORS:
                    continue
                if read.progress is not None:
                    on_progress(read.progress)
                record = read.record or record
                bands = read.bands or bands
                notes += [read.note] if read.note else []
                if (end := read.end) is not None:
                    break
        finally:
            if end is None or end.is_last or self._is_stopped:
                self.close()
        if self._is_stopped:
            return RunResult(notes=notes, was_stopped=True)
        if end is not None and end.code == 0 and (record is not None or bands):
            return RunResult(record, notes=notes, bands=bands)
        code, sentence = (process.returncode, "") if end is None else (end.code, end.sentence)
        sentence = sentence or (self._said[-1] if self._said else "")
        return RunResult(error=sentence or f"Its process ended with code {code}.", notes=notes)

    def stop(self) -> None:
        """End the run under way; its blocks that are computed are kept."""
        with self._lock:
            self._is_stopped = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """End the process; call it once no run is under way."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        if self._errors is not None:
            self._errors.join(_END_S)

    def _asked(self, order: RunOrder) -> subprocess.Popen[bytes]:
        """Return the process that carries out an order: the one before, or a new one."""
        line = msgspec.json.encode(order) + b"\n"
        if (
            self._process is not None
            and self._process.poll() is None
            and _sent(self._process, line)
        ):
            return self._process
        self._process = process = _started()
        self._said.clear()
        self._errors = threading.Thread(
            target=_read_errors, args=(process, self._said), daemon=True
        )
        self._errors.start()
        _sent(process, line)  # one that has ended already says why
        return process


def _started() -> subprocess.Popen[bytes]:
    has_window = gives_way()
    try:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-P", "-c", _MAIN, *([GIVE_WAY] if has_window else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=own_environment(),
            start_new_session=has_window,  # where it can give way without the window
        )
    except OSError as error:
        raise BatchError(f"No process can be started ({reason_of(error)}).") from error
    give_way(process.pid)
    return process


def _sent(process: subprocess.Popen[bytes], line: bytes) -> bool:
    """Give a process an order, where nobody else can see it; return whether it takes any."""
    assert process.stdin is not None
    try:
        process.stdin.write(line)
        process.stdin.flush()
    except OSError:
        return False
    return True


def _read_errors(process: subprocess.Popen[bytes], said: deque[str]) -> None:
    assert process.stderr is not None
    with process.stderr:
        for line in process.stderr:
            if text := line.decode(errors="replace").strip():
                said.append(text)
