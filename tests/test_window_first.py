"""Threads that compute wait while the window is busy, though not for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QCoreApplication, QObject, Qt, QTimer, Signal
from pytestqt.qtbot import QtBot

from viewer import window_first
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.collector import _Answering
from viewer.window_first import give_way, giving_way


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """A window that is asked and answers when the test does; times in seconds."""
    monkeypatch.setattr(window_first, "_EVERY_S", 0.0)
    moments: list[float] = []
    window_first.set_window(lambda: moments.append(time.perf_counter()))
    yield moments
    window_first.set_window(None)


class _Answered(threading.Event):
    """The answer of the window, and how often it was waited for in vain."""

    def __init__(self) -> None:
        super().__init__()
        self.set()
        self.in_vain = 0

    def wait(self, timeout: float | None = None) -> bool:
        is_answered = super().wait(timeout)
        self.in_vain += not is_answered
        return is_answered


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> _Answered:
    answered = _Answered()
    monkeypatch.setattr(window_first._window, "answered", answered)
    return answered


class _Working(threading.Thread):
    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.went_on = threading.Event()

    def run(self) -> None:
        for _ in range(2):  # it asks, then it looks for the answer
            give_way()
        self.went_on.set()


def test_threads_wait_until_the_window_answers_one_question(
    asked: list[float], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_first, "_WAIT_S", 60.0)
    working = [_Working() for _ in range(3)]
    for each in working:
        each.start()
    qtbot.waitUntil(lambda: bool(asked))
    assert not any(each.went_on.is_set() for each in working)
    window_first.answer()
    for each in working:
        while not each.went_on.wait(0.01):  # one that came late asks again
            window_first.answer()
        each.join()
    assert 1 <= len(asked) <= 2 * len(working)


def test_what_the_window_asks_for_begins_once_it_has_done_what_it_is_at(
    asked: list[float], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_first, "_WAIT_S", 60.0)
    lane = BackgroundRunner("a lane", 2)
    began: list[int] = []
    for number in range(2):
        lane.run(lambda number=number: began.append(number), lambda _: None)
    qtbot.waitUntil(lambda: bool(asked))
    time.sleep(0.05)
    assert not began
    assert len(asked) == 1
    window_first.answer()
    qtbot.waitUntil(lambda: sorted(began) == [0, 1])


def test_work_begins_though_the_window_gives_no_answer(
    asked: list[float], answered: _Answered, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_first, "_EVERY_S", 0.001)
    lane = BackgroundRunner("a lane", 1)
    done: list[int] = []
    for number in range(30):
        lane.run(lambda number=number: done.append(number), lambda _: None)
    qtbot.waitUntil(lambda: len(done) == 30)
    assert len(asked) == 1
    # After the first wait in vain it is waited for less and less, as by work under way.
    assert answered.in_vain < 25


def test_a_window_that_gives_no_answer_is_waited_for_less_and_less(
    asked: list[float], answered: _Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_first, "_EVERY_S", 0.001)
    until_s = time.perf_counter() + 2.0
    while time.perf_counter() < until_s or answered.in_vain < 3:
        working = _Working()
        working.start()
        assert working.went_on.wait(60)
    assert len(asked) == 1
    assert answered.in_vain <= 15  # at once, then after 2, 4, 8 ms and so on


def test_a_window_that_is_busy_for_long_is_hardly_held_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window_first.set_window(lambda: None)
    worked_s: list[float] = []

    def work() -> None:
        until_s = time.perf_counter() + 0.5
        while time.perf_counter() < until_s:
            began_s = time.thread_time()
            give_way()
            sum(range(1000))
            worked_s.append(time.thread_time() - began_s)

    working = threading.Thread(target=work)
    working.start()
    working.join()
    window_first.set_window(None)
    assert sum(worked_s) < 0.3  # of 0.5 s; it was 0.45


def test_the_window_itself_and_a_command_without_one_wait_for_nobody(asked: list[float]) -> None:
    give_way()
    assert not asked
    window_first.set_window(None)
    working = _Working()
    working.start()
    assert working.went_on.wait(60)
    assert not asked


def test_a_window_answers_after_what_came_before(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_first, "_EVERY_S", 0.0)
    monkeypatch.setattr(window_first, "_WAIT_S", 60.0)
    answering = _Answering(QCoreApplication.instance())
    window_first.set_window(answering.asked.emit)
    try:
        working = _Working()
        working.start()
        qtbot.waitUntil(working.went_on.is_set)
    finally:
        window_first.set_window(None)
        answering.deleteLater()
    assert list(giving_way(range(250))) == list(range(250))


class _Events(QObject):
    """Something to do for the window."""

    came = Signal()

    def __init__(self, happened: list[str]) -> None:
        super().__init__()
        self.came.connect(lambda: happened.append("event"), Qt.ConnectionType.QueuedConnection)


def test_a_window_answers_after_all_it_has_to_do_in_a_turn(qtbot: QtBot) -> None:
    answering = _Answering(QCoreApplication.instance())
    happened: list[str] = []
    answering._turn.timeout.connect(lambda: happened.append("answer"))
    events = _Events(happened)
    frame = QTimer(events, singleShot=True, interval=1)
    frame.setTimerType(Qt.TimerType.PreciseTimer)
    frame.timeout.connect(lambda: happened.append("timer"))
    frame.start()
    answering.asked.emit()
    for _ in range(3):
        events.came.emit()
    qtbot.waitUntil(lambda: "answer" in happened)
    answering.deleteLater()
    assert happened == ["event"] * 3 + ["timer", "answer"]


def test_a_window_that_always_has_something_to_do_answers(qtbot: QtBot) -> None:
    answering = _Answering(QCoreApplication.instance())
    answers: list[int] = []
    count = 0

    def again() -> None:
        nonlocal count
        count += 1
        events.came.emit()

    events = _Events([])
    events.came.connect(again, Qt.ConnectionType.QueuedConnection)
    answering._turn.timeout.connect(lambda: answers.append(count))
    again()
    answering.asked.emit()
    qtbot.waitUntil(lambda: bool(answers))
    events.came.disconnect(again)
    answering.deleteLater()
    assert answers[0] > 0
