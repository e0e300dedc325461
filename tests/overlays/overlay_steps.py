"""Objects made by hand for tests of what keeps and shows them."""

from __future__ import annotations

import numpy as np

from viewer.geometry import Size
from viewer.overlays.blocks import BlockGrid
from viewer.overlays.objects import Objects

GRID = BlockGrid(Size(1000, 700), 2.0, 100, 16)


def squares(*corners: tuple[float, float], side: float = 10.0) -> Objects:
    """Squares by their upper left corners."""
    unit = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32) * side
    places = np.array(corners, np.float32).reshape(-1, 2)
    return Objects(
        (places[:, None] + unit).reshape(-1, 2).astype(np.float32),
        np.arange(len(places) + 1, dtype=np.int64) * 4,
        (places + side / 2).astype(np.float32),
        np.zeros(len(places), np.uint8),
        {"Area um2": np.full(len(places), side**2, np.float32)},
    )
