"""The helper process: what needs large libraries or the network, kept out of the window.

One process of our own code, started at first need, that ends with the window. It runs tasks by
name, many at once:

    call = helper().start("viewer.agents.chat.connection:chat", request)
    body = call.wait(on_progress)

The functions are named by text, so that asking for one imports nothing of what it needs.
"""

from __future__ import annotations

import atexit
import logging
import queue
import subprocess
import threading
from typing import TYPE_CHECKING

import msgspec

from viewer.errors import CoverslipError
from viewer.files.set_aside import say_unusable
from viewer.prepared_types import prepared
from viewer.processes.channel import Channel, ChannelError
from viewer.processes.helper_messages import Answer, Ask, Done, Failed, Progress, Stop, Unusable
from viewer.processes.own_modules import start_module

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)
_ENTRY = "viewer.processes.helper_entry"
_END_S = 3.0


class HelperEndedError(CoverslipError):
    """The helper ended before it answered; the next call starts another."""


class HelperStoppedError(CoverslipError):
    """The caller stopped the task."""


class HelperFailedError(CoverslipError):
    """The task failed; `str()` is its sentence.

    Attributes
    ----------
    kind
        The name of the class of the error there.
    value
        A number that belongs to it.
    """

    def __init__(self, kind: str, sentence: str, value: float | None = None) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.value = value


class HelperCall:
    """One task under way. `stop` may be called from any thread."""

    def __init__(self, send_stop: Callable[[], object]) -> None:
        self._send_stop = send_stop
        self._events: queue.SimpleQueue[Progress | Done | Failed | Exception] = queue.SimpleQueue()

    def stop(self) -> None:
        """Stop the task; whoever waits for it hears so at once."""
        self._events.put(HelperStoppedError("The task was stopped."))
        self._send_stop()

    def tell(self, event: Progress | Done | Failed | Exception) -> None:
        """Take what the helper says of this task."""
        self._events.put(event)

    def wait(self, on_progress: Callable[[bytes], object] | None = None) -> bytes:
        """Wait for the result; `on_progress` is called with what the task has so far.

        Raises
        ------
        HelperFailedError, HelperStoppedError, HelperEndedError
            There is no result.
        OSError
            The task failed with it.
        """
        while True:
            match self._events.get():
                case Progress(body=body):
                    if on_progress is not None:
                        on_progress(body)
                case Done(body=body):
                    return body
                case Failed() as failed:
                    raise _error_of(failed)
                case Exception() as error:
                    raise error


class Helper:
    """Starts the process at first need and again after it ended. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[int, HelperCall] = {}
        self._next_id = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel[Answer] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """Return the process where it was started; it may have ended."""
        return self._process

    def start(self, task: str, request: msgspec.Struct) -> HelperCall:
        """Ask for a task, "package.module:function". Raises HelperEndedError."""
        with self._lock:
            channel = self._running()
            self._next_id += 1
            number = self._next_id
            call = HelperCall(lambda: self._stop(number))
            self._calls[number] = call
        try:
            channel.send(Ask(number, task, msgspec.msgpack.encode(request)))
        except ChannelError as error:
            with self._lock:
                self._calls.pop(number, None)
            raise HelperEndedError("The helper process has ended: try again.") from error
        return call

    def run(self, task: str, request: msgspec.Struct) -> bytes:
        """Do a task and return its result; raises as `start` and `HelperCall.wait`."""
        return self.start(task, request).wait()

    def close(self) -> None:
        """End the process; tasks under way end with an error."""
        with self._lock:
            process, channel = self._process, self._channel
            self._process = self._channel = None
        if channel is not None:
            channel.close()
        if process is not None:
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _running(self) -> Channel[Answer]:
        """Return the channel to a process that runs; called with the lock held."""
        if self._channel is not None and self._process is not None and self._process.poll() is None:
            return self._channel
        try:
            process, channel = start_module(
                _ENTRY, msgspec.msgpack.Decoder(prepared(Answer)), keeps_stderr=True
            )
        except OSError as error:
            raise HelperEndedError(f"The helper process cannot be started: {error}.") from error
        self._process, self._channel = process, channel
        threading.Thread(
            target=self._listen, args=(channel,), name="helper answers", daemon=True
        ).start()
        return channel

    def _listen(self, channel: Channel[Answer]) -> None:
        try:
            while True:
                answer = channel.receive()
                if isinstance(answer, Unusable):
                    say_unusable(answer.sentence)
                    continue
                with self._lock:
                    is_last = not isinstance(answer, Progress)
                    call = self._calls.pop(answer.id, None) if is_last else None
                    call = call or self._calls.get(answer.id)
                if call is not None:
                    call.tell(answer)
        except ChannelError:
            with self._lock:
                if channel is self._channel:
                    self._channel = None
                    _log.info("the helper process has ended")
                calls = list(self._calls.values())
                self._calls.clear()
            for call in calls:
                call.tell(HelperEndedError("The helper process has ended: try again."))

    def _stop(self, number: int) -> None:
        with self._lock:
            channel = self._channel
            known = self._calls.pop(number, None) is not None
        if channel is not None and known:
            try:
                channel.send(Stop(number))
            except ChannelError:
                return  # it has ended, and the task with it


def _error_of(failed: Failed) -> Exception:
    if failed.kind == "OSError":
        if failed.code:
            return OSError(failed.code, failed.sentence, failed.file or None)
        return OSError(failed.sentence)
    return HelperFailedError(failed.kind, failed.sentence, failed.value)


_helper = Helper()
atexit.register(_helper.close)


def helper() -> Helper:
    """Return the helper of this process."""
    return _helper
