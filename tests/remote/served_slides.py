"""Slides that the tests put on servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile

if TYPE_CHECKING:
    from pathlib import Path

BIG_BYTES = 500_000_000


def write_pyramid(path: Path, side_px: int = 2048, **options: object) -> Path:
    """Write a tiled pyramid of squares of many colors, as tifffile does."""
    random = np.random.default_rng(7)
    small = random.integers(0, 255, (side_px // 32, side_px // 32, 3), np.uint8)
    picture = np.kron(small, np.ones((32, 32, 1), np.uint8))
    picture ^= random.integers(0, 32, picture.shape, np.uint8)
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        for level in range(3):
            tiff.write(
                picture[:: 2**level, :: 2**level],
                tile=(256, 256),
                photometric="rgb",
                subfiletype=0 if level == 0 else 1,
                metadata=None,
                **options,
            )
    return path
