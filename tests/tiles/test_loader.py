"""The loader's threads against sources whose reads the test holds and lets go."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from viewer import window_first
from viewer.geometry import Optics, Point, Size, View
from viewer.slides.errors import TileError
from viewer.slides.source import Level, RgbImage, SlideInfo
from viewer.tiles.cache import CachedTile, TileCache, TileKey
from viewer.tiles.loader import TileLoader
from viewer.tiles.plan import TilePlan, plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LEVELS = tuple(Level(16_384 >> k, 16_384 >> k, float(2**k), 256, 256) for k in range(6))


class GatedSource:
    """Tiles of one color a level; every read waits for the gate."""

    path = Path("gated.svs")
    info = SlideInfo("test", "test", Optics())
    levels = LEVELS

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.reads: list[TileKey] = []
        self.bad: set[TileKey] = set()
        self.cores: list[set[int]] = []

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        self.reads.append(TileKey(level, column, row))
        self.cores.append(os.sched_getaffinity(0))
        self.gate.wait(30)
        if (level, column, row) in self.bad:
            raise TileError(level, column, row, "the test says so")
        return np.full((256, 256, 3), level, np.uint8)

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[np.uint8]:
        raise NotImplementedError

    def read_associated(self, name: str) -> RgbImage:
        raise NotImplementedError

    def close(self) -> None:
        self.gate.set()


def prepare(rgb: RgbImage) -> tuple[int, int]:
    return int(rgb[0, 0, 0]), rgb.nbytes


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "did not happen in 30 s"
        time.sleep(0.005)


@pytest.fixture
def source() -> GatedSource:
    return GatedSource()


@pytest.fixture
def loader(source: GatedSource):
    arrived: list[TileKey] = []
    made = TileLoader(source, prepare, TileCache[int](64 << 20), arrived.append, worker_count=2)
    made.arrived = arrived  # type: ignore[attr-defined]
    yield made
    source.close()
    made.close()


def view_at(x: float, y: float) -> View:
    return View(Point(x, y), 1.0, Size(1024, 768))


def test_everything_visible_arrives(source: GatedSource, loader: TileLoader[int]) -> None:
    source.gate.set()
    wanted = plan(LEVELS, view_at(8000, 8000))
    loader.request(wanted)
    wait_for(lambda: all(loader.is_settled(key) for key in wanted.visible))
    tile = loader.tile(wanted.visible[0])
    assert tile is not None
    assert tile.picture == 0


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_workers_never_share_a_core(source: GatedSource, loader: TileLoader[int]) -> None:
    loader.request(plan(LEVELS, view_at(8000, 8000)))
    wait_for(lambda: len(source.cores) == 2)
    assert not set.intersection(*source.cores)
    assert set.union(*source.cores) == os.sched_getaffinity(0)


def test_the_overview_comes_first_then_the_center(
    source: GatedSource, loader: TileLoader[int]
) -> None:
    wanted = plan(LEVELS, view_at(8000, 8000))
    loader.request(wanted)
    wait_for(lambda: len(source.reads) == 2)
    source.gate.set()
    wait_for(lambda: all(loader.is_settled(key) for key in wanted.visible))
    top = len(LEVELS) - 1
    assert source.reads[0].level == top
    fine = [key for key in source.reads if key.level == 0][: len(wanted.visible)]
    assert set(fine) == set(wanted.visible)
    assert set(fine[:4]) <= set(wanted.visible[:6])


def test_tiles_that_left_the_view_are_never_decoded(
    source: GatedSource, loader: TileLoader[int]
) -> None:
    first = plan(LEVELS, view_at(2000, 2000))
    second = plan(LEVELS, view_at(12_000, 12_000))
    loader.request(first)
    wait_for(lambda: len(source.reads) == 2)
    loader.request(second)
    source.gate.set()
    wait_for(lambda: all(loader.is_settled(key) for key in second.visible))
    assert sum(key in set(first.visible) for key in source.reads) <= 2


def test_a_tile_under_way_is_not_read_twice(source: GatedSource, loader: TileLoader[int]) -> None:
    wanted = plan(LEVELS, view_at(8000, 8000))
    for _ in range(20):
        loader.request(wanted)
    wait_for(lambda: len(source.reads) == 2)
    loader.request(wanted)
    source.gate.set()
    wait_for(lambda: all(loader.is_settled(key) for key in wanted.visible))
    assert len(source.reads) == len(set(source.reads))


def test_a_failure_is_told_and_not_tried_again_until_asked(
    source: GatedSource, loader: TileLoader[int]
) -> None:
    source.gate.set()
    wanted = plan(LEVELS, view_at(8000, 8000))
    bad = wanted.visible[3]
    source.bad = {bad}
    loader.request(wanted)
    wait_for(lambda: all(loader.is_settled(key) for key in wanted.visible))
    assert "the test says so" in loader.failures[bad]
    assert loader.tile(bad) is None
    loader.request(wanted)
    source.bad = set()
    loader.retry_failures()
    loader.request(wanted)
    wait_for(lambda: loader.has(bad))
    assert source.reads.count(bad) == 2


def test_a_reader_that_breaks_its_promise_does_not_end_the_worker(
    source: GatedSource, loader: TileLoader[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    source.gate.set()
    read = source.read_tile
    wanted = plan(LEVELS, view_at(8000, 8000))

    def broken(level: int, column: int, row: int) -> RgbImage:
        if (level, column, row) == wanted.visible[0]:
            raise RuntimeError("boom")
        return read(level, column, row)

    monkeypatch.setattr(source, "read_tile", broken)
    loader.request(wanted)
    wait_for(lambda: all(loader.is_settled(key) for key in wanted.visible))
    assert "see the log" in loader.failures[wanted.visible[0]]


def test_a_new_look_keeps_the_old_tiles_until_the_new_are_there(
    source: GatedSource, loader: TileLoader[int]
) -> None:
    source.gate.set()
    wanted = plan(LEVELS, view_at(8000, 8000))
    loader.request(wanted)
    wait_for(lambda: all(loader.is_settled(key) for key in wanted.visible))
    source.gate.clear()
    loader.set_prepare(lambda rgb: (100 + int(rgb[0, 0, 0]), rgb.nbytes))
    key = wanted.visible[0]
    assert loader.has(key)
    assert not loader.is_settled(key)
    old = loader.tile(key)
    assert old is not None
    assert old.picture == 0
    loader.request(wanted)
    source.gate.set()
    wait_for(lambda: all(loader.is_settled(key) for key in wanted.visible))
    new = loader.tile(key)
    assert new is not None
    assert new.picture == 100


def test_nothing_is_read_ahead_until_the_view_can_be_painted(
    source: GatedSource, loader: TileLoader[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("viewer.tiles.loader._PAINTING_S", 0.5)
    seen, beside = TileKey(0, 10, 10), TileKey(0, 11, 10)
    started_s: dict[TileKey, float] = {}
    read = source.read_tile

    def timed(level: int, column: int, row: int) -> RgbImage:
        started_s[TileKey(level, column, row)] = time.monotonic()
        return read(level, column, row)

    monkeypatch.setattr(source, "read_tile", timed)
    source.gate.set()
    loader.request(TilePlan(0, (seen,), (), (beside,)))
    wait_for(lambda: loader.is_settled(beside))
    assert started_s[beside] - started_s[seen] > 0.45
    # With nothing of the view to be read there is nothing to wait for.
    monkeypatch.setattr("viewer.tiles.loader._PAINTING_S", 100)
    third = TileKey(0, 12, 10)
    loader.request(TilePlan(0, (seen,), (), (third,)))
    wait_for(lambda: loader.is_settled(third))


def test_prefetching_stops_when_nothing_of_it_is_shown(
    source: GatedSource, loader: TileLoader[int]
) -> None:
    source.gate.set()
    for x in range(1000, 15_000, 2000):
        wanted = plan(LEVELS, view_at(x, 8000))
        loader.request(wanted)
        wait_for(lambda: all(loader.is_settled(key) for key in wanted.visible))  # noqa: B023
        time.sleep(0.05)  # more would be read ahead by then, did it not stop
        for key in wanted.visible[::2]:
            loader.tile(key)
        assert list(loader.tiles(wanted.visible)) == list(wanted.visible)
    assert loader.decoded_count > 100
    assert loader.unseen_share < 0.25


def test_a_stalled_read_is_noticed_and_does_not_hold_up_closing(source: GatedSource) -> None:
    loader = TileLoader(source, prepare, TileCache[int](1 << 20), lambda key: None)
    loader.request(plan(LEVELS, view_at(8000, 8000)))
    wait_for(lambda: loader.longest_wait_s() > 0.05)
    started = time.monotonic()
    loader.close(patience_s=0.1)
    assert time.monotonic() - started < 20
    source.close()


def test_closing_ends_all_threads_and_frees_the_cache(source: GatedSource) -> None:
    before = set(threading.enumerate())
    cache = TileCache[int](64 << 20)
    loader = TileLoader(source, prepare, cache, lambda key: None, worker_count=3)
    source.gate.set()
    wanted = plan(LEVELS, view_at(8000, 8000))
    loader.request(wanted)
    wait_for(lambda: all(loader.is_settled(key) for key in wanted.visible))
    loader.close()
    wait_for(lambda: set(threading.enumerate()) <= before)  # those of others may just begin
    assert cache.used_bytes == 0
    assert len(cache) == 0


class TestCache:
    def test_what_a_closed_slide_had_is_freed_while_others_are_painted(self) -> None:
        cache = TileCache[object](1 << 20)
        could_paint: list[bool] = []

        class Held:
            def __del__(self) -> None:
                could_paint.append(not cache._lock.locked())

        for column in range(3):
            cache.put(1, TileKey(0, column, 0), CachedTile(Held(), 10, 0), pinned=column == 2)
        cache.put(2, TileKey(0, 0, 0), CachedTile(Held(), 10, 0))
        cache.drop_slide(1)
        assert could_paint == [True, True, True]
        assert cache.used_bytes == 10
        cache.drop_slide(2)
        assert cache.used_bytes == 0

    def test_the_least_recently_painted_goes_first_and_pinned_stay(self) -> None:
        cache = TileCache[str](100)
        cache.put(1, TileKey(9, 0, 0), CachedTile("pinned", 40, 0), pinned=True)
        cache.put(1, TileKey(0, 0, 0), CachedTile("a", 30, 0))
        cache.put(1, TileKey(0, 1, 0), CachedTile("b", 30, 0))
        assert cache.get(1, TileKey(0, 0, 0)) is not None
        cache.put(1, TileKey(0, 2, 0), CachedTile("c", 30, 0))
        assert cache.get(1, TileKey(0, 1, 0)) is None
        assert cache.get(1, TileKey(0, 0, 0)) is not None
        assert cache.get(1, TileKey(9, 0, 0)) is not None
        assert cache.used_bytes == 100

    def test_slides_are_apart(self) -> None:
        cache = TileCache[str](100)
        cache.put(1, TileKey(0, 0, 0), CachedTile("one", 10, 0))
        cache.put(2, TileKey(0, 0, 0), CachedTile("two", 10, 0))
        cache.drop_slide(1)
        assert cache.get(1, TileKey(0, 0, 0)) is None
        kept = cache.get(2, TileKey(0, 0, 0))
        assert kept is not None
        assert kept.picture == "two"
        assert cache.used_bytes == 10

    def test_what_is_in_view_stays_until_another_view_comes(self) -> None:
        cache = TileCache[str](100)
        row = [TileKey(0, column, 0) for column in range(8)]
        cache.put(1, row[0], CachedTile("a", 30, 0))
        cache.hold(1, row[:5])
        for key in row[1:]:
            cache.put(1, key, CachedTile("x", 30, 0))
        assert [cache.peek(1, key) is not None for key in row] == [True] * 5 + [False] * 3
        cache.hold(1, row[5:])
        cache.put(1, row[5], CachedTile("x", 30, 0))
        assert cache.used_bytes <= 100
        assert cache.peek(1, row[5]) is not None
        cache.hold(1, row)
        cache.drop_slide(1)
        for key in row:
            cache.put(1, key, CachedTile("x", 30, 0))
        assert cache.used_bytes <= 100

    def test_a_smaller_limit_takes_effect_at_once(self) -> None:
        cache = TileCache[str](100)
        for column in range(5):
            cache.put(1, TileKey(0, column, 0), CachedTile("x", 20, 0))
        cache.limit_bytes = 50
        assert cache.used_bytes <= 50


class Halves:
    """A picture that can be painted before it is finished."""

    def __init__(self) -> None:
        self.is_finished = False

    def finish(self) -> None:
        self.is_finished = True


@pytest.mark.parametrize("shrinks", [False, True])
def test_pictures_are_finished_at_once_where_the_view_needs_it_and_later_elsewhere(
    shrinks: bool,
) -> None:
    source, cache = GatedSource(), TileCache[Halves](1 << 20)
    key = TileKey(1, 3, 3)
    had_finished: list[bool] = []
    loader = TileLoader(
        source,
        lambda _: (Halves(), 100),
        cache,
        lambda key: had_finished.append(picture_of(key).is_finished),
        worker_count=1,
    )

    def picture_of(key: TileKey) -> Halves:
        tile = loader.tile(key)
        assert tile is not None
        return tile.picture

    source.gate.set()
    loader.request(TilePlan(1, (key,), (), (), shrinks))
    wait_for(lambda: bool(had_finished))
    assert had_finished == [shrinks]
    wait_for(lambda: picture_of(key).is_finished)
    loader.close()


def test_no_tile_is_begun_or_prepared_while_a_frame_in_motion_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window_first, "_LONGEST_FRAME_S", 60.0)
    source, prepared = GatedSource(), threading.Event()

    def tell(_: object) -> tuple[str, int]:
        prepared.set()
        return "", 100

    loader = TileLoader(source, tell, TileCache(1 << 20), lambda _: None, worker_count=1)
    with window_first.drawing_in_motion():
        loader.request(TilePlan(1, (TileKey(1, 3, 3),), (), ()))
        time.sleep(0.05)
        assert source.reads == []
    wait_for(lambda: bool(source.reads))
    with window_first.drawing_in_motion():
        source.gate.set()
        assert not prepared.wait(0.05)
    assert prepared.wait(20)
    loader.close()


def test_a_frame_that_takes_long_holds_up_nothing_for_long() -> None:
    source = GatedSource()
    source.gate.set()
    loader = TileLoader(
        source, lambda _: ("", 100), TileCache(1 << 20), lambda _: None, worker_count=1
    )
    key = TileKey(1, 3, 3)
    with window_first.drawing_in_motion():
        loader.request(TilePlan(1, (key,), (), ()))
        wait_for(lambda: loader.has(key))
    loader.close()


def test_nothing_is_finished_while_one_view_follows_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All cores paint then, and a frame came twice as late as the one before."""
    monkeypatch.setattr("viewer.tiles.loader._MOVING_S", 60.0)
    source, finished = GatedSource(), threading.Event()
    arrived = threading.Event()

    class Noted(Halves):
        def finish(self) -> None:
            finished.set()

    loader = TileLoader(
        source,
        lambda _: (Noted(), 100),
        TileCache[Halves](1 << 20),
        lambda _: arrived.set(),
        worker_count=1,
    )
    source.gate.set()
    there = TilePlan(1, (TileKey(1, 3, 3),), (), ())
    loader.request(there)
    assert arrived.wait(20)
    assert not finished.wait(0.2)
    monkeypatch.setattr("viewer.tiles.loader._MOVING_S", 0.05)
    loader.request(there)
    assert finished.wait(20)
    loader.close()


