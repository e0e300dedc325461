"""What tests of TIFF layouts share: an image with known colors, and whole levels read back."""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from viewer.slides import open_slide

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides import RgbImage, SlideSource

WIDTH_PX, HEIGHT_PX = 420, 300
ROWS = 100
"""Of a strip."""
Tags = dict[int, tuple[str, tuple[int, ...]]]
"""Type and values by number, as `write_tiff` takes them."""


def picture() -> RgbImage:
    """Smooth colors and two flat patches with sharp edges, for the test to change."""
    return _picture().copy()


@cache
def _picture() -> RgbImage:
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX]
    waves = [200 + 50 * np.sin(x / 60), 120 + 80 * np.sin(y / 45), 180 + 60 * np.cos((x + y) / 80)]
    image = np.clip(np.stack(waves, -1), 0, 255).astype(np.uint8)
    image[40:120, 60:200] = (220, 20, 30)
    image[200:260, 300:400] = (20, 160, 40)
    return image


def opacity() -> RgbImage:
    """Opaque above, half and then fully clear below; uint8 (height, width, 1)."""
    alpha = np.full((HEIGHT_PX, WIDTH_PX, 1), 255, np.uint8)
    alpha[150:200], alpha[200:] = 100, 0
    return alpha


def on_white(color: RgbImage, alpha: RgbImage) -> RgbImage:
    share = alpha.astype(float) / 255
    return np.rint(color * share + 255 * (1 - share)).astype(np.uint8)


def gray(image: RgbImage) -> RgbImage:
    return np.repeat(image[..., np.newaxis], 3, axis=2)


def whole(source: SlideSource, level: int = 0) -> RgbImage:
    grid = source.levels[level]
    rows = [
        np.hstack([source.read_tile(level, column, row) for column in range(grid.columns)])
        for row in range(grid.rows)
    ]
    return np.vstack(rows)


def assert_shows(path: Path, expected: RgbImage, tolerance: int = 0) -> tuple[str, ...]:
    """Compare all of level 0; give the notes of the slide."""
    source = open_slide(path)
    shown = whole(source)
    source.close()
    assert shown.dtype == np.uint8
    assert shown.shape == expected.shape
    difference = np.abs(shown.astype(int) - expected.astype(int))
    assert difference.max() <= tolerance
    return source.info.notes


def strip_tags(bits: int, samples: int, photometric: int, compression: int = 8) -> Tags:
    """Return the tags of a TIFF of strips of `ROWS` rows."""
    return {
        256: ("H", (WIDTH_PX,)),
        257: ("H", (HEIGHT_PX,)),
        258: ("H", (bits,) * samples),
        259: ("H", (compression,)),
        262: ("H", (photometric,)),
        273: ("I", ()),
        277: ("H", (samples,)),
        278: ("H", (ROWS,)),
    }


def write_tiff(path: Path, tags: Tags, data: list[bytes]) -> Path:
    """Write a classic big-endian TIFF of one directory by hand, with strips or tiles as given.

    `tags` maps a code to a letter of `struct` and the values; offsets and byte counts are filled
    in for the codes 273 and 279, or 324 and 325, that are given without values.
    """
    body = bytearray(b"MM\0*\0\0\0\0")
    offsets: list[int] = []
    for part in data:
        offsets.append(len(body) if part else 0)
        body += part + b"\0" * (len(part) % 2)
    filled = dict(tags)
    for at, count in ((273, 279), (324, 325)):
        if at in tags:
            filled[at] = ("I", tuple(offsets))
            filled[count] = ("I", tuple(len(part) for part in data))
    start = len(body)
    extra_at = start + 2 + 12 * len(filled) + 4
    entries, extra = b"", b""
    kinds = {"B": 1, "s": 2, "H": 3, "I": 4, "b": 7}
    for code, (letter, values) in sorted(filled.items()):
        value = bytes(values) if letter in "bs" else struct.pack(f">{len(values)}{letter}", *values)
        entries += struct.pack(">HHI", code, kinds[letter], len(values))
        if len(value) > 4:
            entries += struct.pack(">I", extra_at + len(extra))
            extra += value + b"\0" * (len(value) % 2)
        else:
            entries += value.ljust(4, b"\0")
    body += struct.pack(">H", len(filled)) + entries + struct.pack(">I", 0) + extra
    body[4:8] = struct.pack(">I", start)
    path.write_bytes(body)
    return path
