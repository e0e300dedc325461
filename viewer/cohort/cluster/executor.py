"""Runs the slides of a batch on a Ray cluster, many at once, large ones in bands of blocks."""

from __future__ import annotations

import importlib.util
import queue
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from viewer.cohort.cluster.messages import (
    FILES,
    Answer,
    Cancel,
    Connect,
    Connected,
    Ended,
    Going,
    Submit,
    Unreachable,
    lost_sentence,
)
from viewer.cohort.errors import BatchError, PlaceLostError
from viewer.cohort.executor import Command, RunProgress, RunResult
from viewer.egress import EgressError, check_egress
from viewer.errors import reason_of
from viewer.prepared_types import prepared
from viewer.processes.channel import (
    Channel,
    ChannelError,
    ChannelTimeoutError,
)
from viewer.processes.own_modules import start_module
from viewer.slides.remote.address import full_address, is_address, slide_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
_LINK = "viewer.cohort.cluster.link"
_JOIN_S = 150.0
"""For the cluster to answer, Ray's own start included."""
_END_S = 6.0
BLOCKS_A_TASK = 1024
"""A slide with more blocks is run in bands of so many; they meet in the store."""
_MOST_BANDS_AT_ONCE = 16
_MOST_AT_ONCE = 256
_SLIDES_A_SLOT = 2
"""One that runs, and one that waits for its place."""
_FILES = ("--frozen=", "--attributes=")
"""Options that name a small file of this machine, which goes along."""


