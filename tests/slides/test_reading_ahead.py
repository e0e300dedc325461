"""Tiles that are announced are read while those before them are taken over."""

from __future__ import annotations

import itertools
import os
import random
import select
import signal
import threading
import time
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from viewer.slides import open_slide
from viewer.slides.opening_here import open_here
from viewer.slides.reader_process.messages import ReadTile
from viewer.slides.reader_process.pool import ReaderPool
from viewer.slides.reader_process.process import ReaderEndedError, ReaderProcess
from viewer.slides.reader_process.read_ahead import ReadAhead
from viewer.slides.reader_process.source import IsolatedSource, open_isolated
from viewer.slides.source import RgbImage, expect, screen_tile
from viewer.tiles.cache import TileCache, TileKey
from viewer.tiles.loader import TileLoader
from viewer.tiles.plan import TilePlan

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("real_children")

PLACES = [(0, column, row) for row in range(4) for column in range(4)]


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """A slide of 16 tiles that the window does not decode itself."""
    pixels = np.random.default_rng(5).integers(0, 256, (1000, 1000, 3), np.uint8)
    path = tmp_path / "tissue.tif"
    tifffile.imwrite(path, pixels, tile=(256, 256), compression="zlib", photometric="rgb")
    return path


@pytest.fixture
def one_lane() -> Generator[ReaderPool]:
    with closing(ReaderPool(lanes=1, patience_s=20)) as pool:
        yield pool


def as_read_here(path: Path) -> dict[tuple[int, int, int], bytes]:
    with closing(open_here(path)) as source:
        return {place: source.read_tile(*place).tobytes() for place in PLACES}


def process_of(source: IsolatedSource) -> ReaderProcess:
    process = source._reader._process
    assert process is not None
    return process


def wait_for_answer(process: ReaderProcess) -> None:
    """Wait until the process has answered what it was asked beforehand."""
    lane = process._all_lanes[0]
    assert lane.ahead is not None, "nothing was asked beforehand"
    assert lane.channel._early or select.select([lane.channel], [], [], 20)[0]


def crash_once_asked(process: ReaderProcess) -> None:
    """End a process that is held up as soon as it is asked for a tile.

    By a signal that no thread outlives: one that answers meanwhile has not crashed at a tile.
    """
    lane = process._all_lanes[0]
    while lane in process._free_lanes:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)


def test_the_next_tile_is_the_one_that_the_same_thread_will_ask_for() -> None:
    a, b, c, d, e, x = ((0, column, 0) for column in range(6))
    alone, two = ReadAhead([a, b, c, d], 1), ReadAhead([a, b, c, d, e], 2)
    assert [alone.after(tile) for tile in (a, b, x, c, d, a)] == [b, c, None, d, None, None]
    assert [two.after(tile) for tile in (a, b, d, c, e)] == [c, d, None, e, None]


def test_an_announced_tile_is_there_before_it_is_asked_for(
    slide: Path, one_lane: ReaderPool
) -> None:
    expected = as_read_here(slide)
    with closing(open_isolated(slide, pool=one_lane)) as source:
        expect(source, PLACES[:2])
        source.read_tile(*PLACES[0])
        wait_for_answer(process_of(source))
        os.kill(process_of(source).pid, signal.SIGSTOP)  # it decodes nothing more
        assert source.read_tile(*PLACES[1]).tobytes() == expected[PLACES[1]]
        os.kill(process_of(source).pid, signal.SIGCONT)
        assert process_of(source)._all_lanes[0].ahead is None


