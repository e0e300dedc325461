"""Pixels at half the size, as levels that are made here hold them: means of 2 x 2, halves up.

At an odd side the last pixels are means of the two or the one there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage


def halved(image: RgbImage) -> RgbImage:
    """Return a picture at half the size."""
    return np.array(Image.fromarray(image).reduce(2))


def halved_values(values: NDArray[Any]) -> NDArray[Any]:
    """Return values (..., height, width) of any type at half the size."""
    height, width = values.shape[-2:]
    if height % 2 or width % 2:
        beside = [(0, 0)] * (values.ndim - 2)
        values = np.pad(values, [*beside, (0, height % 2), (0, width % 2)], "edge")
    four = [values[..., y::2, x::2] for y in (0, 1) for x in (0, 1)]
    if values.dtype.kind == "f":
        wide = np.float64 if values.dtype.itemsize > 4 else np.float32
        return _mean(four, wide).astype(values.dtype)
    if values.dtype.itemsize <= 2:
        total = np.full(four[0].shape, 2, np.int32)
        for part in four:
            total += part
        return (total >> 2).astype(values.dtype)
    return np.floor(_mean(four, np.float64) + 0.5).astype(values.dtype)


def _mean(parts: Sequence[NDArray[Any]], wide: type[np.floating[Any]]) -> NDArray[Any]:
    total = np.zeros(parts[0].shape, wide)
    for part in parts:
        total += part
    return total / 4
