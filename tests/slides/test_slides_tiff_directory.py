"""Directories read here are those that tifffile reads, and spoilt ones are told."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from viewer.slides.readers.tiff_directory import TiffDirectoryError, read_directories

_PICTURE = np.random.default_rng(0).integers(0, 255, (300, 500, 3)).astype(np.uint8)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_directories_are_tifffiles(tmp_path: Path, order: Literal["<", ">"], big: bool) -> None:
    path = tmp_path / "t.tif"
    with tifffile.TiffWriter(path, byteorder=order, bigtiff=big) as writer:
        writer.write(_PICTURE, tile=(64, 96), compression="jpeg", photometric="rgb")
        writer.write(_PICTURE[::2, ::2], tile=(64, 96), photometric="rgb")
        writer.write(_PICTURE[::4, ::4], photometric="rgb")
        writer.write(_PICTURE[..., 0].astype(np.uint16), tile=(64, 64))
    ours = read_directories(path)
    with tifffile.TiffFile(path) as tiff:
        pages = [page.aspage() for page in tiff.pages]
        assert len(ours) == len(pages)
        for mine, page in zip(ours, pages, strict=True):
            for name in (
                "imagewidth",
                "imagelength",
                "compression",
                "photometric",
                "samplesperpixel",
                "planarconfig",
                "imagedepth",
                "is_tiled",
                "jpegtables",
            ):
                assert getattr(mine, name) == getattr(page, name), name
            assert (mine.dtype == np.uint8) == (page.dtype == np.uint8)
            if page.is_tiled:
                assert mine.dataoffsets.tolist() == list(page.dataoffsets)
                assert mine.databytecounts.tolist() == list(page.databytecounts)
                assert (mine.tilewidth, mine.tilelength) == (page.tilewidth, page.tilelength)


def test_the_bundled_slide_is_read(sample_slide: Path) -> None:
    first, *_ = read_directories(sample_slide)
    assert (first.imagewidth, first.imagelength, first.tilewidth) == (2220, 2967, 240)
    assert len(first.dataoffsets) == 10 * 13


@given(st.binary(max_size=400))
def test_any_bytes_end_in_directories_or_a_complaint(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "t.tif"
    path.write_bytes(b"II*\0\x08\0\0\0" + data)
    with contextlib.suppress(TiffDirectoryError):
        read_directories(path)


def test_a_directory_that_leads_to_itself_ends(tmp_path: Path) -> None:
    entry = struct.pack("<HHII", 256, 4, 1, 77)
    path = tmp_path / "t.tif"
    path.write_bytes(
        b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + entry + struct.pack("<I", 8)
    )
    (only,) = read_directories(path)
    assert only.imagewidth == 77