class ClusterExecutor:
    """Joins a cluster, and leaves it at the end; any number of threads may call `run`.

    Parameters
    ----------
    gpus_per_task
        GPUs that each run takes, such as 0.25; 0 for none.
    command
        Which of Coverslip's commands is run for each slide.

    Attributes
    ----------
    width
        How many slides the cluster is given at once.

    Raises
    ------
    BatchError
        Ray is not installed, the administrator's policy does not allow the host, or the cluster
        cannot be joined; one sentence says why.
    """

    def __init__(
        self, host: str, port: int, gpus_per_task: float = 0.0, command: Command = "run"
    ) -> None:
        self._command: Command = command
        if importlib.util.find_spec("ray") is None:
            raise BatchError(
                "Clusters need Ray, which is not installed: install it with "
                "`pip install coverslip[cohort]`, or run --on local."
            )
        try:
            check_egress(f"https://{host}:{port}")
        except EgressError as error:
            raise BatchError(str(error)) from error
        self._where = f"ray://{host}:{port}"
        self._lock = threading.Lock()
        self._answers: dict[int, queue.SimpleQueue[Going | Ended | None]] = {}
        self._next_id = 0
        self._problem = ""
        self._process, self._channel = _started()
        try:
            self.width = self._join(Connect(host, port, gpus_per_task))
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self._listen, name="cluster answers", daemon=True).start()

    def run(
        self, arguments: Sequence[str], on_progress: Callable[[RunProgress], object]
    ) -> RunResult:
        """Run a slide to its end, in bands where it is large.

        Raises
        ------
        PlaceLostError
            The cluster is gone.
        """
        if self._command != "run":
            return self._run(arguments, on_progress)
        first = self._run([f"--most-blocks={BLOCKS_A_TASK}", *arguments], on_progress)
        if not first.bands:
            return first
        return self._run_bands(list(arguments), first.bands, on_progress)

    def stop(self) -> None:
        """End all runs under way; what they computed is kept."""
        with self._lock:
            numbers = list(self._answers)
        for number in numbers:
            self._send(Cancel(number))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster; what still runs there ends."""
        self._channel.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _run_bands(
        self, arguments: list[str], bands: int, on_progress: Callable[[RunProgress], object]
    ) -> RunResult:
        """Have the bands of a slide computed, then put together what they kept."""
        shares = [RunProgress(0, 0)] * bands
        lock = threading.Lock()

        def run(band: int) -> RunResult:
            def note(progress: RunProgress) -> None:
                with lock:
                    shares[band] = progress
                    on_progress(_total(shares))

            return self._run([f"--band={band}/{bands}", *arguments], note)

        with ThreadPoolExecutor(_MOST_BANDS_AT_ONCE, "bands") as pool:
            results = list(pool.map(run, range(bands)))
        if any(result.was_stopped for result in results):
            return RunResult(was_stopped=True)
        # A band that failed is tried once more here, and its sentence is that of the slide.
        whole = self._run(arguments, lambda _: None)
        notes = [note for result in results for note in result.notes if note not in whole.notes]
        return RunResult(whole.record, whole.error, [*notes, *whole.notes], whole.was_stopped)

    def _run(
        self, arguments: Sequence[str], on_progress: Callable[[RunProgress], object]
    ) -> RunResult:
        placed, files = _with_files(arguments)
        slide = arguments[-1]
        address = full_address(slide_path(slide)) if is_address(slide) else ""
        answers: queue.SimpleQueue[Going | Ended | None] = queue.SimpleQueue()
        with self._lock:
            if self._problem:
                raise PlaceLostError(self._problem)
            self._next_id += 1
            number = self._next_id
            self._answers[number] = answers
        try:
            self._send(Submit(number, placed, files, address, self._command))
            while True:
                match answers.get():
                    case Going(done=done, total=total, left_s=left_s):
                        on_progress(RunProgress(done, total, left_s))
                    case Ended() as ended:
                        return RunResult(
                            ended.record, ended.error, ended.notes, ended.was_stopped, ended.bands
                        )
                    case None:
                        raise PlaceLostError(self._problem)
        finally:
            with self._lock:
                del self._answers[number]

    def _join(self, asked: Connect) -> int:
        try:
            self._channel.send(asked)
            answer = self._channel.receive(_JOIN_S)
        except ChannelTimeoutError as error:
            raise BatchError(
                f"The Ray cluster at {self._where} does not answer within {_JOIN_S:.0f} s: check "
                "host and port."
            ) from error
        except ChannelError as error:
            raise BatchError(
                f"The Ray cluster at {self._where} cannot be joined: see that its version of Ray "
                "is the one that is installed here."
            ) from error
        match answer:
            case Connected(slots=slots):
                return min(_SLIDES_A_SLOT * slots, _MOST_AT_ONCE)
            case Unreachable(sentence=sentence):
                raise BatchError(sentence)
            case _:
                raise BatchError(f"The Ray cluster at {self._where} gave no answer.")

    def _send(self, question: Submit | Cancel) -> None:
        try:
            self._channel.send(question)
        except ChannelError:
            self._lose("")

    def _listen(self) -> None:
        try:
            while True:
                answer = self._channel.receive()
                if isinstance(answer, Unreachable):
                    self._lose(answer.sentence)
                elif isinstance(answer, Going | Ended):
                    with self._lock:
                        answers = self._answers.get(answer.id)
                    if answers is not None:
                        answers.put(answer)
        except ChannelError:
            self._lose("")

    def _lose(self, sentence: str) -> None:
        """Tell all who wait that the cluster is gone."""
        with self._lock:
            self._problem = self._problem or sentence or lost_sentence(self._where)
            waiting = list(self._answers.values())
        for answers in waiting:
            answers.put(None)


def _started() -> tuple[subprocess.Popen[bytes], Channel[Answer]]:
    try:
        return start_module(_LINK, msgspec.msgpack.Decoder(prepared(Answer)))
    except OSError as error:
        raise BatchError(f"No process can be started ({reason_of(error)}).") from error


def _with_files(arguments: Sequence[str]) -> tuple[list[str], dict[str, bytes]]:
    """Return arguments that name no file of this machine alone, and the files that go along."""
    placed: list[str] = []
    files: dict[str, bytes] = {}
    for argument in arguments:
        if argument.startswith(_FILES):
            option, _, name = argument.partition("=")
            path = Path(name)
            try:
                files[path.name] = path.read_bytes()
            except OSError as error:
                raise BatchError(f"{path} cannot be read ({reason_of(error)}).") from error
            argument = f"{option}={FILES}{path.name}"
        placed.append(argument)
    return placed, files


def _total(shares: Sequence[RunProgress]) -> RunProgress:
    """Return how far a slide is whose bands are so far; bands not begun count like the others."""
    known = [each for each in shares if each.total]
    if not known:
        return RunProgress(0, 0)
    typical = sum(each.total for each in known) // len(known)
    total = sum(each.total or typical for each in shares)
    done = sum(each.done for each in known)
    return RunProgress(done, total, None)
