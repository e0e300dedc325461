"""What tests of channels share: stacks with known values, and whole levels read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
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
