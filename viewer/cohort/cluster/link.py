"""The process that holds Ray: it submits runs to a cluster, and tells what comes of them.

Ray ends a process whose cluster is gone, so the program itself never holds it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from viewer.cohort.cluster.messages import (
    Answer,
    Cancel,
    Connect,
    Connected,
    Ended,
    Going,
    Question,
    Submit,
    Unreachable,
    lost_sentence,
)
from viewer.errors import CoverslipError
from viewer.prepared_types import prepared
from viewer.processes.channel import Channel, ChannelError, inherited_channel

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)
_REACH_S = 5.0
_JOIN_S = 60.0
"""After that it is not tried once more."""
_POLL_S = 0.3
_PROBE_S, _SILENT_S = 2.0, 12.0
"""How often the head is looked at, and how long it may be silent."""
_AGAIN_S = (0.5, 2.0, 4.0, 8.0, 8.0)
"""Before a lost run is submitted again: together longer than a head that is gone goes unnoticed."""
_ENDING_S = 5.0


class _UnreachableError(CoverslipError):
    """No cluster can be joined; `str()` is one sentence."""


class _Run:
    def __init__(self, asked: Submit) -> None:
        self.asked = asked
        self.ref: Any = None
        self.lost = 0
        self.again_s = 0.0
        self.is_canceled = False


class Link:
    """Runs on one cluster. All calls of Ray are made by the thread of `serve`."""

    def __init__(self, asked: Connect, send: Callable[[Answer], None]) -> None:
        self._asked = asked
        self._send = send
        self._where = f"ray://{asked.host}:{asked.port}"
        self._runs: dict[int, _Run] = {}
        self._by_ref: dict[Any, int] = {}
        self._noting: Any = None

    def connect(self) -> int:
        """Join the cluster, and return how many tasks fit on it. Raises _UnreachableError."""
        asked = self._asked
        if not self._answers():
            raise _UnreachableError(
                f"There is no Ray cluster at {self._where}: start it (docs/cohort.md), or check "
                "host and port."
            )
        try:
            is_client = _is_client_port(asked.host, asked.port)
        except _UnreachableError as error:
            raise _UnreachableError(
                f"What answers at {self._where} is no Ray cluster, or one that wants TLS: check "
                "the port (docs/cohort.md)."
            ) from error
        except (KeyError, OSError) as error:
            raise _UnreachableError(
                "RAY_USE_TLS is set: RAY_TLS_CA_CERT, RAY_TLS_SERVER_KEY and RAY_TLS_SERVER_CERT "
                f"must name files that can be read ({error})."
            ) from error
        import ray

        self._join(ray, self._where if is_client else f"{asked.host}:{asked.port}")
        from viewer.cohort.cluster.task import Notes, run_slide

        self._ray: Any = ray
        have: dict[str, float] = self._ray.cluster_resources()
        gpus = asked.gpus_per_task
        if gpus > have.get("GPU", 0.0):
            raise _UnreachableError(
                f"The cluster at {self._where} has {have.get('GPU', 0.0):g} GPUs, and a task is "
                f"to have {gpus:g}: give a smaller --gpus-per-task, or none for CPUs."
            )
        self._task: Any = self._ray.remote(run_slide).options(
            num_cpus=1, num_gpus=gpus, max_retries=0, scheduling_strategy="SPREAD"
        )
        actor: Any = ray.remote(Notes)
        self._notes = actor.options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote()
        threading.Thread(target=self._watch_head, name="head watch", daemon=True).start()
        cpu_slots = int(have.get("CPU", 1.0))
        return max(1, min(cpu_slots, int(have["GPU"] / gpus)) if gpus else cpu_slots)

    def _join(self, ray: Any, address: str) -> None:
        until_s = time.monotonic() + _JOIN_S
        while True:
            try:
                ray.init(
                    address, namespace="coverslip", log_to_driver=False, logging_level=logging.ERROR
                )
                return
            except Exception as error:  # of many kinds, Ray's own and grpc's
                # A head with much to do lets its clients wait longer than Ray's client does.
                if isinstance(error, ConnectionError) and time.monotonic() < until_s:
                    continue
                _log.warning("no cluster", exc_info=error)
                reason = (str(error).strip().splitlines() or ["it does not answer"])[0]
                raise _UnreachableError(
                    f"The Ray cluster at {self._where} cannot be joined ({reason[:200]})."
                ) from error

    def serve(self, questions: queue.SimpleQueue[Question | None]) -> None:
        """Submit what is asked for, and answer, until nobody asks any more."""
        while True:
            with contextlib.suppress(queue.Empty):
                # Where nothing runs there is nothing but questions to wait for.
                question = questions.get(timeout=None if not self._runs else 0.01)
                while True:
                    if question is None:
                        return
                    self._take(question)
                    question = questions.get_nowait()
            self._submit_again()
            if self._by_ref:
                self._tell()
            elif self._runs:
                time.sleep(_POLL_S)

    def leave(self) -> None:
        """End what still runs, at once: else Ray's server for clients waits for their return."""
        self._ray.shutdown()

    def _take(self, question: Question) -> None:
        match question:
            case Submit():
                self._runs[question.id] = _Run(question)
                self._submit(question.id)
            case Cancel() if (run := self._runs.get(question.id)) is not None:
                run.is_canceled = True
                if run.ref is None:
                    del self._runs[question.id]
                    self._send(Ended(question.id, was_stopped=True))
                else:
                    self._ray.cancel(run.ref, force=True)
            case _:
                return

    def _submit_again(self) -> None:
        """Submit the runs whose worker was lost, after a pause: the whole cluster may be going."""
        for number, run in self._runs.items():
            if run.ref is None and time.monotonic() >= run.again_s:
                self._submit(number)

    def _submit(self, number: int) -> None:
        run, asked = self._runs[number], self._runs[number].asked
        run.ref = self._task.remote(
            number, asked.arguments, asked.files, asked.address, self._notes, asked.command
        )
        self._by_ref[run.ref] = number

    def _tell(self) -> None:
        ended, _ = self._ray.wait(
            list(self._by_ref), num_returns=len(self._by_ref), timeout=_POLL_S, fetch_local=False
        )
        for ref in ended:
            self._end(ref, self._by_ref.pop(ref))
        self._tell_progress()

    def _tell_progress(self) -> None:
        """Pass on what workers said; the actor may be restarting, so nobody waits for it."""
        if self._noting is None:
            self._noting = self._notes.take.remote()
        done, _ = self._ray.wait([self._noting], timeout=0)
        if not done:
            return
        notes: list[tuple[int, int, int, float | None]]
        try:
            notes = self._ray.get(self._noting)
        except self._ray.exceptions.RayError:
            notes = []
        self._noting = None
        for number, done_blocks, total, left_s in notes:
            if number in self._runs:
                self._send(Going(number, done_blocks, total, left_s))

    def _end(self, ref: Any, number: int) -> None:
        run, errors = self._runs[number], self._ray.exceptions
        try:
            result = self._ray.get(ref)
        except errors.RayTaskError as error:
            if isinstance(error, errors.TaskCancelledError) or run.is_canceled:
                ended = Ended(number, was_stopped=True)
            else:
                ended = Ended(number, error=_task_sentence(error))
        except errors.RayError as error:
            if run.is_canceled or isinstance(error, errors.TaskCancelledError):
                ended = Ended(number, was_stopped=True)
            else:
                _log.info("run %s is lost (%s)", number, type(error).__name__)
                if run.lost < len(_AGAIN_S):  # its worker or node is gone: not its fault
                    run.ref, run.again_s = None, time.monotonic() + _AGAIN_S[run.lost]
                    run.lost += 1
                    return
                ended = Ended(number, error=f"Its worker ended {run.lost + 1} times.")
        else:
            ended = msgspec.convert({"id": number, **result}, prepared(Ended))
        del self._runs[number]
        self._send(ended)

    def _watch_head(self) -> None:
        """End this process once the head of the cluster is silent: Ray itself may wait for ever."""
        heard_s = time.monotonic()
        while time.monotonic() - heard_s < _SILENT_S:
            time.sleep(_PROBE_S)
            if self._answers():
                heard_s = time.monotonic()
        self._send(Unreachable(lost_sentence(self._where)))
        os._exit(1)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self._asked.host, self._asked.port), _REACH_S):
                return True
        except OSError:
            return False


