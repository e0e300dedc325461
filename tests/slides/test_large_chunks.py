"""Chunks too large for several at once are decoded one at a time, and held within bounds."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from tiff_steps import picture, whole
from zarr.codecs import ZstdCodec
from zarr_steps import write_image

from viewer.slides import TileError
from viewer.slides.byte_lru import ByteLru
from viewer.slides.ngff.arrays import read_array
from viewer.slides.opening_here import open_here
from viewer.slides.reader_process.more_readers import FIRST
from viewer.slides.readers.large_chunks import LargeChunks, large_chunks, part_rows
from viewer.slides.readers.ome_zarr.arrays import ZarrArray
from viewer.slides.readers.ome_zarr.stores import FolderStore
from viewer.slides.readers.ome_zarr.unpacking import BoundedPipeline
from viewer.slides.readers.tiff.chunks import PageChunks

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

open_slide = partial(open_here, first=FIRST)
_READERS = "viewer.slides.readers"
_WITH_PARTS = (
    "tiff.parted", "tiff.rows", "ome_zarr.source", "ome_zarr.arrays", "ome_zarr.unpacking",
)  # fmt: skip
"""Modules that read large chunks in parts."""


@pytest.fixture
def is_all_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every chunk read as one of a gigabyte is."""
    for module in _WITH_PARTS:
        monkeypatch.setattr(f"{_READERS}.{module}.LARGE_BYTES", 1)
    monkeypatch.setattr(f"{_READERS}.large_chunks.PART_BYTES", 20_000)


def test_one_is_decoded_at_a_time_and_what_has_no_room_goes_before() -> None:
    chunks, running, most = LargeChunks(), threading.Semaphore(1), 0
    decoded: list[int] = []

    def decode(number: int) -> NDArray[Any]:
        assert running.acquire(blocking=False), "two at once"
        decoded.append(number)
        running.release()
        return np.full((10, 10), number)

    def use(number: int) -> int:
        with chunks.chunk(number, 10, partial(decode, number)) as image:
            assert image is not None
            return int(image[0, 0])

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(use, [0, 1] * 20)) == [0, 1] * 20
    assert sorted(decoded) == [0, 1]
    held = ByteLru[int](100)
    for number in range(5):
        held.make_room(40)
        most = max(most, held.held_bytes)
        held.put(number, np.zeros(1), 40)
    assert (most, held.held_bytes) == (40, 80)
    assert held.get(4) is not None
    assert held.get(2) is None
    held.make_room(1000)
    assert held.held_bytes == 0


@pytest.mark.parametrize(
    ("rows", "row_bytes", "expected"),
    [
        (20_000, 60_000, 32),
        (16_384, 49_152, 64),
        (40_000, 120_000, 32),
        (100, 10, 100),
        (9973, 1 << 20, 4),
    ],
)
def test_parts_fill_a_chunk_evenly(rows: int, row_bytes: int, expected: int) -> None:
    assert part_rows(rows, row_bytes) == expected


@pytest.mark.usefixtures("is_all_large")
@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({"compression": "lzw", "tile": (208, 224)}, 0),
        ({"compression": "jpeg", "tile": (208, 224), "subsampling": (1, 1)}, 30),
        ({"compression": "jpeg2000", "rowsperstrip": 130}, 0),
        ({"compression": "webp", "rowsperstrip": 130, "compressionargs": {"lossless": True}}, 0),
        ({"compression": "lzw", "rowsperstrip": 130, "predictor": True}, 0),
        ({"compression": "zstd", "tile": (208, 224), "planarconfig": "separate"}, 0),
        ({"compression": "deflate", "tile": (208, 224), "predictor": True}, 0),
        ({"tile": (208, 224)}, 0),
    ],
    ids=["lzw", "jpeg", "jpeg2000", "webp", "lzw strips", "planes", "deflate", "none"],
)
def test_pixels_of_a_tiff_are_right_in_parts(
    tmp_path: Path, options: dict[str, Any], tolerance: int
) -> None:
    path = tmp_path / "a.tif"
    stored = np.moveaxis(picture(), 2, 0) if "planarconfig" in options else picture()
    for orientation in (1, 6):
        tags = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(path, stored, photometric="rgb", metadata=None, extratags=tags, **options)
        expected = picture() if orientation == 1 else np.rot90(picture(), -1)
        with closing(open_slide(path)) as source:
            assert np.abs(whole(source).astype(int) - expected).max() <= tolerance


@pytest.mark.usefixtures("is_all_large")
def test_a_tile_that_is_missing_is_glass_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture(), photometric="rgb", compression="zstd", tile=(208, 224))
    with tifffile.TiffFile(path, mode="r+") as tiff:
        page = tiff.pages[0].aspage()
        counts = list(page.databytecounts)
        page.tags["TileByteCounts"].overwrite([0, *counts[1:]])
    with closing(open_slide(path)) as source:
        shown = whole(source)
    assert (shown[:208, :224] == 255).all()
    np.testing.assert_array_equal(shown[208:], picture()[208:])
    np.testing.assert_array_equal(shown[:, 224:], picture()[:, 224:])


