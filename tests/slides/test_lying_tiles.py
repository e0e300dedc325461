"""Tiles whose data claims to be far larger than the file says, of kilobytes and gigabytes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from viewer.slides import open_slide
from viewer.slides.errors import TileError

SIDE_PX = 256
LARGE_PX = 4096  # is decoded if nobody looks: the test tells by the sentence, not by the memory


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(pixels, level=90))


def _jpeg_2000(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(pixels, level=60, codecformat="j2k"))


def _webp(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.webp_encode(pixels, level=90))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.png_encode(pixels))


def _jpeg_xl(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(pixels, effort=1))


def _jpeg_xr(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpegxr_encode(pixels, level=90))


@pytest.mark.parametrize(
    ("compression", "encode", "description"),
    [
        (7, _jpeg, ""), (7, _jpeg, "Aperio Image Library"), (33005, _jpeg_2000, "Aperio"),
        (34712, _jpeg_2000, ""), (50001, _webp, ""), (34933, _png, ""), (50002, _jpeg_xl, ""),
        (34934, _jpeg_xr, ""),
    ],
)  # fmt: skip
def test_a_tile_that_claims_far_more_than_its_place_is_not_decoded(
    tmp_path: Path,
    compression: int,
    encode: Callable[[NDArray[np.uint8]], bytes],
    description: str,
) -> None:
    honest = np.random.default_rng(2).integers(0, 255, (SIDE_PX, SIDE_PX, 3), np.uint8)
    lie = encode(np.full((LARGE_PX, LARGE_PX, 3), 200, np.uint8))
    tiles = [lie, *[encode(honest)] * 3]
    path = tmp_path / "slide.svs"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(
            iter(tiles), shape=(2 * SIDE_PX, 2 * SIDE_PX, 3), dtype=np.uint8, photometric="rgb",
            tile=(SIDE_PX, SIDE_PX), compression=compression, description=description,
        )  # fmt: skip
    with closing(open_slide(path)) as slide:
        with pytest.raises(TileError, match="claims 16,777,216 pixels where the tile has 65,536"):
            slide.read_tile(0, 0, 0)
        assert slide.read_tile(0, 1, 1).shape == (SIDE_PX, SIDE_PX, 3)
