"""The process that runs a model: confined, fed with pixels and weights, watched from outside.

It is given bytes and gives numbers; it knows neither the slide nor any path of the user's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import psutil

from viewer.inference.ai_extra import missing_ai
from viewer.inference.errors import ModelFailedError, ModelProcessError
from viewer.inference.models.bundle import BundleError, open_data, open_weights
from viewer.inference.process import process_limits
from viewer.inference.process.confinement_policy import check_may_run
from viewer.inference.process.messages import (
    Alive,
    Load,
    Loaded,
    Ready,
    Refused,
    TryOut,
    Weights,
    answers,
)
from viewer.inference.process.model_scan import check_script
from viewer.processes.channel import ChannelError, open_channel
from viewer.processes.confinement.launching import launch
from viewer.processes.giving_way import give_way
from viewer.processes.shared_pixels import SharedPixels, hand_over

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.process.messages import Answer, PackageTest, Request
    from viewer.processes.shared_pixels import Tile

_log = logging.getLogger(__name__)

MAIN = "viewer.inference.process.model_main"
SHARED_BYTES = 1 << 30
"""Of the memory for pixels; only what is written takes any."""

_WEIGHTS_PART_BYTES = 16 << 20
_WATCH_S = 0.2


def thread_count() -> int:
    """Return how many threads a model computes with: all cores but one.

    `OMP_NUM_THREADS` may ask for fewer, as a cluster does that runs several models on a machine.
    """
    most = max(1, (os.cpu_count() or 2) - 1)
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return min(most, max(1, int(asked))) if asked.isdecimal() else most


class LoadedModel(NamedTuple):
    """What decides whether a process holds the model that is wanted.

    Attributes
    ----------
    key
        `ModelBundle.key`.
    """

    key: str
    device: str
    threads: int
    falls_back: bool


class ModelProcess:
    """A child with at most one model. `close` and `kill` may be called from any thread.

    One thread may send and one may receive at a time. What was sent and not answered within a
    minute without any progress ends the process, as does too much memory.

    Parameters
    ----------
    with_torch
        Whether the child imports torch at once, which takes a second.
    uses_cuda
        Whether it may reach the devices of NVIDIA's driver.

    Attributes
    ----------
    stopped
        Why it was stopped from outside, as one sentence; empty where it was not.

    Raises
    ------
    ModelProcessError
        The process cannot be started, or what it needs is not installed.
    """

    def __init__(self, *, with_torch: bool = True, uses_cuda: bool = True) -> None:
        if sentence := missing_ai():
            raise ModelProcessError(sentence)
        self._shared = SharedPixels.create(SHARED_BYTES)
        self._lock = threading.Lock()
        self._outstanding = 0
        self._progress_s = time.monotonic()
        self.uses_cuda = uses_cuda
        self._held: tuple[LoadedModel, Ready] | None = None
        self.stopped = ""
        self._is_killed = False
        self._ended = threading.Event()
        try:
            self._channel, theirs = open_channel(answers())
            shared = -1 if self._shared is None else self._shared.descriptor
            inherited = [theirs.fileno(), *([] if shared < 0 else [shared])]
            arguments = [str(theirs.fileno()), str(shared), "torch" if with_torch else ""]
            self._child = launch(MAIN, arguments, inherited_fds=inherited, uses_cuda=uses_cuda)
            give_way(self._child.pid)
        except OSError as error:
            raise ModelProcessError(f"The model process cannot be started ({error}).") from error
        theirs.close()
        self._watcher = threading.Thread(target=self._watch, name="model watch", daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    def holds(self, wanted: LoadedModel) -> bool:
        """Return whether a model is loaded as it is wanted."""
        return self._held is not None and self._held[0] == wanted

    def is_running(self) -> bool:
        """Return whether the process has not ended."""
        return self._child.is_running()

    def shared_slots(self, slot_bytes: int, most: int) -> SharedPixels | None:
        """Return the shared memory in slots of a size, as many as fit; None where there is none."""
        if self._shared is None:
            return None
        page = os.sysconf("SC_PAGE_SIZE")
        slot_bytes = -(-slot_bytes // page) * page
        count = max(1, min(most, SHARED_BYTES // slot_bytes))
        return SharedPixels(os.dup(self._shared.descriptor), slot_bytes, count)

    def put(self, pixels: NDArray[np.uint8]) -> Tile:
        """Put pixels where the process finds them; return the message that tells it of them."""
        shared = self.shared_slots(pixels.nbytes, 1)
        try:
            return hand_over(pixels, shared)
        finally:
            if shared is not None:
                shared.close()

    def load(
        self, bundle: ModelBundle, device: str, threads: int, *, falls_back: bool = False
    ) -> Ready:
        """Send a model with its weights, and wait until it is loaded; not where it is already.

        With `falls_back` the CPU does where the device is not to be had.

        Raises
        ------
        BundleError
            The weights are missing, other than described, or may not run here.
        ModelFailedError
            The model failed.
        ModelProcessError
            The process ended or was stopped.
        """
        check_may_run(bundle, is_confined=self._child.is_confined)
        wanted = LoadedModel(bundle.key, device, threads, falls_back)
        if self._held is not None and self._held[0] == wanted:
            return self._held[1]
        self._held = None
        check_script(bundle)
        with open_weights(bundle) as file:
            size = os.fstat(file.fileno()).st_size
            self._post(Load(bundle.description, size, device, threads, falls_back))
            while part := file.read(_WEIGHTS_PART_BYTES):
                self._post(Weights(part))
        for name in bundle.description.data:
            with open_data(bundle, name) as file:
                while part := file.read(_WEIGHTS_PART_BYTES):
                    self._post(Weights(part, name))
        ready = self._ready(Loaded())
        self._held = wanted, ready
        return ready

    def try_out(self) -> Ready:
        """Let the loaded model work once. Raises as `load` does."""
        return self._ready(TryOut())

    def prove(self, test: PackageTest) -> Ready:
        """Let the loaded model answer a test of its makers. Raises as `load` does."""
        return self._ready(test)

    def ask(self, request: Request) -> Answer:
        """Send a request and return its answer. Raises ModelProcessError."""
        self.send(request)
        return self.receive()

    def send(self, request: Request) -> None:
        """Send a request that will be answered. Raises ModelProcessError."""
        with self._lock:
            if self._outstanding == 0:
                self._progress_s = time.monotonic()
            self._outstanding += 1
        self._post(request)

    def receive(self) -> Answer:
        """Wait for the next answer. Raises ModelProcessError."""
        while True:
            try:
                answer = self._channel.receive()
            except ChannelError as error:
                self._child.popen.kill()
                raise ModelProcessError(self._reason()) from error
            with self._lock:
                self._progress_s = time.monotonic()
                if not isinstance(answer, Alive):
                    self._outstanding = max(0, self._outstanding - 1)
            if not isinstance(answer, Alive):
                return answer

    def post(self, request: Request) -> None:
        """Send a request that has no answer. Raises ModelProcessError."""
        self._post(request)

    def kill(self) -> None:
        """End the process at once; whoever waits for an answer gets an error."""
        self._is_killed = True
        self._child.popen.kill()

    def close(self) -> None:
        """End the process and free all that belongs to it."""
        self._ended.set()
        self._child.close()
        self._channel.close()
        if threading.current_thread() is not self._watcher:
            self._watcher.join()
        with self._lock:
            shared, self._shared = self._shared, None
        if shared is not None:
            shared.close()

    def _ready(self, request: Loaded | TryOut | PackageTest) -> Ready:
        match self.ask(request):
            case Ready() as ready:
                return ready
            case Refused(sentence, is_failure):
                raise (ModelFailedError if is_failure else BundleError)(sentence)
            case other:
                raise ModelProcessError(f"The model process answered with {type(other).__name__}.")

    def _post(self, request: Request) -> None:
        try:
            self._channel.send(request)
        except ChannelError as error:
            raise ModelProcessError(self._reason()) from error

    def _reason(self) -> str:
        if self.stopped:
            return self.stopped
        with contextlib.suppress(Exception):
            self._child.popen.wait(1.0)
        if (words := self._child.last_words()) and not self._is_killed:
            _log.warning("Last words of the model process: %s", words)
        return "The model process ended without an answer."

    def _watch(self) -> None:
        """Stop the process where it takes too much memory or achieves nothing."""
        limit_bytes = process_limits.memory_limit_bytes()
        try:
            process = psutil.Process(self._child.pid)
            while not self._ended.wait(_WATCH_S) and self._child.is_running():
                with self._lock:
                    silent_s = time.monotonic() - self._progress_s if self._outstanding else 0.0
                if process.memory_info().rss > limit_bytes:
                    self._stop(process_limits.too_much_memory(limit_bytes))
                elif silent_s > process_limits.NO_PROGRESS_S:
                    self._stop(process_limits.no_progress())
        except psutil.Error:
            pass  # it has ended

    def _stop(self, sentence: str) -> None:
        self.stopped = sentence
        self.kill()
