"""What tests of channels share: stacks with known values, and whole levels read back."""

from __future__ import annotations

import struct
import zlib
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides import SlideSource


def stack(
    shape: tuple[int, ...], dtype: str = "uint16", size: tuple[int, int] = (300, 420)
) -> NDArray[Any]:
    """Values of which no two planes have the same: a ramp, and a square that moves."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    values = np.empty((*shape, height, width), dtype)
    for number, place in enumerate(np.ndindex(*shape)):
        plane = (x + y) % 50 + number + 1
        plane[20 + number : 60 + number, 30 : 90 + 2 * number] = 90 + number
        values[place] = plane
    return values


def whole(
    source: SlideSource, level: int, channels: tuple[int, ...], z: int = 0, t: int = 0
) -> NDArray[Any]:
    """Return all of a level, (channels, height, width)."""
    grid = source.levels[level]
    rows = [
        np.concatenate(
            [source.read_channels(level, c, r, channels, z, t) for c in range(grid.columns)], 2
        )
        for r in range(grid.rows)
    ]
    return np.concatenate(rows, 1)


def write_large_stack(
    path: Path, channels: int = 40, planes: int = 11, side_px: int = 20_000, tile_px: int = 512
) -> None:
    """Write an OME-TIFF with a pyramid in which tiles repeat, so that it is small and quick.

    Each plane of each channel has a tile of its own, laid out all over its levels; between them
    stand black ones.
    """
    sides = [side_px]
    while sides[-1] > tile_px:
        sides.append(-(-sides[-1] // 2))
    size_c = "".join(
        f'<Channel ID="Channel:0:{c}" Name="Marker {c + 1}"/>' for c in range(channels)
    )
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="{side_px}" '
        f'SizeY="{side_px}" SizeC="{channels}" SizeZ="{planes}" SizeT="1" PhysicalSizeX="0.5" '
        f'PhysicalSizeY="0.5" PhysicalSizeZ="1">{size_c}<TiffData/></Pixels></Image></OME>'
    ).encode() + b"\0"
    y, x = np.mgrid[:tile_px, :tile_px]
    with path.open("wb") as file:
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
        xml_at = file.tell()
        file.write(xml)
        blank = zlib.compress(np.zeros((tile_px, tile_px), np.uint16).tobytes(), 1)
        blank_at = file.tell()
        file.write(blank)
        previous_at = 8
        for number in range(channels * planes):
            disc = (x - 256) ** 2 + (y - 256) ** 2 < (60 + number % 150) ** 2
            tile = zlib.compress((disc * (500 + number)).astype(np.uint16).tobytes(), 1)
            tile_at = file.tell()
            file.write(tile)
            subs: list[int] = []
            for side in sides[1:]:
                subs.append(_directory(file, side, tile_px, (tile_at, len(tile)),
                                       (blank_at, len(blank)), None, None))  # fmt: skip
            at = _directory(file, side_px, tile_px, (tile_at, len(tile)), (blank_at, len(blank)),
                            subs, (xml_at, len(xml)) if number == 0 else None)  # fmt: skip
            end = file.tell()
            file.seek(previous_at)
            file.write(struct.pack("<Q", at))
            file.seek(end)
            previous_at = end - 8


def _directory(
    file: IO[bytes],
    side_px: int,
    tile_px: int,
    tile: tuple[int, int],
    blank: tuple[int, int],
    subs: list[int] | None,
    xml: tuple[int, int] | None,
) -> int:
    """Write a directory whose tiles are this one and the blank one by turns; return its place."""
    count = (-(-side_px // tile_px)) ** 2
    is_tile = np.arange(count) % 3 == 0
    offsets_at = file.tell()
    file.write(np.where(is_tile, tile[0], blank[0]).astype("<u8").tobytes())
    counts_at = file.tell()
    file.write(np.where(is_tile, tile[1], blank[1]).astype("<u4").tobytes())
    subs_at = file.tell()
    if subs:
        file.write(struct.pack(f"<{len(subs)}Q", *subs))
    short, long, long8, text = 3, 4, 16, 2
    values = {
        254: (long, 1, 0 if subs is not None else 1), 256: (long, 1, side_px),
        257: (long, 1, side_px), 258: (short, 1, 16), 259: (short, 1, 8), 262: (short, 1, 1),
        277: (short, 1, 1), 322: (long, 1, tile_px), 323: (long, 1, tile_px),
        324: (long8, count, offsets_at if count > 1 else tile[0]),
        325: (long, count, counts_at if count > 2 else tile[1]),
    }  # fmt: skip
    if xml is not None:
        values[270] = (text, xml[1], xml[0])
    if subs:
        values[330] = (long8, len(subs), subs_at if len(subs) > 1 else subs[0])
    at = file.tell()
    file.write(struct.pack("<Q", len(values)))
    for tag in sorted(values):
        kind, length, value = values[tag]
        file.write(struct.pack("<HHQQ", tag, kind, length, value))
    file.write(struct.pack("<Q", 0))
    return at
