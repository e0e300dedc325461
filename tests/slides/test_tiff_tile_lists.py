"""Lists of very many tiles stay packed numbers, from the file to the window."""

from __future__ import annotations

import math
import struct
import sys
from array import array
from typing import TYPE_CHECKING, Any

import imagecodecs
import msgspec
import numpy as np
import pytest
import tifffile

from viewer.slides.errors import DamagedSlideError, SlideError, TileError
from viewer.slides.opening_here import open_here
from viewer.slides.reader_process.host import _opened  # pyright: ignore[reportPrivateUsage]
from viewer.slides.reader_process.pool import ReaderPool
from viewer.slides.reader_process.source import open_isolated
from viewer.slides.readers.jpeg_tiles import as_bytes
from viewer.slides.readers.tiff.source import open_tiff_file

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

_TILE_PX = 128
_TILE = imagecodecs.jpeg8_encode(np.full((_TILE_PX, _TILE_PX, 3), (200, 90, 160), np.uint8))
_SIDE_TILES = 400
_COUNT = _SIDE_TILES * _SIDE_TILES
_FEW_OBJECTS = _COUNT // 10


def _write(
    path: Path, side_tiles: int, offsets: NDArray[np.uint64] | None = None, order: str = "<"
) -> None:
    """Write a BigTIFF whose tiles are one and the same, if no other offsets are given."""
    count = side_tiles * side_tiles
    tile_at = 16
    lists_at = tile_at + len(_TILE)
    if offsets is None:
        offsets = np.full(count, tile_at, np.uint64)
    counts_at = lists_at + 8 * count
    directory_at = counts_at + 4 * count
    side_px = side_tiles * _TILE_PX
    tags = (
        (256, 4, 1, struct.pack(f"{order}I", side_px)),
        (257, 4, 1, struct.pack(f"{order}I", side_px)),
        (258, 3, 3, struct.pack(f"{order}3H", 8, 8, 8)),
        (259, 3, 1, struct.pack(f"{order}H", 7)),
        (262, 3, 1, struct.pack(f"{order}H", 6)),
        (277, 3, 1, struct.pack(f"{order}H", 3)),
        (322, 4, 1, struct.pack(f"{order}I", _TILE_PX)),
        (323, 4, 1, struct.pack(f"{order}I", _TILE_PX)),
        (324, 16, count, struct.pack(f"{order}Q", lists_at)),
        (325, 4, count, struct.pack(f"{order}Q", counts_at)),
    )
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HHHQ", 43, 8, 0, directory_at)
    with path.open("wb") as file:
        file.write(head + _TILE)
        file.write(offsets.astype(f"{order}u8").tobytes())
        file.write(np.full(count, len(_TILE), f"{order}u4").tobytes())
        file.write(struct.pack(f"{order}Q", len(tags)))
        for code, kind, length, value in tags:
            file.write(struct.pack(f"{order}HHQ", code, kind, length) + value.ljust(8, b"\0"))
        file.write(bytes(8))


@pytest.fixture
def pool() -> Generator[ReaderPool]:
    pool = ReaderPool()
    yield pool
    pool.close()


@pytest.mark.parametrize("order", ["<", ">"])
def test_lists_are_arrays_that_act_like_tuples(tmp_path: Path, order: str) -> None:
    path = tmp_path / "many.tif"
    told = np.arange(16, 16 + 40 * 40, dtype=np.uint64)
    _write(path, 40, told, order)
    with open_tiff_file(path) as tiff:
        page = tiff.pages.first
        assert isinstance(page.dataoffsets, array)
        assert isinstance(page.databytecounts, array)
        assert tuple(page.dataoffsets) == tuple(told.tolist())
        assert tuple(page.databytecounts) == (len(_TILE),) * 1600


