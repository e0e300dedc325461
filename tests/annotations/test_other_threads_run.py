"""Copying, freeing and listing very many annotations lets other threads run all the while."""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Any
from uuid import UUID

import pytest
import shapely

from viewer.annotations import document_state
from viewer.annotations.annotation import Annotation
from viewer.annotations.document import Document
from viewer.annotations.document_state import DocumentState
from viewer.memory import slow_release
from viewer.memory.slow_release import release_unshared

COUNT = 200_000
_LEAST_RATIO = 1.5
"""By which one call for all holds up other threads longer."""
_TRIES = 3
_PARTS = 4


class _Thing:
    """Something whose end can be seen."""


class _Waker(threading.Thread):
    """Wakes all the time, and notes for how long others computed while it could not run.

    What they computed, not how late it was: on a busy machine it waits for a processor, too.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.longest_s = 0.0
        self._is_over = threading.Event()
        self.is_awake = threading.Event()

    def run(self) -> None:
        last_s = time.process_time()
        while not self._is_over.is_set():
            time.sleep(0.0005)
            now_s = time.process_time()
            if self.is_awake.is_set():
                self.longest_s = max(self.longest_s, now_s - last_s)
            self.is_awake.set()
            last_s = time.process_time()

    def end(self) -> float:
        self._is_over.set()
        self.join()
        return self.longest_s


def _longest_s(act: Callable[[], object]) -> float:
    """Return how long others could not run at most while `act` did, in this thread or another."""
    waker = _Waker()
    waker.start()
    waker.is_awake.wait()
    try:
        act()
    finally:
        longest_s = waker.end()
    return longest_s


def _prepared_s(prepare: Callable[[], object], act: Callable[[], object]) -> float:
    prepare()
    return _longest_s(act)


def _assert_in_pieces(
    at_once: Callable[[], object],
    in_pieces: Callable[[], object],
    before_one: Callable[[], object] = tuple,
    before_several: Callable[[], object] = tuple,
) -> None:
    one = max(_prepared_s(before_one, at_once) for _ in range(_TRIES))
    several = min(_prepared_s(before_several, in_pieces) for _ in range(_TRIES))
    assert several * _LEAST_RATIO < one, f"{1000 * several:.1f} ms, at once {1000 * one:.1f} ms"


@pytest.fixture(autouse=True)
def turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Short turns, as the window has them."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    monkeypatch.setattr(slow_release, "_LATER_S", 0.0)
    yield
    sys.setswitchinterval(before_s)


@pytest.fixture(scope="module")
def drawn() -> list[Annotation]:
    shape = shapely.box(10, 10, 20, 20)
    return [Annotation(shape) for _ in range(COUNT)]


@pytest.fixture(scope="module")
def state(drawn: list[Annotation]) -> DocumentState:
    return DocumentState().fill(drawn)


def _wait_until_freed() -> None:
    while slow_release._is_running:
        time.sleep(0.001)


def test_a_copy_shares_what_neither_changes(drawn: list[Annotation], state: DocumentState) -> None:
    copy = state.copied()
    copy.held.remove(drawn[0].id)
    pairs = list(zip(copy.held.blocks, state.held.blocks, strict=True))
    assert [ours is theirs for ours, theirs in pairs] == [False, *[True] * (len(pairs) - 1)]
    assert drawn[0].id in state.held
    assert drawn[0].id not in copy.held


def test_what_a_state_holds_is_freed() -> None:
    def filled() -> list[list[list[list[int]]]]:
        # Of many parts each, so that one call for all takes far longer than a turn of the
        # processor, for which the waker waits, too, where the machine is busy.
        return [
            [[[number] for _ in range(_PARTS)] for _ in range(512)]
            for number in range(COUNT // 512)
        ]

    def in_pieces() -> None:
        release_unshared(blocks.pop())
        _wait_until_freed()

    blocks: list[list[list[list[list[int]]]]] = []
    at_once: list[list[list[list[int]]]] = []
    _assert_in_pieces(
        at_once.pop,
        in_pieces,
        lambda: at_once.append(list(chain.from_iterable(filled()))),
        lambda: blocks.append(filled()),
    )


def test_the_rows_of_a_document_are_freed_in_a_thread(
    drawn: list[Annotation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_state, "_MANY", 10)
    document = Document()
    document.land_reset(DocumentState().fill(drawn[:100]))
    freed_in: list[int] = []

    def seen() -> Any:
        thing = _Thing()
        weakref.finalize(thing, lambda: freed_in.append(threading.get_ident()))
        return thing

    ids, tables = document.state.index.tables
    ids[-1].append(seen())
    tables[-1][0] = seen()
    del ids, tables
    document.land_reset(DocumentState().fill(drawn[100:200]))
    _wait_until_freed()
    tables = document.state.index.tables[1]
    tables[-1][0] = seen()
    del tables
    document.let_go()
    _wait_until_freed()
    assert len(freed_in) == 3
    assert threading.get_ident() not in freed_in


def test_the_ids_of_all_are_put_together(drawn: list[Annotation], state: DocumentState) -> None:
    held = {each.id: each for each in drawn}
    ids: list[AbstractSet[UUID]] = []
    # The table of the set is made anew in one go where it has become too small.
    _assert_in_pieces(
        lambda: ids.append(frozenset(held)), lambda: ids.append(state.ids_of_class(""))
    )
    assert ids[0] == ids[-1]
    assert len(ids[-1]) == COUNT