def _is_client_port(host: str, port: int) -> bool:
    """Return whether Ray's server for clients answers at a port, and not the cluster itself.

    Raises _UnreachableError where neither does, and OSError or KeyError without certificates.
    """
    import grpc

    with _grpc_channel(host, port) as channel:
        ask = channel.unary_unary("/ray.rpc.RayletDriver/ClusterInfo")
        try:
            ask(b"", timeout=_REACH_S)
        except grpc.RpcError as error:
            code = getattr(error, "code", lambda: None)()
            if code is grpc.StatusCode.UNAVAILABLE:
                raise _UnreachableError from error
            return code is not grpc.StatusCode.UNIMPLEMENTED
    return True


def _grpc_channel(host: str, port: int) -> Any:
    import grpc

    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if os.environ.get("RAY_USE_TLS", "0").lower() not in ("1", "true"):
        return grpc.insecure_channel(name)
    read: dict[str, bytes] = {}
    for part in ("CA_CERT", "SERVER_KEY", "SERVER_CERT"):
        with open(os.environ[f"RAY_TLS_{part}"], "rb") as file:
            read[part] = file.read()
    credentials = grpc.ssl_channel_credentials(
        read["CA_CERT"], read["SERVER_KEY"], read["SERVER_CERT"]
    )
    return grpc.secure_channel(name, credentials)