def test_a_large_directory_opens_with_few_python_objects(tmp_path: Path) -> None:
    small, large = tmp_path / "small.tif", tmp_path / "large.tif"
    _write(small, 2)
    _write(large, _SIDE_TILES)
    open_here(small).close()  # what is made once
    before = sys.getallocatedblocks()
    source = open_here(large)
    opened = _opened(source)
    assert sys.getallocatedblocks() - before < _FEW_OBJECTS
    assert source.levels[0].columns == _SIDE_TILES
    assert source.read_tile(0, 399, 399)[64, 64].tolist() == pytest.approx([200, 90, 160], abs=3)
    # Numbers of MessagePack would take 1 to 9 bytes each: these are two runs of bytes.
    (direct,) = opened.direct
    assert direct is not None
    assert isinstance(direct.offsets, memoryview)
    assert isinstance(direct.byte_counts, memoryview)
    assert direct.offsets.nbytes == direct.byte_counts.nbytes == 8 * _COUNT
    assert direct.offsets in msgspec.msgpack.encode(opened)
    source.close()


def test_the_window_takes_the_lists_as_bytes(tmp_path: Path, pool: ReaderPool) -> None:
    small, large = tmp_path / "small.tif", tmp_path / "large.tif"
    _write(small, 2)
    _write(large, _SIDE_TILES)
    open_isolated(small, pool=pool).close()
    before = sys.getallocatedblocks()
    source = open_isolated(large, pool=pool)
    assert sys.getallocatedblocks() - before < _FEW_OBJECTS
    (direct,) = source.direct_tiles
    assert direct is not None
    assert isinstance(direct.offsets, memoryview)
    assert np.frombuffer(direct.offsets, np.int64).tolist() == [16] * _COUNT
    assert np.frombuffer(direct.byte_counts, np.int64).tolist() == [len(_TILE)] * _COUNT
    assert source.read_tile(0, 7, 9)[64, 64].tolist() == pytest.approx([200, 90, 160], abs=3)
    source.close()


def test_offsets_beyond_all_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "far.tif"
    offsets = np.full(1600, 16, np.uint64)
    offsets[800] = 1 << 63
    _write(path, 40, offsets)
    with pytest.raises(DamagedSlideError, match="the list of its tiles is damaged"):
        open_here(path)


def test_a_tile_beyond_the_end_is_told_and_the_others_are_read(
    tmp_path: Path, pool: ReaderPool
) -> None:
    path = tmp_path / "beyond.tif"
    offsets = np.full(1600, 16, np.uint64)
    offsets[41] = 1 << 40
    _write(path, 40, offsets)
    for source in (open_here(path), open_isolated(path, pool=pool)):
        note = "The file is cut short: 1 of its 1,600 tiles or strips end beyond it."
        assert note in source.info.notes
        with pytest.raises(TileError, match="the file ends before"):
            source.read_tile(0, 1, 1)
        assert source.read_tile(0, 1, 0).shape == (_TILE_PX, _TILE_PX, 3)
        source.close()


@pytest.mark.parametrize("share", [0.3, 0.9, 1.0])
@pytest.mark.parametrize("more", [{"tile": (128, 128)}, {"rowsperstrip": 16}])
def test_a_file_that_begins_with_its_directory_and_is_cut_short_says_so(
    tmp_path: Path, share: float, more: dict[str, Any]
) -> None:
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, np.full((1024, 1024, 3), 90, np.uint8), photometric="rgb", **more)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    source = open_here(path)
    notes = [note for note in source.info.notes if "cut short" in note]
    source.close()
    lost = math.ceil((1 - share) * 64)
    assert notes == (
        [f"The file is cut short: {lost} of its 64 tiles or strips end beyond it."] * (share < 1)
    )


def test_a_list_that_the_file_cannot_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.tif"
    _write(path, 40)
    data = bytearray(path.read_bytes())
    at = data.rindex(struct.pack("<HHQ", 324, 16, 1600))
    data[at : at + 12] = struct.pack("<HHQ", 324, 16, 1 << 40)
    path.write_bytes(data)
    with pytest.raises(SlideError):
        open_here(path)


def test_no_numbers_are_no_bytes() -> None:
    assert as_bytes(np.zeros(0, np.int64)).nbytes == 0
