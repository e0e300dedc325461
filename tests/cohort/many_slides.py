"""Small slides made for tests of many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile

if TYPE_CHECKING:
    from pathlib import Path


def slide_at(path: Path, seed: int, side_px: int = 256) -> Path:
    """Write a small slide with dark squares on tissue."""
    rng = np.random.default_rng(seed)
    pixels = np.full((side_px, side_px, 3), (220, 170, 200), np.uint8)
    pixels[:] -= rng.integers(0, 20, pixels.shape, np.uint8)
    for x, y in rng.integers(10, side_px - 26, (12 * (side_px // 256) ** 2, 2)):
        pixels[y : y + 10, x : x + 10] = (60, 30, 90)
    tifffile.imwrite(
        path, pixels, tile=(128, 128), photometric="rgb", resolution=(20000, 20000),
        resolutionunit=3,
    )  # fmt: skip
    return path
