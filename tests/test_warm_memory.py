"""Memory that is given before it is needed: of one size, bounded, for threads that use it."""

from __future__ import annotations

import resource
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from viewer.memory import warm_memory
from viewer.memory.warm_memory import WarmMemory, warm_pixels
from viewer.slides import open_slide
from viewer.tiles.cache import TileCache, TileKey
from viewer.tiles.loader import TileLoader
from viewer.tiles.plan import TilePlan

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TILE = (256, 256, 4)
TILE_BYTES = 1 << 18


def fill(memory: WarmMemory) -> None:
    while memory.is_short:
        memory.add()


def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def test_what_is_ready_is_bounded_and_of_the_size_asked_for_last() -> None:
    memory = WarmMemory(4 * TILE_BYTES)
    assert not memory.is_short, "no size is known yet"
    first = memory.take(TILE)
    fill(memory)
    taken = [memory.take(TILE) for _ in range(6)]
    assert {each.shape for each in (first, *taken)} == {TILE}
    assert len({each.ctypes.data for each in (first, *taken)}) == 7
    fill(memory)
    assert memory.take((512, 512, 4)).shape == (512, 512, 4)
    fill(memory)
    assert not memory.is_short


def test_a_tile_that_takes_it_has_no_page_given() -> None:
    memory = WarmMemory(32 * TILE_BYTES)
    memory.take(TILE)
    fill(memory)
    before = faults()
    kept = [memory.take(TILE) for _ in range(32)]
    for each in kept:
        each[:] = 1
    assert faults() - before < 32 * TILE_BYTES / 4096 / 4


def test_threads_that_use_none_have_arrays_of_their_own() -> None:
    assert warm_pixels(TILE).base is None


class _ForScreen:
    takes_screen_pixels = True

    def __call__(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
        return pixels, pixels.nbytes


def test_an_idle_loader_fills_up_and_tiles_take_it_unchanged(sample_slide: Path) -> None:
    source = open_slide(sample_slide)
    arrived = threading.Event()
    loader = TileLoader(source, _ForScreen(), TileCache(64 << 20), lambda _: arrived.set())
    try:
        pixels: list[NDArray[np.uint8]] = []
        for column in range(2):
            key = TileKey(0, column, 1)
            arrived.clear()
            loader.request(TilePlan(0, (key,), (), ()))
            assert arrived.wait(20)
            tile = loader.tile(key)
            assert tile is not None
            pixels.append(tile.picture)
            until_s = time.monotonic() + 20
            while warm_memory.for_screen.is_short and time.monotonic() < until_s:
                time.sleep(0.005)
            assert not warm_memory.for_screen.is_short
        for column, each in enumerate(pixels):
            rgb = source.read_tile(0, column, 1)
            np.testing.assert_array_equal(each[..., 2::-1], rgb)
    finally:
        loader.close()
        source.close()
