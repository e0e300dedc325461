"""A stream wants what a view needs, hands over what came, and says when that is all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from viewer.geometry import Point, Size, View
from viewer.slides import open_slide
from viewer.slides.source import RgbImage, ScreenImage, SlideSource
from viewer.tiles.cache import TileCache
from viewer.tiles.loader import TileLoader
from viewer.tiles.plan import Motion, coarsest_tiles, visible_tiles
from viewer.tiles.stream import TileStream

VIEW = View(Point(1100, 1400), 1.0, Size(600, 400))
WAIT_S = 30.0


class _Streamed:
    """A stream of a real slide, and what it announced."""

    def __init__(self, source: SlideSource) -> None:
        self.came = threading.Semaphore(0)
        self.announced = 0

        def prepare(pixels: RgbImage | ScreenImage) -> tuple[np.ndarray, int]:
            return pixels, pixels.nbytes

        loader = TileLoader(source, prepare, TileCache[np.ndarray](256 << 20), lambda _: None)
        self.stream = TileStream(loader, self._announce)

    def _announce(self) -> None:
        self.announced += 1
        self.came.release()

    def wait_until_sharp(self, view: View) -> set[tuple[int, int, int]]:
        """Return the tiles that came until all of a view was there."""
        keys: set[tuple[int, int, int]] = set()
        while not self.stream.state(view, 1.0, is_at_rest=True).is_sharp:
            assert self.came.acquire(timeout=WAIT_S)
            keys.update(self.stream.take_arrivals())
        keys.update(self.stream.take_arrivals())
        return keys


@pytest.fixture
def streamed(sample_slide: Path) -> Iterator[_Streamed]:
    source = open_slide(sample_slide)
    made = _Streamed(source)
    yield made
    made.stream.loader.close(then=source.close)


def test_all_that_a_view_needs_comes_and_then_it_is_sharp(streamed: _Streamed) -> None:
    stream = streamed.stream
    levels = stream.loader.source.levels
    assert not stream.state(VIEW, 1.0, is_at_rest=True).is_sharp
    stream.request(VIEW, VIEW, 1.0, Motion())
    came = streamed.wait_until_sharp(VIEW)
    assert came >= {*visible_tiles(levels, 0, VIEW), *coarsest_tiles(levels)}
    assert not stream.state(VIEW, 1.0, is_at_rest=False).is_sharp
    assert {key for key in came if key[0] == len(levels) - 1} == set(coarsest_tiles(levels))
    assert all(map(stream.is_of_overview, coarsest_tiles(levels)))


def test_many_arrivals_are_announced_once(streamed: _Streamed) -> None:
    streamed.stream.request(VIEW, VIEW, 1.0, Motion())
    assert streamed.came.acquire(timeout=WAIT_S)
    while not streamed.stream.state(VIEW, 1.0, is_at_rest=True).is_sharp:
        threading.Event().wait(0.001)
    assert streamed.announced == 1
    assert len(streamed.stream.take_arrivals()) > 4
    elsewhere = VIEW.panned(-900, 0)
    streamed.stream.request(elsewhere, elsewhere, 1.0, Motion())
    streamed.wait_until_sharp(elsewhere)
    assert streamed.announced >= 2


def test_all_of_a_view_can_be_announced_at_once(streamed: _Streamed) -> None:
    stream = streamed.stream
    for step in range(12):
        view = VIEW.panned(-70 * step, 60 * step)
        stream.request(view, view, 1.0, Motion())
        stream.announce_all_at_once(view, 1.0)
        is_there = stream.state(view, 1.0, is_at_rest=True).is_sharp
        while not is_there or stream._arrivals:
            assert streamed.came.acquire(timeout=WAIT_S)
            assert stream.state(view, 1.0, is_at_rest=True).is_sharp, "some are still to come"
            is_there = bool(stream.take_arrivals())


def test_who_waits_for_all_can_be_told_of_some_again(streamed: _Streamed) -> None:
    stream = streamed.stream
    elsewhere = VIEW.panned(-900, 0)
    stream.announce_all_at_once(elsewhere, 1.0)
    stream.request(VIEW, VIEW, 1.0, Motion())
    while not stream.state(VIEW, 1.0, is_at_rest=True).is_sharp:
        threading.Event().wait(0.001)
    assert streamed.announced == 0, "nothing of what is waited for has come"
    assert len(stream.take_arrivals()) > 4
    stream.request(elsewhere, elsewhere, 1.0, Motion())
    assert streamed.came.acquire(timeout=WAIT_S)


def test_on_the_way_what_is_passed_is_wanted_too(streamed: _Streamed) -> None:
    there = VIEW.panned(-400, 0)
    streamed.stream.request(VIEW, there, 1.0, Motion())
    streamed.wait_until_sharp(there)
    streamed.wait_until_sharp(VIEW)


def test_failures_are_told_by_place_and_of_all_that_is_seen(streamed: _Streamed) -> None:
    stream = streamed.stream
    levels = stream.loader.source.levels
    key = visible_tiles(levels, 0, VIEW)[0]
    stream.loader.failures[key] = "torn"
    middle = levels[0].tile_box(key.column, key.row).center
    assert stream.failure(key) == stream.failure_at(middle, VIEW, 1.0) == "torn"
    assert stream.failure_at(Point(0, 0), VIEW, 1.0) == ""
    assert stream.state(VIEW, 1.0, is_at_rest=True).unreadable == ""
    for each in (*visible_tiles(levels, 0, VIEW), *coarsest_tiles(levels)):
        stream.loader.failures[each] = "torn"
    assert stream.state(VIEW, 1.0, is_at_rest=True).unreadable == "torn"
