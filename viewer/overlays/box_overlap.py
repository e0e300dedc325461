"""How far boxes overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.geometry import Box

    Corners = NDArray[np.float32] | NDArray[np.float64]


def corners(boxes: Sequence[Box]) -> NDArray[np.float64]:
    """Return the left, top, right and bottom (n, 4) of boxes."""
    return np.array([each.bounds for each in boxes]).reshape(-1, 4)


def box_ious(ones: Corners, others: Corners) -> Corners:
    """Return the intersection over union (n, m) of boxes (n, 4) and (m, 4).

    Boxes are left, top, right and bottom.
    """
    low = np.maximum(ones[:, None, :2], others[None, :, :2])
    high = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(2)
    areas, other_areas = ((each[:, 2:] - each[:, :2]).prod(1) for each in (ones, others))
    return shared / np.maximum(areas[:, None] + other_areas - shared, 1e-9)
