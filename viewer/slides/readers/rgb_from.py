"""Pixels of any kind as 8-bit RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage

_ROWS_AT_ONCE = 512


def rgb_from(pixels: NDArray[Any]) -> RgbImage:
    """The picture as uint8 (height, width, 3).

    Grey becomes RGB, and transparent parts lie on white. Bits become black and white, and
    integers of other than 8 bits and floats are scaled from the smallest value of the picture to
    the largest: that is a choice for looking at it, and measures nothing.

    Parameters
    ----------
    pixels
        Shape (height, width) or (height, width, samples): grey, grey and alpha, RGB, RGBA; of
        other numbers of samples the first is shown as grey.
    """
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]
    samples = pixels.shape[2]
    colors = 3 if samples in (3, 4) else 1
    alpha_at = samples - 1 if samples in (2, 4) else None
    low, high = _range(pixels[..., :colors])
    full = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "ui" else 1.0
    rgb = np.empty((*pixels.shape[:2], 3), np.uint8)
    # In strips, since the floats of a whole picture could take more memory than there is.
    for top in range(0, len(pixels), _ROWS_AT_ONCE):
        strip = pixels[top : top + _ROWS_AT_ONCE]
        color = strip[..., :colors]
        if pixels.dtype != np.uint8:
            finite = np.nan_to_num(color.astype(np.float64), nan=low, posinf=high, neginf=low)
            color = ((finite - low) * (255 / ((high - low) or 1)) + 0.5).astype(np.uint8)
        if alpha_at is not None:
            alpha = np.clip(strip[..., alpha_at, np.newaxis] / full, 0, 1)
            color = (color * alpha + 255 * (1 - alpha) + 0.5).astype(np.uint8)
        rgb[top : top + _ROWS_AT_ONCE] = color
    return rgb


def _range(pixels: NDArray[Any]) -> tuple[float, float]:
    if pixels.dtype == np.bool_:
        return 0.0, 1.0
    if pixels.dtype.kind == "f":
        pixels = pixels[np.isfinite(pixels)]
    if pixels.size == 0:
        return 0.0, 1.0
    return float(pixels.min()), float(pixels.max())
