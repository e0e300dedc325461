"""Full collections leave out very many objects that are in use, and free what is not."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from viewer.memory import uncollected as uncollected_module
from viewer.memory.uncollected import uncollected
from viewer.ui import collector
from viewer.ui.collector import Collector

pytestmark = pytest.mark.own_process
MANY = 100_000


class _Held:
    """Refers to itself, so that only a collection frees it."""

    def __init__(self, count: int) -> None:
        self.itself = self
        self.much: list[list[int]] = [[] for _ in range(count)]


@pytest.fixture
def collects(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    gc.collect()
    gc.freeze()
    thresholds = gc.get_threshold()
    # As in the program after `spare_standing_objects`.
    gc.set_threshold(collector._YOUNG, collector._MIDDLE, collector._NEVER)
    monkeypatch.setattr(collector, "_MANY", MANY)
    monkeypatch.setattr(collector, "_FEW", 1 << 40)
    collects = Collector(lambda: False)
    collects._rest.rest_s = 0.0
    yield collects
    gc.collect()
    # What is left out stays so: all that the tests have imported takes a second to look at.
    gc.freeze()
    gc.set_threshold(*thresholds)


def test_what_is_spared_is_freed_once_it_goes(collects: Collector, qtbot: QtBot) -> None:
    collects._collect()
    large = _Held(2 * MANY)
    collects._collect()
    assert gc.get_freeze_count() > 2 * MANY, "later collections leave it out"
    small = _Held(1)
    seen_small, seen_large = weakref.ref(small), weakref.ref(large)
    del small
    collects._collect()
    assert seen_small() is None
    assert seen_large() is not None
    large.much.clear()
    del large
    collects._collect()
    qtbot.waitUntil(lambda: seen_large() is None, timeout=20_000)


def test_what_came_in_the_place_of_as_much_is_spared(collects: Collector, qtbot: QtBot) -> None:
    former: list[list[int]] = [[] for _ in range(2 * MANY)]
    collects._collect()
    held = _Held(2 * MANY)  # as the state after a change of all, beside the one before
    del former
    young = _Held(1)
    seen_young, seen_held = weakref.ref(young), weakref.ref(held)
    collects._collect()
    assert gc.get_freeze_count() > 2 * MANY, "it is not looked at"
    del young
    held.much.clear()
    del held
    collects._collect()
    qtbot.waitUntil(lambda: seen_young() is None and seen_held() is None, timeout=20_000)


def test_what_bulk_work_made_is_left_out_and_freed_once_it_goes(
    collects: Collector, qtbot: QtBot
) -> None:
    collects._collect()
    small = _Held(1)
    with uncollected():
        large: list[list[int]] = [[] for _ in range(2 * MANY)]
        assert not gc.isenabled()
        collects._collect()
        assert gc.get_count()[0] > 2 * MANY, "it is not looked at meanwhile"
        with uncollected():
            pass
        assert not gc.isenabled(), "the outer work is under way"
    assert gc.isenabled()
    assert gc.get_freeze_count() > 2 * MANY, "the next collection leaves it out"
    seen_small = weakref.ref(small)
    del small, large
    collects._collect()
    qtbot.waitUntil(lambda: seen_small() is None, timeout=20_000)


def test_what_bulk_work_made_is_left_out_though_as_much_went_meanwhile(
    collects: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uncollected_module, "_LONG_S", 0.001)
    collects._collect()
    former: list[list[int]] = [[] for _ in range(2 * MANY)]
    before = gc.get_freeze_count()
    with uncollected():
        large: list[list[int]] = [[] for _ in range(2 * MANY)]
        del former
        assert gc.get_count()[0] < MANY, "Python's count tells nothing of it"
    assert gc.get_freeze_count() > before + MANY
    assert len(large) == 2 * MANY


def test_work_that_made_little_leaves_nothing_out(collects: Collector) -> None:
    gc.collect()
    before = gc.get_freeze_count()
    with uncollected():
        small = _Held(1)
    seen_small = weakref.ref(small)
    del small
    assert gc.get_freeze_count() <= before, "some that were may be freed meanwhile"
    collects._collect()
    assert seen_small() is None


def test_what_went_is_freed_though_the_window_holds_more_than_at_its_start(
    collects: Collector, qtbot: QtBot
) -> None:
    project: list[list[int]] = [[] for _ in range(3 * MANY)]  # stays, as its slides and sessions do
    collects._collect()
    seen = _gone_again(collects)
    qtbot.waitUntil(lambda: seen() is None, timeout=20_000)
    assert len(project) == 3 * MANY


def test_so_many_that_it_takes_long_are_looked_at_while_the_user_is_away(
    collects: Collector, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "_FEW", 0)
    seen, absence = _gone_again(collects), collects._absence
    assert not collects._rest.is_waiting
    assert absence.is_waiting
    absence._asked_s -= 1e6
    absence._look()
    assert seen() is not None, "the user works on"
    widget = QWidget()
    qtbot.addWidget(widget)
    qtbot.keyClick(widget, Qt.Key.Key_A)
    absence._input_s -= absence.rest_s + 1.0
    absence._look()
    assert seen() is None
    assert not absence.is_waiting


def _gone_again(collects: Collector) -> weakref.ref[_Held]:
    """Return what was spared and went, so that a walk through everything frees it."""
    collects._collect()
    large = _Held(2 * MANY)
    collects._collect()
    large.much.clear()
    seen = weakref.ref(large)
    del large
    collects._collect()
    return seen


def test_the_walk_through_everything_waits_until_the_user_rests(
    collects: Collector, qtbot: QtBot
) -> None:
    collects._rest.rest_s = 1000.0
    seen, rest = _gone_again(collects), collects._rest
    assert rest.is_waiting
    asked_s = rest._input_s
    widget = QWidget()
    qtbot.addWidget(widget)
    qtbot.keyClick(widget, Qt.Key.Key_A)
    assert rest._input_s > asked_s, "the rest begins anew with each key"
    rest._look()
    assert seen() is not None
    collects._rest.rest_s = 0.0
    rest._look()
    assert seen() is None
    assert not rest.is_waiting


def test_it_waits_for_no_rest_for_ever(collects: Collector, qtbot: QtBot) -> None:
    collects._rest.rest_s = 1000.0
    seen, rest = _gone_again(collects), collects._rest
    rest.longest_s = 0.0
    rest._look()
    assert seen() is None
