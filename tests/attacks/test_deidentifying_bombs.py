"""Small slides that ask for gigabytes when they are de-identified: one sentence, little memory."""

from __future__ import annotations

import os
import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
import tifffile
from measured_runs import MOST_MB, assert_not_deidentified, coverslip

if TYPE_CHECKING:
    from pathlib import Path

SIDE_PX = 512


@cache
def deflate_bomb(size_bytes: int) -> bytes:
    """Return zeros as a stream of Deflate: a thousandth of them.

    After a full flush the same is packed as the same, so a mebibyte is packed once.
    """
    packer = zlib.compressobj(9)
    head, part = (
        packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH) for zeros in (b"", bytes(1 << 20))
    )
    end = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS).flush()
    adler32 = size_bytes % 65_521 << 16 | 1
    return head + part * (size_bytes >> 20) + end + struct.pack(">I", adler32)


@cache
def lzw_bomb(size_bytes: int) -> bytes:
    """Return at least so many zeros as LZW of TIFF, as an encoder writes them.

    All codes up to where its table is full come again and again, and 8 times of them are bytes.
    """
    codes = [0, *range(258, 4095)]
    table = "".join(f"{code:0{max(9, (code + 1).bit_length())}b}" for code in codes)
    again = f"{256:012b}"
    bits = f"{256:09b}" + (table + again) * (size_bytes // (sum(range(len(codes) + 1))) + 1)
    bits += f"{257:09b}"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)


def written(path: Path, compression: str, data: bytes | None) -> Path:
    """Write an OME-TIFF whose first tile is `data`, which lies behind all else."""
    pixels = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
    options = {"photometric": "rgb", "compression": compression, "tile": (256, 256)}
    tifffile.imwrite(path, pixels, ome=True, **options)
    if data is not None:
        _put(path, 324, 0, path.stat().st_size)
        _put(path, 325, 0, len(data))
        with path.open("ab") as file:
            file.write(data)
    return path


def _put(path: Path, code: int, index: int, value: int) -> None:
    """Overwrite one number of a list of the first directory."""
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages.first.tags[code]
        size = {3: 2, 4: 4, 16: 8}[int(tag.dtype)]
        place = tag.valueoffset + index * size
    with path.open("r+b") as file:
        file.seek(place)
        file.write(value.to_bytes(size, "little"))


def claim(path: Path, code: int, count: int) -> None:
    """Let a tag of the first directory claim `count` values, for which the file has room."""
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages.first.tags[code]
        place, size_bytes = tag.offset, path.stat().st_size
    with path.open("r+b") as file:
        file.seek(place + 4)
        file.write(struct.pack("<II", count, size_bytes))
        os.truncate(path, size_bytes + 8 * count)


def test_a_tile_that_unpacks_without_end_is_cut_to_its_pixels(tmp_path: Path) -> None:
    slide = written(tmp_path / "a.ome.tif", "deflate", deflate_bomb(4 << 30))
    done = coverslip("deidentify", slide, tmp_path / "copy.ome.tif")
    assert done.code == 0, done.err
    assert done.peak_mb < MOST_MB
    assert (tmp_path / "copy.ome.tif").stat().st_size < 1 << 20


def test_a_zstandard_tile_of_more_than_its_pixels_is_refused(tmp_path: Path) -> None:
    data = bytes(imagecodecs.zstd_encode(bytes(1 << 30)))
    slide = written(tmp_path / "a.ome.tif", "zstd", data)
    assert_not_deidentified(slide, "One of its tiles is damaged (it is damaged, or holds more")


def test_an_lzw_tile_is_unpacked_no_further_than_its_pixels(tmp_path: Path) -> None:
    data = lzw_bomb(1 << 30)
    slide = written(tmp_path / "a.ome.tif", "lzw", data)
    done = coverslip("deidentify", slide, tmp_path / "copy.ome.tif")
    assert done.code == 0, done.err
    assert done.peak_mb < MOST_MB


@pytest.mark.parametrize("compression", ["deflate", "lzw", "zstd"])
def test_a_tile_that_claims_a_large_side_is_refused(tmp_path: Path, compression: str) -> None:
    slide = written(tmp_path / "a.ome.tif", compression, None)
    for code in (256, 257, 322, 323):
        _put(slide, code, 0, 32_768)
    for code in (324, 325):
        with tifffile.TiffFile(slide) as tiff:
            place = tiff.pages.first.tags[code].offset
        with slide.open("r+b") as file:
            file.seek(place + 4)
            file.write(struct.pack("<I", 1))
    assert_not_deidentified(slide, "One of its tiles takes 3,221,225,472 bytes")


@pytest.mark.parametrize(
    ("code", "count", "sentence"),
    [
        (324, 500_000_000, "lists 500,000,000 tiles in one image"),
        (325, 500_000_000, "lists 500,000,000 tiles in one image"),
        (258, 500_000_000, "holds 1,000,000,000 bytes of numbers"),
        (270, 1_000_000_000, "holds a text of 1,000,000,000 bytes"),
    ],
)
def test_tags_are_not_believed(tmp_path: Path, code: int, count: int, sentence: str) -> None:
    slide = written(tmp_path / "a.ome.tif", "deflate", None)
    claim(slide, code, count)
    assert_not_deidentified(slide, sentence)


@pytest.mark.parametrize(
    ("code", "kind", "sentence"), [(34675, 7, "bytes long, max."), (347, 7, "a text of")]
)
def test_profiles_and_tables_are_not_believed(
    tmp_path: Path, code: int, kind: int, sentence: str
) -> None:
    slide = tmp_path / "a.ome.tif"
    pixels = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
    held = [(code, kind, 64, bytes(64), True)]
    tifffile.imwrite(slide, pixels, ome=True, photometric="rgb", extratags=held)
    claim(slide, code, 2_000_000_000)
    assert_not_deidentified(slide, sentence)


def test_tiles_that_lie_on_one_another_fill_no_disk(tmp_path: Path) -> None:
    slide = tmp_path / "a.ome.tif"
    pixels = np.zeros((4096, 4096), np.uint8)
    options = {"photometric": "minisblack", "compression": "deflate", "tile": (16, 16)}
    tifffile.imwrite(slide, pixels, ome=True, **options)
    stream = zlib.compress(bytes(256))
    start = slide.stat().st_size
    with tifffile.TiffFile(slide) as tiff:
        offsets, sizes = (tiff.pages.first.tags[code] for code in (324, 325))
        kinds = {3: "<u2", 4: "<u4"}
        count = offsets.count
        with slide.open("r+b") as file:
            file.seek(offsets.valueoffset)
            file.write((start + len(stream) * np.arange(count)).astype("<u4").tobytes())
            file.seek(sizes.valueoffset)
            file.write(np.full(count, 60_000, kinds[int(sizes.dtype)]).tobytes())
            file.seek(start)
            file.write(stream * count + bytes(60_000))
    assert_not_deidentified(slide, "Its tiles lie on one another again and again")
