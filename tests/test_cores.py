"""Threads that share work keep to their own cores; what they start does not."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import msgspec
import pytest

from viewer.cores import keep_apart
from viewer.processes.confinement.launching import launch
from viewer.processes.own_modules import start_module

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="one core is not to be shared out"
)
ALL = os.sched_getaffinity(0)


def in_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_threads_share_out_all_cores() -> None:
    parts: list[set[int]] = []

    def work(index: int) -> None:
        keep_apart(index, 2)
        parts.append(os.sched_getaffinity(0))

    for index in range(2):
        in_thread(lambda index=index: work(index))
    assert parts[0] | parts[1] == ALL
    assert not parts[0] & parts[1]
    assert os.sched_getaffinity(0) == ALL


def test_more_threads_than_cores_leave_the_rest_free() -> None:
    cores: list[set[int]] = []

    def work() -> None:
        keep_apart(len(ALL), len(ALL) + 1)
        cores.append(os.sched_getaffinity(0))

    in_thread(work)
    assert cores == [ALL]


def test_what_such_a_thread_starts_runs_on_all_cores() -> None:
    seen: list[set[int]] = []

    def work() -> None:
        keep_apart(0, 2)
        child = launch("timeit", ["-n1", "-r1", "__import__('time').sleep(20)"])
        module, channel = start_module("viewer.processes.helper_entry", msgspec.msgpack.Decoder())
        try:
            seen.extend(os.sched_getaffinity(pid) for pid in (child.pid, module.pid))
        finally:
            channel.close()
            module.kill()
            module.wait()
            child.close()
        seen.append(os.sched_getaffinity(0))

    in_thread(work)
    assert seen[:2] == [ALL, ALL]
    assert seen[2] < ALL
