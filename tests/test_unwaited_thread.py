"""A thread that is started without waiting for its first turn is a thread as any other."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

import pytest

from viewer.unwaited_thread import UnwaitedThread

_SWITCH_S = 0.3


@pytest.fixture
def others_compute() -> Iterator[None]:
    """Another thread computes, and lets go of Python's lock when it is asked long enough."""
    before_s, is_over = sys.getswitchinterval(), threading.Event()

    def compute() -> None:
        while not is_over.is_set():
            sum(range(100))

    thread = threading.Thread(target=compute)
    thread.start()
    sys.setswitchinterval(_SWITCH_S)
    yield
    sys.setswitchinterval(before_s)
    is_over.set()
    thread.join()


@pytest.mark.usefixtures("others_compute")
def test_to_start_one_takes_no_turn_of_others() -> None:
    def started_after_s(thread: threading.Thread) -> float:
        begin_s = time.perf_counter()
        thread.start()
        return time.perf_counter() - begin_s

    plain, unwaited = threading.Thread(target=_pass), UnwaitedThread(_pass)
    assert started_after_s(plain) > _SWITCH_S / 2
    assert started_after_s(unwaited) < _SWITCH_S / 2
    unwaited.join()


@pytest.mark.usefixtures("others_compute")
def test_one_that_has_not_begun_is_waited_for() -> None:
    done: list[str] = []
    thread = UnwaitedThread(lambda: done.append(threading.current_thread().name), "work")
    thread.start()
    assert thread.is_alive()
    thread.join(0.001)
    assert thread.is_alive()
    thread.join()
    assert not thread.is_alive()
    assert done == ["work"]
    assert thread not in threading.enumerate()


def test_an_error_in_it_is_told_as_of_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[type[BaseException] | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda what: told.append(what.exc_type))
    thread = UnwaitedThread(lambda: 1 / 0)
    assert thread.daemon
    thread.start()
    thread.join()
    assert told == [ZeroDivisionError]


def _pass() -> None:
    pass
