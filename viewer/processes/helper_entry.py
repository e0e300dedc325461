"""The helper process itself: runs tasks until whoever started it is gone."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from viewer.audit_log import keep_audit, trail
from viewer.errors import CoverslipError, reason_of
from viewer.files.set_aside import listeners
from viewer.prepared_types import prepared
from viewer.processes.channel import Channel, ChannelError, inherited_channel
from viewer.processes.helper_messages import (
    Ask,
    Done,
    Failed,
    Progress,
    Request,
    Stop,
    Unusable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)
_MOST_TASKS = 32
"""More than wait for one server that is silent, so that nothing else waits for it too."""
_END_S = 2.0


class TaskContext:
    """What a task may say and hear while it runs."""

    def __init__(self, report: Callable[[bytes], object]) -> None:
        self.report = report
        """Sends what there is so far, as msgpack."""
        self._lock = threading.Lock()
        self._on_stop: list[Callable[[], object]] = []
        self.is_stopped = False

    def when_stopped(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the caller stops the task, at once if that was before."""
        with self._lock:
            if not self.is_stopped:
                self._on_stop.append(callback)
                return
        callback()

    def stop(self) -> None:
        """Stop the task."""
        with self._lock:
            self.is_stopped = True
            callbacks, self._on_stop = self._on_stop, []
        for callback in callbacks:
            callback()


def _run_task(ask: Ask, context: TaskContext, send: Callable[[msgspec.Struct], object]) -> None:
    try:
        module, _, name = ask.task.partition(":")
        task = getattr(importlib.import_module(module), name)
        send(Done(ask.id, task(ask.body, context)))
    except OSError as error:
        file = "" if error.filename is None else str(error.filename)
        sentence = reason_of(error)
        send(Failed(ask.id, "OSError", sentence, error.errno or 0, file))
    except Exception as error:  # each belongs to whoever asked
        if not isinstance(error, CoverslipError | ValueError):
            _log.warning("%s failed", ask.task, exc_info=error)
        value = getattr(error, "pause_s", None)
        send(Failed(ask.id, type(error).__name__, str(error), value=value))


def _serve(channel: Channel[Request]) -> None:
    running: dict[int, TaskContext] = {}
    pool = ThreadPoolExecutor(_MOST_TASKS, "task")

    def send(message: msgspec.Struct) -> None:
        try:
            channel.send(message)
        except ChannelError:
            return  # nobody is there to hear it

    listeners.append(lambda sentence: send(Unusable(sentence)))

    def run(ask: Ask, context: TaskContext) -> None:
        try:
            _run_task(ask, context, send)
        finally:
            running.pop(ask.id, None)
            trail.flush()  # this process may be ended at any time from now on

    try:
        while True:
            request = channel.receive()
            if isinstance(request, Stop):
                if context := running.get(request.id):
                    context.stop()
                continue
            number = request.id
            context = TaskContext(lambda body, number=number: send(Progress(number, body)))
            running[number] = context
            pool.submit(run, request, context)
    except ChannelError:
        for context in list(running.values()):
            context.stop()
        threading.Timer(_END_S, os._exit, [0]).start()  # whatever does not hear of it
        pool.shutdown(wait=True, cancel_futures=True)
        logging.shutdown()
        os._exit(0)


def main() -> None:
    """Serve the process that started this one; the channel's descriptor is the last argument."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    keep_audit()
    _serve(inherited_channel(int(sys.argv[-1]), msgspec.msgpack.Decoder(prepared(Request))))


if __name__ == "__main__":
    main()
