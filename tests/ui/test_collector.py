"""Full collections leave out very many objects that are in use, and free what is not."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from viewer.ui import collector
from viewer.ui.collector import Collector
from viewer.uncollected import uncollected

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
    gc.set_threshold(700, 10, collector._NEVER)  # as in the program after `spare_standing_objects`
    monkeypatch.setattr(collector, "_MANY", MANY)
    yield Collector(lambda: False)
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_is_spared_is_freed_once_it_goes(collects: Collector) -> None:
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
    assert seen_large() is None


def test_what_came_in_the_place_of_as_much_is_spared(collects: Collector) -> None:
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
    assert seen_young() is None
    assert seen_held() is None


def test_what_bulk_work_made_is_left_out_and_freed_once_it_goes(collects: Collector) -> None:
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
    assert seen_small() is None


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


def test_memory_too_large_to_be_counted_is_spared_uncounted(
    collects: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "_COUNTABLE_BYTES", -(1 << 40))

    def count() -> int:
        raise AssertionError("it takes too long")

    with monkeypatch.context() as uncounted:
        uncounted.setattr(sys, "getallocatedblocks", count)
        large = _Held(2 * MANY)
        collects._collect()
        assert gc.get_freeze_count() > 2 * MANY
        small = _Held(1)
        seen_small, seen_large = weakref.ref(small), weakref.ref(large)
        del small
        collects._collect()
        assert seen_small() is None
        assert seen_large() is not None
    monkeypatch.setattr(collector, "_COUNTABLE_BYTES", 1 << 40)
    large.much.clear()
    del large
    collects._collect()
    assert seen_large() is None