def test_nothing_is_read_ahead_that_was_not_announced(slide: Path, one_lane: ReaderPool) -> None:
    with closing(open_isolated(slide, pool=one_lane)) as source:
        expect(source, PLACES[:2])
        source.read_tile(*PLACES[5])
        assert process_of(source)._all_lanes[0].ahead is None


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_tiles_are_right_whatever_is_asked_for_in_the_end(slide: Path, lanes: int) -> None:
    """Views change while tiles of earlier ones are being read ahead, by several threads."""
    expected = as_read_here(slide)
    wrong: list[object] = []
    with (
        closing(ReaderPool(lanes=lanes, patience_s=20)) as pool,
        closing(open_isolated(slide, pool=pool)) as source,
    ):

        def look(seed: int) -> None:
            chance = random.Random(seed)
            for _ in range(25):
                view = chance.sample(PLACES, 6)
                expect(source, view, threads=chance.choice([1, 2, 3]))
                for place in chance.sample(view, chance.choice([2, 6])):
                    read = chance.choice([source.read_tile, partial(screen_tile, source)])
                    if read(*place).tobytes() != expected[place]:
                        wrong.append(place)

        threads = [threading.Thread(target=look, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
    assert wrong == []


def test_a_crash_amid_what_is_read_ahead_costs_no_tile(slide: Path, one_lane: ReaderPool) -> None:
    expected = as_read_here(slide)
    with closing(open_isolated(slide, pool=one_lane)) as source:
        expect(source, PLACES)
        source.read_tile(*PLACES[0])
        crashed = process_of(source)
        wait_for_answer(crashed)
        os.kill(crashed.pid, signal.SIGSTOP)
        threading.Thread(target=crash_once_asked, args=(crashed,)).start()
        for place in PLACES:
            assert source.read_tile(*place).tobytes() == expected[place]
            # From then on it has to be known which tile a process ended with.
            assert process_of(source)._all_lanes[0].ahead is None
        assert process_of(source).pid != crashed.pid
        assert len(one_lane.pids()) == 1


def test_the_loader_loses_no_tile_to_a_crash(slide: Path) -> None:
    expected = as_read_here(slide)
    is_complete = threading.Event()
    cache = TileCache[RgbImage](64 << 20)
    with (
        closing(ReaderPool(lanes=2, patience_s=20)) as pool,
        closing(open_isolated(slide, pool=pool)) as source,
    ):
        keys = [TileKey(*place) for place in PLACES]

        def has_come(_key: TileKey) -> None:
            # A tile that ends two processes is given up; what the first was reading is among the
            # next tiles to come, so the second is ended at others.
            if next(arrivals) in (0, 8):
                crashed.append(process_of(source).pid)
                with suppress(ProcessLookupError):
                    os.kill(crashed[-1], signal.SIGSEGV)
            if all(map(loader.is_settled, keys)):
                is_complete.set()

        crashed: list[int] = []
        arrivals = itertools.count()
        loader = TileLoader(source, lambda tile: (tile, tile.nbytes), cache, has_come)
        try:
            loader.request(TilePlan(0, tuple(keys), (), ()))
            assert is_complete.wait(60)
            assert loader.failures == {}
            for key in keys:
                tile = loader.tile(key)
                assert tile is not None
                assert tile.picture.tobytes() == expected[key]
            assert len(crashed) == 2
        finally:
            loader.close()


def test_a_tile_is_not_blamed_for_the_one_that_was_read_ahead(slide: Path) -> None:
    process = ReaderProcess(lanes=1, patience_s=20)
    try:
        process.open(slide, None, [str(slide)])
        first, second, other = (ReadTile(*place) for place in PLACES[:3])
        process.read(first, slide, ahead=second)
        wait_for_answer(process)
        process._patience_s = 3
        process._all_lanes[0].channel.receive(1)  # as if it had not been answered
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(ReaderEndedError, match="no progress") as ended:
            process.read(other, slide)
        assert not ended.value.is_stuck, "the other tile was never begun"
    finally:
        process.end()


def test_levels_in_between_are_read_ahead_too(slide: Path) -> None:
    """A tile that is made of four is the same, announced or not."""
    with closing(open_slide(slide)) as source:
        made = next(n for n, each in enumerate(source.levels) if each.stored_tiles_per_tile == 4)
        expect(source, [(made, 0, 0), (made, 1, 0)])
        tile = source.read_tile(made, 0, 0)
    with closing(open_slide(slide)) as source:
        assert np.array_equal(source.read_tile(made, 0, 0), tile)
