"""Levels made by halving: exact, aligned, read once, kept, and sound where tiles are not."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viewer.folders import cache_folder
from viewer.geometry import Optics
from viewer.slides import Level, RgbImage, SlideInfo, TileError, open_slide
from viewer.slides.byte_lru import ByteLru
from viewer.slides.derived.halving import halved
from viewer.slides.derived.level_store import LevelStore
from viewer.slides.derived.levels import DerivedLevels, with_fine_steps
from viewer.slides.identity import SlideIdentity

KEY = f"s1-{'a' * 40}"


class KnownName(SlideIdentity):
    """Of a slide that is no file."""

    def __init__(self) -> None:
        self._key, self._former = KEY, ()
        self._lock = threading.RLock()


class ArraySource:
    """A slide of one or more levels in memory, which counts reads and can lose tiles."""

    def __init__(self, *pictures: RgbImage, tile: tuple[int, int] = (64, 48)) -> None:
        self.path = Path("array")
        self.info = SlideInfo("array", "array", Optics(), naming=KnownName())
        width = pictures[0].shape[1]
        self.levels = tuple(
            Level(p.shape[1], p.shape[0], width / p.shape[1], *tile) for p in pictures
        )
        self.pictures = pictures
        self.reads: Counter[tuple[int, int, int]] = Counter()
        self.lost: set[tuple[int, int, int]] = set()
        self.closed = False
        self._lock = threading.Lock()

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        with self._lock:
            self.reads[level, column, row] += 1
        if (level, column, row) in self.lost:
            raise TileError(level, column, row, "it is lost")
        grid = self.levels[level]
        x, y = column * grid.tile_width_px, row * grid.tile_height_px
        width, height = grid.tile_size_px(column, row)
        return self.pictures[level][y : y + height, x : x + width].copy()

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> RgbImage:
        raise NotImplementedError

    def read_associated(self, name: str) -> RgbImage:
        raise AssertionError(name)

    def close(self) -> None:
        self.closed = True


def noise(width: int, height: int, seed: int = 0) -> RgbImage:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def mean_of_blocks(picture: RgbImage) -> RgbImage:
    """Plainly: each pixel the mean of the up to four below it, halves up."""
    height, width = picture.shape[:2]
    total = np.zeros((-(-height // 2), -(-width // 2), 3))
    count = np.zeros((*total.shape[:2], 1))
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        part = picture[y::2, x::2]
        total[: part.shape[0], : part.shape[1]] += part
        count[: part.shape[0], : part.shape[1]] += 1
    return np.floor(total / count + 0.5).astype(np.uint8)


def whole(source: DerivedLevels, index: int) -> RgbImage:
    level = source.levels[index]
    canvas = np.empty((level.height_px, level.width_px, 3), np.uint8)
    for row in range(level.rows):
        for column in range(level.columns):
            x, y = column * level.tile_width_px, row * level.tile_height_px
            tile = source.read_tile(index, column, row)
            canvas[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return canvas


def derived(*pictures: RgbImage) -> tuple[ArraySource, DerivedLevels]:
    base = ArraySource(*pictures)
    source = with_fine_steps(base)
    assert isinstance(source, DerivedLevels)
    return base, source


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
@settings(deadline=None, max_examples=60)
def test_halving_is_the_mean_of_blocks(width: int, height: int, seed: int) -> None:
    picture = noise(width, height, seed)
    np.testing.assert_array_equal(halved(picture), mean_of_blocks(picture))


@pytest.mark.parametrize("size", [(1024, 700), (1023, 701), (513, 1), (641, 577)])
def test_levels_equal_halving_the_whole_picture(size: tuple[int, int]) -> None:
    expected = noise(*size)
    _, source = derived(expected)
    for index, level in enumerate(source.levels[1:], start=1):
        expected = mean_of_blocks(expected)
        assert (level.width_px, level.height_px) == expected.shape[1::-1]
        assert level.downsample == 2**index
        assert level.stored_tiles_per_tile == 4**index
        np.testing.assert_array_equal(whole(source, index), expected)


def test_wide_steps_get_levels_between() -> None:
    fine = noise(2048, 1024)
    base, source = derived(fine, fine[::16, ::16].copy())
    assert [level.downsample for level in source.levels] == [1, 2, 4, 8, 16]
    assert [level.stored_tiles_per_tile for level in source.levels] == [1, 4, 16, 64, 1]
    np.testing.assert_array_equal(source.read_tile(4, 1, 0), base.read_tile(1, 1, 0))


def test_fine_pyramids_pass_through() -> None:
    fine = noise(900, 600)
    base = ArraySource(fine, fine[::2, ::2].copy())
    assert with_fine_steps(base) is base


def test_zooming_out_reads_each_stored_tile_once() -> None:
    base, source = derived(noise(1500, 1100))
    for index in range(1, len(source.levels)):
        whole(source, index)
    stored = base.levels[0]
    assert len(base.reads) == stored.columns * stored.rows
    assert set(base.reads.values()) == {1}
    for index in range(len(source.levels) - 1, 0, -1):
        whole(source, index)
    assert set(base.reads.values()) == {1}


def test_zooming_out_from_the_coarsest_level_reads_each_stored_tile_once() -> None:
    base, source = derived(noise(1500, 1100))
    whole(source, len(source.levels) - 1)
    assert set(base.reads.values()) == {1}


def test_threads_share_their_work() -> None:
    base, source = derived(noise(1500, 1100))
    threads = [
        threading.Thread(target=whole, args=(source, index))
        for index in range(1, len(source.levels))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(base.reads.values()) == {1}


def test_dear_levels_come_from_disk_when_opened_again() -> None:
    picture = noise(2600, 2400)
    first_base, first = derived(picture)
    coarsest = len(first.levels) - 1
    assert first.levels[coarsest].stored_tiles_per_tile >= 64
    kept = whole(first, coarsest)
    assert first_base.reads
    first.close()
    base, again = derived(picture)
    np.testing.assert_array_equal(whole(again, coarsest), kept)
    assert not base.reads


def test_spoilt_files_on_disk_are_made_again() -> None:
    _, first = derived(noise(2600, 2400))
    coarsest = len(first.levels) - 1
    expected = whole(first, coarsest)
    files = list((cache_folder() / "levels" / KEY).iterdir())
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:20])
    _, again = derived(noise(2600, 2400))
    np.testing.assert_array_equal(whole(again, coarsest), expected)


def test_a_folder_that_cannot_be_written_does_no_harm() -> None:
    (cache_folder() / "levels").write_text("a file where the folder should be")
    _, source = derived(noise(2600, 2400))
    whole(source, len(source.levels) - 1)


def test_a_lost_tile_is_a_hatched_patch() -> None:
    picture = noise(1024, 768)
    base, source = derived(picture)
    base.lost.add((0, 1, 0))
    tile = source.read_tile(1, 0, 0)
    expected = mean_of_blocks(picture[:96, :128])
    np.testing.assert_array_equal(tile[:, :32], expected[:, :32])
    patch = tile[:24, 32:]
    assert np.ptp(patch.astype(int), axis=2).max() == 0
    assert set(np.unique(patch)) >= {120, 190}
    assert [str(error) for error in source.lost_in(1, 0, 0)] == [
        "Tile 1, 0 of level 0 cannot be read: it is lost"
    ]
    assert source.lost_in(1, 1, 0) == source.lost_in(0, 1, 0) == []
    # When the tile can be read again, so can what is made from it.
    base.lost.clear()
    np.testing.assert_array_equal(source.read_tile(1, 0, 0), expected)
    assert source.lost_in(1, 0, 0) == []


def test_lost_tiles_are_not_kept_on_disk() -> None:
    base, source = derived(noise(2600, 2400))
    base.lost.add((0, 0, 0))
    source.read_tile(3, 0, 0)
    assert LevelStore(cache_folder() / "levels", KEY).get(source.levels[3], 0, 0) is None


def test_when_all_is_lost_the_tile_is_an_error() -> None:
    base, source = derived(noise(1024, 768))
    base.lost.update({(0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1)})
    with pytest.raises(TileError, match="Tile 0, 0 of level 1 cannot be read: it is lost"):
        source.read_tile(1, 0, 0)


def test_closing_stops_the_making() -> None:
    base, source = derived(noise(1024, 768))
    source.close()
    assert base.closed
    with pytest.raises(TileError, match="closed"):
        source.read_tile(1, 0, 0)


def test_the_sample_zoomed_out(sample_slide: Path) -> None:
    source = open_slide(sample_slide)
    grid = source.levels[0]
    pixels = np.vstack(
        [
            np.hstack([source.read_tile(0, column, row) for column in range(grid.columns)])
            for row in range(grid.rows)
        ]
    )
    quarter = mean_of_blocks(mean_of_blocks(pixels[:960, :960]))
    np.testing.assert_array_equal(source.read_tile(2, 0, 0), quarter)
    source.close()


def test_the_store_is_bounded_and_drops_the_oldest_slide(tmp_path: Path) -> None:
    level = Level(256, 256, 8.0, 256, 256, 64)
    picture = noise(256, 256)
    tile_bytes = 200_000
    stores = {name: LevelStore(tmp_path, name, 2 * tile_bytes) for name in ("old", "new")}
    for store in stores.values():
        store.put(level, 0, 0, picture)
    size = sum(file.stat().st_size for file in tmp_path.rglob("*.png"))
    latest = LevelStore(tmp_path, "latest", size + size // 4)
    latest.put(level, 0, 0, picture)
    assert stores["old"].get(level, 0, 0) is None
    assert stores["new"].get(level, 0, 0) is not None
    assert latest.get(level, 0, 0) is not None
    assert sum(file.stat().st_size for file in tmp_path.rglob("*")) > 0


def test_a_full_store_takes_no_more(tmp_path: Path) -> None:
    level = Level(512, 256, 8.0, 256, 256, 64)
    store = LevelStore(tmp_path, "slide", 1000)
    store.put(level, 0, 0, noise(256, 256))
    assert not list(tmp_path.rglob("*.png"))


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 30)), max_size=60))
def test_memory_is_bounded(puts: list[tuple[int, int]]) -> None:
    memory = ByteLru[int](1000)
    for key, rows in puts:
        memory.put(key, np.zeros((rows, 10, 3), np.uint8))
        assert memory.held_bytes <= 1000
        held = [memory.get(other) for other in range(21)]
        assert sum(image.nbytes for image in held if image is not None) == memory.held_bytes
