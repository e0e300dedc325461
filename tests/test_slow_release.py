"""What very many refer to is freed in a thread, part by part, and never under somebody's hands."""

from __future__ import annotations

import weakref

import pytest
from pytestqt.qtbot import QtBot

from viewer.memory import slow_release
from viewer.memory.slow_release import release_slowly, release_unshared, wait_for_room


class _Thing:
    """Something whose end can be seen."""


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_release, "_LATER_S", 0.005)


def test_lists_dicts_and_lists_of_them_are_let_go_of(qtbot: QtBot) -> None:
    things = [_Thing() for _ in range(4)]
    seen = [weakref.ref(each) for each in things]
    one, two, three, four = things
    things.clear()
    release_slowly([one], [[two]], {1: three}, [{1: four}, {}], None)
    del one, two, three, four
    qtbot.waitUntil(lambda: all(each() is None for each in seen), timeout=20_000)


def test_all_that_waited_as_long_is_freed_after_one_wait(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_release, "_LATER_S", 0.5)
    things = [_Thing() for _ in range(60)]
    seen = [weakref.ref(each) for each in things]
    release_slowly(*([each] for each in things))
    things.clear()
    qtbot.waitUntil(lambda: all(each() is None for each in seen))  # not after 30 s


def test_what_others_use_stays_until_they_do_not(qtbot: QtBot) -> None:
    held = {number: _Thing() for number in range(1200)}
    seen = [weakref.ref(each) for each in held.values()]
    other = {1: _Thing()}
    released = weakref.ref(other[1])
    release_unshared(held)
    release_unshared(other)
    del other
    qtbot.waitUntil(lambda: released() is None, timeout=20_000)
    assert len(held) == 1200
    del held
    qtbot.waitUntil(lambda: all(each() is None for each in seen), timeout=20_000)


def test_what_others_use_for_very_long_is_left_to_them(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_release, "_MOST_LOOKS", 3)
    held = {1: _Thing()}
    seen = weakref.ref(held[1])
    release_unshared(held)
    qtbot.waitUntil(lambda: not slow_release._is_running, timeout=20_000)
    assert len(held) == 1
    del held
    assert seen() is None


def test_very_much_is_freed_before_as_much_is_made(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_release, "_MANY", 10)
    release_slowly([_Thing() for _ in range(5)])
    wait_for_room(lambda _: pytest.fail("so few are not waited for"))
    many = [_Thing() for _ in range(5000)]
    last = weakref.ref(many[-1]), weakref.ref(many[0])
    release_slowly(many)
    told: list[float] = []
    wait_for_room(told.append)
    assert [each() for each in last] == [None, None]
    assert set(told) == {0.0}, "who waits may end it"
    shared = {number: _Thing() for number in range(500)}
    release_unshared(shared)
    monkeypatch.setattr(slow_release, "_ROOM_S", 0.05)
    wait_for_room(told.append)
    assert len(shared) == 500, "what somebody uses is not waited for for ever"
    del shared
    qtbot.waitUntil(lambda: not slow_release._is_running, timeout=20_000)