@pytest.mark.usefixtures("is_all_large")
def test_each_large_chunk_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[object] = []
    read_plane, decode = PageChunks.read_plane, BoundedPipeline.decode

    def plane(chunks: PageChunks, *place: int) -> NDArray[Any] | None:
        counted.append(place)
        return read_plane(chunks, *place)

    async def decode_counted(pipeline: BoundedPipeline, batch: Any) -> Any:
        counted.append(batch)
        return await decode(pipeline, batch)

    monkeypatch.setattr(PageChunks, "read_plane", plane)
    monkeypatch.setattr(BoundedPipeline, "decode", decode_counted)
    tiff, zarr = tmp_path / "a.tif", tmp_path / "a.zarr"
    tifffile.imwrite(tiff, picture(), photometric="rgb", compression="zstd", tile=(208, 224))
    write_image(zarr, [np.moveaxis(picture(), 2, 0)], "cyx", chunk_px=256, compressors=ZstdCodec())
    for path, chunks in ((tiff, 4), (zarr, 12)):
        counted.clear()
        with closing(open_slide(path)) as source:
            np.testing.assert_array_equal(whole(source), picture())
        assert len(counted) == chunks


@pytest.mark.usefixtures("is_all_large")
def test_a_shard_is_never_held_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = ByteLru[Any](1 << 30)
    monkeypatch.setattr(large_chunks(), "held", held)
    path, values = tmp_path / "a.zarr", np.moveaxis(picture(), 2, 0)
    write_image(path, [values], "cyx", chunk_px=64, channels_per_chunk=3, shards=(3, 256, 256))
    with closing(open_slide(path)) as source:
        np.testing.assert_array_equal(whole(source), picture())
        assert held.held_bytes == 0


@pytest.mark.usefixtures("is_all_large")
def test_two_threads_do_not_decode_a_chunk_anew_for_each_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[object] = []
    read_plane = PageChunks.read_plane

    def plane(chunks: PageChunks, *place: int) -> NDArray[Any] | None:
        decoded.append(place)
        return read_plane(chunks, *place)

    monkeypatch.setattr(PageChunks, "read_plane", plane)
    monkeypatch.setattr(large_chunks(), "held", ByteLru[Any](160 * 256 * 3))  # of one chunk
    monkeypatch.setattr(f"{_READERS}.tiff.stack_axes.KEPT_BYTES", 1)
    monkeypatch.setattr(f"{_READERS}.large_chunks.PART_BYTES", 1000)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture(), photometric="rgb", compression="zstd", tile=(160, 256))
    with closing(open_slide(path)) as source, ThreadPoolExecutor(2) as threads:
        decoded.clear()
        tiles = [(0, 0), (1, 1)] * 10
        shown = list(threads.map(lambda place: source.read_tile(0, *place), tiles))
    for (column, row), tile in zip(tiles, shown, strict=True):
        left, top = 256 * column, 256 * row
        np.testing.assert_array_equal(tile, picture()[top : top + 256, left : left + 256])
    # The upper tile lies in two stored ones, the lower in one.
    assert len(decoded) <= 10 * (2 + 1)


@pytest.mark.usefixtures("is_all_large")
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_of_a_zarr_without_compression_only_the_rows_that_are_wanted_are_read(
    tmp_path: Path, version: str
) -> None:
    path, values = tmp_path / "a.zarr", np.moveaxis(picture(), 2, 0)
    write_image(path, [values], "cyx", version=version, chunk_px=1000, compressors=None)
    read_bytes: list[int] = []
    store = FolderStore(path)

    def read(key: str, start: int = 0, end: int | None = None) -> bytes | None:
        data = store(key, start, end)
        read_bytes.append(len(data or b""))
        return data

    info = read_array(read, "0")
    assert info is not None
    array = ZarrArray(read, info)
    read_bytes.clear()
    part = array.read((slice(0, 3), slice(70, 80), slice(5, 100)))
    np.testing.assert_array_equal(part, values[:, 70:80, 5:100])
    assert sum(read_bytes) == part.nbytes


@pytest.mark.usefixtures("is_all_large")
def test_a_zarr_without_compression_that_ends_early_is_damaged(tmp_path: Path) -> None:
    path, values = tmp_path / "a.zarr", np.moveaxis(picture(), 2, 0)
    write_image(path, [values], "cyx", chunk_px=1000, compressors=None)
    chunk = path / "0" / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with closing(open_slide(path)) as source:
        last = source.levels[0].columns - 1, source.levels[0].rows - 1
        np.testing.assert_array_equal(source.read_tile(0, 0, 0), picture()[:256, :256])
        with pytest.raises(TileError, match="ends early"):
            source.read_tile(0, *last)