@pytest.mark.parametrize("is_at_rest", [True, False])
def test_who_does_not_wait_ends_nothing_itself(source: GatedSource, *, is_at_rest: bool) -> None:
    """To end the process that reads a slide takes the window's thread longer than a frame."""
    loader = TileLoader(source, prepare, TileCache[int](64 << 20), lambda _: None, worker_count=2)
    if is_at_rest:
        loader.close()  # no worker is left
    else:
        loader.request(plan(LEVELS, view_at(8000, 8000)))
        wait_for(lambda: bool(source.reads))
    ended_in: list[int] = []
    loader.close(0.0, lambda: ended_in.append(threading.get_ident()))
    source.gate.set()
    wait_for(lambda: bool(ended_in))
    assert ended_in != [threading.get_ident()]


def test_who_does_not_wait_frees_no_tiles_itself(source: GatedSource) -> None:
    freed_in: list[int] = []

    class Tile:
        def __del__(self) -> None:
            freed_in.append(threading.get_ident())

    source.gate.set()
    cache = TileCache[Tile](64 << 20)
    loader = TileLoader(source, lambda _: (Tile(), 1), cache, lambda _: None)
    wanted = plan(LEVELS, view_at(8000, 8000))
    loader.request(wanted)
    wait_for(lambda: all(loader.is_settled(key) for key in wanted.visible))
    count = len(cache)
    loader.close(0.0)
    wait_for(lambda: len(cache) == 0 and len(freed_in) >= count)
    assert threading.get_ident() not in freed_in
