"""Tiles that take long: coarse pictures at once, ever sharper, and whole in the end."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from test_slides_derived_levels import KnownName

from viewer.geometry import Optics
from viewer.slides import Level, RgbImage, SlideInfo, TileError
from viewer.slides.derived.levels import DerivedLevels, with_fine_steps
from viewer.slides.derived.sketching import sketches
from viewer.slides.source import becoming_of
from viewer.tiles.cache import TileCache, TileKey
from viewer.tiles.loader import TileLoader
from viewer.tiles.plan import TilePlan

TILE_PX = 32
SIDE_PX = 16_384
"""512 x 512 stored tiles of 32 px, whose coarsest level has 16 x 16 tiles of 1,024 each."""


class Slope:
    """A slide without a pyramid, red from left to right and green from top to bottom."""

    path = Path("slope")
    info = SlideInfo("slope", "slope", Optics(), naming=KnownName())
    levels = (Level(SIDE_PX, SIDE_PX, 1.0, TILE_PX, TILE_PX),)

    def __init__(self) -> None:
        self.reads: Counter[tuple[int, int]] = Counter()
        self.lost: set[tuple[int, int]] = set()
        self.closed = False
        self.gate = threading.Event()
        self.gate.set()

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        self.gate.wait(10)
        self.reads[column, row] += 1
        if (column, row) in self.lost:
            raise TileError(level, column, row, "it is lost")
        count = SIDE_PX // TILE_PX
        color = (255 * column // count, 255 * row // count, 90)
        return np.full((TILE_PX, TILE_PX, 3), color, np.uint8)

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> RgbImage:
        raise NotImplementedError

    def read_associated(self, name: str) -> RgbImage:
        raise AssertionError(name)

    def close(self) -> None:
        self.closed = True


def _derived(source: Slope) -> DerivedLevels:
    derived = with_fine_steps(source)
    assert isinstance(derived, DerivedLevels)
    return derived


def _truth(columns: range, rows: range) -> np.ndarray:
    x, y = np.meshgrid(np.array(columns), np.array(rows))
    return np.stack([255 * x / 512, 255 * y / 512, np.full(x.shape, 90)], -1)


def test_sketches_begin_with_few_tiles_and_come_ever_closer() -> None:
    source = Slope()
    columns, rows = range(256), range(100, 228)
    errors: list[float] = []
    reads: list[int] = []
    for picture, stride in sketches(
        lambda x, y: source.read_tile(0, x, y), columns, rows, (256, 128)
    ):
        assert picture.shape == (128, 256, 3)
        if stride:
            errors.append(np.abs(picture - _truth(columns, rows)).mean())
            reads.append(len(source.reads))
    assert reads[0] <= 12 * 12
    assert reads[-1] <= 256 * 128 / 9 * 1.1
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 2
    assert set(source.reads.values()) == {1}, "a denser sample holds all of a sparser one"


def test_a_sketch_passes_over_tiles_that_cannot_be_read() -> None:
    source = Slope()
    source.lost = {(x, y) for x in range(64) for y in range(64) if (x + y) % 3}
    found = list(sketches(lambda x, y: source.read_tile(0, x, y), range(64), range(64), (64, 64)))
    assert np.abs(found[-1][0] - _truth(range(64), range(64))).mean() < 40


def test_a_tile_that_became_is_the_same_and_quick(own_home: Path) -> None:
    top = len(_derived(Slope()).levels) - 1
    exact = _derived(Slope()).read_tile(top, 3, 5)
    for path in (*own_home.rglob("*.jpg"), *own_home.rglob("*.png")):
        path.unlink()
    source = Slope()
    derived = _derived(source)
    pictures = [each for each in becoming_of(derived, top, 3, 5) if each is not None]
    assert pictures[0].shape == exact.shape
    reads = sum(source.reads.values())
    assert reads >= 1024
    assert np.array_equal(derived.read_tile(top, 3, 5), exact)
    assert sum(source.reads.values()) == reads
    # Opened again: what was made is on disk.
    again = Slope()
    assert list(becoming_of(_derived(again), top, 3, 5)) == []
    assert np.abs(_derived(again).read_tile(top, 3, 5).astype(int) - exact).max() <= 4
    assert not again.reads


def test_a_slide_that_was_left_early_shows_its_last_sketch_at_once(own_home: Path) -> None:
    top = len(_derived(Slope()).levels) - 1
    steps = becoming_of(_derived(Slope()), top, 3, 5)
    next(step for step in steps if step is not None)
    again = Slope()
    assert next(becoming_of(_derived(again), top, 3, 5)) is not None
    assert not again.reads


class Strips(Slope):
    """The same, whose reader makes an overview from all that is stored, as of strips."""

    levels = (*Slope.levels, Level(SIDE_PX // 16, SIDE_PX // 16, 16.0, TILE_PX, TILE_PX, 256))

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        assert level == 0, "that takes minutes"
        return super().read_tile(level, column, row)


def test_an_overview_of_strips_is_sketched_from_the_full_size(own_home: Path) -> None:
    source = Strips()
    derived = _derived(source)
    steps = becoming_of(derived, len(derived.levels) - 1, 3, 5)
    picture = next(step for step in steps if step is not None)
    columns, rows = range(96, 128), range(160, 192)
    assert picture.shape == (32, 32, 3)
    assert np.abs(picture - _truth(columns, rows)).mean() < 8
    assert {x for x, _ in source.reads} <= set(columns)
    assert {y for _, y in source.reads} <= set(rows)
    assert len(source.reads) <= 11 * 11


def test_quick_tiles_do_not_become(own_home: Path) -> None:
    derived = _derived(Slope())
    assert list(becoming_of(derived, 0, 3, 5)) == []
    assert list(becoming_of(derived, 3, 3, 5)) == []


@pytest.fixture
def loaded() -> tuple[Slope, TileLoader[RgbImage], TileKey]:
    source = Slope()
    derived = _derived(source)
    loader = TileLoader[RgbImage](
        derived, lambda rgb: (rgb, rgb.nbytes), TileCache[RgbImage](64 << 20), lambda _: None
    )
    return source, loader, TileKey(len(derived.levels) - 1, 2, 7)


def _wait(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_sketch_is_painted_until_the_tile_is_whole(
    own_home: Path, loaded: tuple[Slope, TileLoader[RgbImage], TileKey]
) -> None:
    _, loader, key = loaded
    seen: list[bool] = []
    coarse: list[bool] = []

    def note(at: TileKey) -> None:
        seen.append(loader.has(at) and not loader.is_settled(at))
        coarse.append(loader.is_coarse)

    loader.listen(note)
    loader.request(TilePlan(key.level, (key,), (), ()))
    _wait(lambda: loader.is_settled(key))
    assert seen[0]
    assert coarse[0]
    assert not loader.is_coarse
    tile = loader.tile(key)
    assert tile is not None
    assert np.array_equal(tile.picture, loader.source.read_tile(*key))
    loader.close()


def test_a_slide_is_left_at_once_and_closed_when_nobody_reads(
    own_home: Path, loaded: tuple[Slope, TileLoader[RgbImage], TileKey]
) -> None:
    source, loader, key = loaded
    source.gate.clear()
    loader.request(TilePlan(key.level, (key,), (), ()))
    _wait(lambda: loader.longest_wait_s() > 0)
    loader.close(0.0, source.close)
    assert not source.closed, "somebody reads still"
    source.gate.set()
    _wait(lambda: source.closed)
    assert not loader.has(key)
