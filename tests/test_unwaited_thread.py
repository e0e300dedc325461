"""A thread that is started without waiting for its first turn is a thread as any other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from viewer.unwaited_thread import UnwaitedThread

if TYPE_CHECKING:
    import pytest


def test_nobody_waits_for_its_begin_but_who_waits_for_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_begin, begin = threading.Event(), threading.Thread.start

    def begin_late(thread: threading.Thread) -> None:
        assert may_begin.wait(20)
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", begin_late)
    done: list[str] = []
    thread = UnwaitedThread(lambda: done.append(threading.current_thread().name), "work")
    thread.start()
    thread.join(0.001)
    assert thread.is_alive()
    assert not done
    may_begin.set()
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
