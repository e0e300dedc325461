"""The slides that the benchmarks read, written once and kept under `benchmarks/data`.

A slide is named by its side in pixels. The main one, 65,536 x 65,536 px, takes about a gigabyte.
Its scale says 0.25 um/px, so that one slide pixel per screen pixel is 40x.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import msgspec
import tifffile
from msgspec.structs import replace

from benchmarks.mosaic import TILE_PX, abbreviate, jpeg, jpeg2000, pyramid, thumbnail
from benchmarks.tiff_writer import (
    APERIO_JPEG2000_RGB,
    JPEG,
    RGB,
    YCBCR,
    Encoding,
    MosaicLevel,
    write_pyramid,
)

DATA_PATH = Path(__file__).parent / "data"
MPP_UM = 0.25

_RECIPE = 1
"""Counts up when the files should be written anew; it is part of their description."""
_SPARE_BYTES = 1 << 30
"""Of the disk, left free whatever happens."""


class NotEnoughDiskError(Exception):
    """The slide would not fit; `str()` is a sentence with the figures."""

    def __init__(self, path: Path, needed_bytes: int, free_bytes: int) -> None:
        super().__init__(
            f"{path.name} needs {needed_bytes / 1e9:.1f} GB and a little room beside it, "
            f"but the disk under {path.parent} has {free_bytes / 1e9:.1f} GB free."
        )


class BigSlide(msgspec.Struct, frozen=True):
    """What to write.

    Attributes
    ----------
    halvings_per_level
        1 for levels in steps of 2, 2 for steps of 4 as Aperio's scanners write.
    share_tiles
        Whether equal tiles are stored once, for a slide too large to store in full.
    """

    name: str
    side_px: int
    halvings_per_level: int = 1
    jpeg2000: bool = False
    share_tiles: bool = False

    @property
    def path(self) -> Path:
        return DATA_PATH / self.name

    @property
    def description(self) -> str:
        about = f"Coverslip benchmark slide, recipe {_RECIPE}"
        if not self.jpeg2000:
            return about
        # OpenSlide reads JPEG 2000 only from files that say they are Aperio's.
        return (
            f"Aperio Image Library\r\n{self.side_px}x{self.side_px} (256x256) J2K;{about}"
            f"|AppMag = 40|MPP = {MPP_UM:.4f}"
        )


MAIN = BigSlide("mosaic-65536.tiff", 65_536)
JPEG2000 = BigSlide("mosaic-16384-jpeg2000.svs", 16_384, halvings_per_level=2, jpeg2000=True)
SCALE = (
    BigSlide("mosaic-16384.tiff", 16_384),
    BigSlide("mosaic-32768.tiff", 32_768),
    MAIN,
    BigSlide("mosaic-131072.tiff", 131_072, share_tiles=True),
)


def ensure(slide: BigSlide) -> Path:
    """Return the path of the slide, which is written first unless it is there and whole.

    Raises
    ------
    NotEnoughDiskError
        The slide has to be written and the disk is too full for it.
    """
    if not is_whole(slide):
        _write(slide)
    return slide.path


def write_flat(path: Path, side_px: int) -> Path:
    """Write a tiled slide without a pyramid, equal tiles once; sides are whole tiles."""
    side_px -= side_px % TILE_PX
    base = next(iter(pyramid(side_px, 1, jpeg)))
    parts = [abbreviate(tile) for tile in base.tiles]
    level = replace(base, tiles=[picture for _, picture in parts])
    with path.open("wb") as file:
        write_pyramid(
            file,
            [level],
            Encoding(JPEG, YCBCR, parts[0][0], (2, 2)),
            description="Coverslip benchmark slide without a pyramid",
            mpp_um=MPP_UM,
            share_tiles=True,
        )
    return path


def is_whole(slide: BigSlide) -> bool:
    """Return whether the file is there, of this recipe, and has its last byte.

    The directories are at the end of the file and finding them all shows that it is not cut short.
    """
    try:
        with tifffile.TiffFile(slide.path) as file:
            page = file.pages.first
            return page.imagewidth == slide.side_px and (
                [page.aspage().description for page in file.pages]
                == [slide.description] * _picture_count(slide)
            )
    except (OSError, tifffile.TiffFileError, ValueError):
        return False


def _picture_count(slide: BigSlide) -> int:
    halvings = (slide.side_px // TILE_PX).bit_length() - 1
    return 1 + halvings // slide.halvings_per_level + slide.jpeg2000


def _write(slide: BigSlide) -> None:
    """Writes beside the final name and renames, so that a half-written slide is never used."""
    levels, encoding = _compress(slide)
    DATA_PATH.mkdir(parents=True, exist_ok=True)
    needed_bytes = sum(_stored_bytes(level, slide.share_tiles) for level in levels)
    free_bytes = shutil.disk_usage(DATA_PATH).free
    if needed_bytes + _SPARE_BYTES > free_bytes:
        raise NotEnoughDiskError(slide.path, needed_bytes, free_bytes)
    descriptor, unfinished = tempfile.mkstemp(prefix=slide.name, suffix=".part", dir=DATA_PATH)
    try:
        with os.fdopen(descriptor, "wb", buffering=1 << 20) as file:
            write_pyramid(
                file,
                levels,
                encoding,
                description=slide.description,
                mpp_um=MPP_UM,
                thumbnail=thumbnail() if slide.jpeg2000 else None,
                share_tiles=slide.share_tiles,
            )
        Path(unfinished).replace(slide.path)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def _compress(slide: BigSlide) -> tuple[list[MosaicLevel], Encoding]:
    if slide.jpeg2000:
        levels = list(pyramid(slide.side_px, slide.halvings_per_level, jpeg2000))
        return levels, Encoding(APERIO_JPEG2000_RGB, RGB)
    levels: list[MosaicLevel] = []
    tables = b""
    for level in pyramid(slide.side_px, slide.halvings_per_level, jpeg):
        # One quality and the standard Huffman codes: the tables of all tiles are the same.
        parts = [abbreviate(tile) for tile in level.tiles]
        tables = parts[0][0]
        levels.append(replace(level, tiles=[picture for _, picture in parts]))
    return levels, Encoding(JPEG, YCBCR, tables, (2, 2))


def _stored_bytes(level: MosaicLevel, share_tiles: bool) -> int:
    sizes = [len(tile) for tile in level.tiles]
    places = level.grid.size * 16  # offset and size of each
    return places + (sum(sizes) if share_tiles else sum(sizes[index] for index in level.grid.flat))