def _task_sentence(error: Exception) -> str:
    """Return why a worker could not even start a run."""
    cause = getattr(error, "cause", None) or error
    if isinstance(cause, ModuleNotFoundError) and cause.name and cause.name.startswith("viewer"):
        return "A node of the cluster has no Coverslip: install the same version on all nodes."
    lines = str(cause).strip().splitlines()
    return f"A worker of the cluster failed ({lines[-1][:200] if lines else type(cause).__name__})."


def main() -> None:
    """Serve the process that started this one; the channel's descriptor is the last argument."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    channel: Channel[Question] = inherited_channel(
        int(sys.argv[-1]), msgspec.msgpack.Decoder(prepared(Question))
    )

    def send(answer: Answer) -> None:
        try:
            channel.send(answer)
        except ChannelError:
            os._exit(0)  # nobody is there to hear it

    try:
        asked = channel.receive()
    except ChannelError:
        return
    assert isinstance(asked, Connect)
    link = Link(asked, send)
    try:
        send(Connected(link.connect()))
    except _UnreachableError as error:
        send(Unreachable(str(error)))
        os._exit(1)
    questions: queue.SimpleQueue[Question | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(channel, questions), daemon=True).start()
    try:
        link.serve(questions)
    except Exception as error:  # whatever Ray raises once its cluster is gone
        _log.warning("the cluster is gone", exc_info=error)
        send(Unreachable(lost_sentence(f"ray://{asked.host}:{asked.port}")))
        os._exit(1)
    with contextlib.suppress(Exception):
        link.leave()
    os._exit(0)


def _listen(channel: Channel[Question], questions: queue.SimpleQueue[Question | None]) -> None:
    try:
        while True:
            questions.put(channel.receive())
    except ChannelError:
        questions.put(None)
        time.sleep(_ENDING_S)
        os._exit(0)


if __name__ == "__main__":
    main()
