"""A picture of any size from the small sample slide: the same tissue again and again.

The sample's tissue is mirrored to the right and downwards, so that copies meet without a seam,
and repeated. A repeating picture stays one when it is halved, so each level of the pyramid is
the true reduction of the finer one and has only a few hundred distinct tiles to compress.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import tifffile

from benchmarks.tiff_writer import MosaicLevel, Thumbnail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

TILE_PX = 256
SAMPLE_PATH = Path(__file__).parents[1] / "resources" / "slides" / "CMU-1-Small-Region.svs"

# The part of the sample that is mostly tissue, a whole number of tiles wide and high.
_CROP_X, _CROP_Y, _CROP_WIDTH, _CROP_HEIGHT = 448, 151, 1536, 2816


def repeating_unit() -> NDArray[np.uint8]:
    """The picture that is repeated: uint8 (5632, 3072, 3), seamless with itself on all sides."""
    with tifffile.TiffFile(SAMPLE_PATH) as sample:
        pixels = sample.pages.first.asarray()
    crop = pixels[_CROP_Y : _CROP_Y + _CROP_HEIGHT, _CROP_X : _CROP_X + _CROP_WIDTH]
    upper = np.concatenate([crop, crop[:, ::-1]], axis=1)
    return np.concatenate([upper, upper[::-1]], axis=0)


def pyramid(
    side_px: int, halvings_per_level: int, compress: Callable[[NDArray[np.uint8]], bytes]
) -> Iterator[MosaicLevel]:
    """Yield the levels of a square mosaic, from `side_px` down to no less than one tile."""
    unit = repeating_unit()
    yield _level(unit, side_px, compress)
    while side_px >> halvings_per_level >= TILE_PX:
        side_px >>= halvings_per_level
        for _ in range(halvings_per_level):
            unit = halved(unit)
        yield _level(unit, side_px, compress)


def halved(unit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a repeating picture at half the size, each pixel the mean of four.

    Raises
    ------
    ValueError
        A side is odd, so that the half would not repeat at the same place.
    """
    height, width, channels = unit.shape
    if height % 2 or width % 2:
        raise ValueError(f"A unit of {width} x {height} px cannot be halved.")
    blocks = unit.reshape(height // 2, 2, width // 2, 2, channels)
    return np.round(blocks.mean(axis=(1, 3), dtype=np.float32)).astype(np.uint8)


def _level(
    unit: NDArray[np.uint8], side_px: int, compress: Callable[[NDArray[np.uint8]], bytes]
) -> MosaicLevel:
    """Cuts the repeating picture into tiles until they repeat, too."""
    tiles_per_side = side_px // TILE_PX
    rows = min(math.lcm(unit.shape[0], TILE_PX) // TILE_PX, tiles_per_side)
    columns = min(math.lcm(unit.shape[1], TILE_PX) // TILE_PX, tiles_per_side)
    y = np.arange(rows * TILE_PX) % unit.shape[0]
    x = np.arange(columns * TILE_PX) % unit.shape[1]
    tiles = [
        compress(
            np.ascontiguousarray(
                unit[y[row * TILE_PX : (row + 1) * TILE_PX]][
                    :, x[column * TILE_PX : (column + 1) * TILE_PX]
                ]
            )
        )
        for row in range(rows)
        for column in range(columns)
    ]
    place = np.arange(tiles_per_side)
    grid = (place % rows)[:, None] * columns + (place % columns)[None, :]
    return MosaicLevel(side_px, side_px, TILE_PX, tiles, grid)


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Return a whole JPEG stream as scanners write them: quality 75, chroma halved both ways."""
    return bytes(imagecodecs.jpeg8_encode(pixels, level=75, subsampling="420"))


def jpeg2000(pixels: NDArray[np.uint8]) -> bytes:
    """A lossy JPEG 2000 codestream, about as many bytes a tile as Aperio's scanners write."""
    return bytes(imagecodecs.jpeg2k_encode(pixels, level=33, codecformat="J2K", reversible=False))


def thumbnail() -> Thumbnail:
    """Return the repeating unit in small."""
    unit = repeating_unit()
    for _ in range(4):
        unit = halved(unit)
    return Thumbnail(unit.shape[1], unit.shape[0], jpeg(unit))


_TABLE_MARKERS = {0xDB, 0xC4}  # quantization, Huffman
_DROPPED_MARKERS = {0xE0}  # JFIF's header, which is not used inside TIFF
_START_OF_SCAN = 0xDA


def abbreviate(stream: bytes) -> tuple[bytes, bytes]:
    """Splits a JPEG stream into its tables and the abbreviated picture that needs them.

    TIFF keeps the tables once a file (tag JPEGTables); both parts are streams of their own, as
    ITU-T T.81, annex B.4 and B.5, lays them out.
    """
    tables, picture = bytearray(stream[:2]), bytearray(stream[:2])
    at = 2
    while stream[at + 1] != _START_OF_SCAN:
        marker = stream[at + 1]
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        if marker in _TABLE_MARKERS:
            tables += stream[at:end]
        elif marker not in _DROPPED_MARKERS:
            picture += stream[at:end]
        at = end
    return bytes(tables) + b"\xff\xd9", bytes(picture) + stream[at:]
