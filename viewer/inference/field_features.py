"""What a field looks like in a few numbers: its stain, and how much detail it has at which scale.

They tell a field that is unlike those that a model was trained on, whatever the model is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage

SCALES = 6
"""Of detail: from neighboring pixels to squares of 32 pixels."""
FEATURES = 16 + 3 * SCALES
LEAST_TISSUE = 0.02
"""Share of pixels with some stain; of a field with less nothing is said."""
_LEAST_DENSITY = 0.08
_DARK_PERCENTILE = 90
_NOISE = 1e-3
"""Added to spreads, so that a uniform field has finite features."""


def field_features(image: RgbImage) -> NDArray[np.float32] | None:
    """Return the features (FEATURES,) of a field, uint8 (h, w, 3), or None for one without tissue.

    Nor is anything said of a row or column of single pixels, which a slide may end with.

    Of the optical density of stained pixels: mean and spread of each channel (logarithms), the
    10th, 50th and 90th percentile, the hue of all and of the darkest tenth; then the share of
    stained pixels and the detail of each channel at each scale (logarithms).
    """
    if min(image.shape[:2]) < 2:
        return None
    density = -np.log((image.astype(np.float32) + 1) / 256)
    mean = _total(density) / np.float32(3)
    is_stained = mean > _LEAST_DENSITY
    if is_stained.mean() < LEAST_TISSUE:
        return None
    stained = np.compress(is_stained.ravel(), density.reshape(-1, 3), axis=0)
    strength = mean[is_stained]
    percentiles = np.percentile(strength, (10, 50, _DARK_PERCENTILE))
    hue = stained / np.maximum(np.sqrt(_total(stained * stained)), _NOISE)[:, np.newaxis]
    middle = stained.mean(0, keepdims=True)
    features = [
        np.log(middle[0] + _NOISE),
        np.log(stained.std(0, mean=middle) + _NOISE),
        percentiles,
        hue.mean(0),
        hue[strength >= percentiles[-1]].mean(0),
        [is_stained.mean()],
        *(_detail(density[..., channel]) for channel in range(3)),
    ]
    return np.concatenate(features).astype(np.float32)


def _total(colors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sum over the last axis, of three: NumPy's own takes twenty times as long."""
    return colors[..., 0] + colors[..., 1] + colors[..., 2]


def _detail(plane: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (SCALES,) how much of the variance each doubling of the pixels averages away."""
    energies: list[float] = []
    for _ in range(SCALES):
        height, width = (side // 2 * 2 for side in plane.shape)
        if not (height and width):
            energies.append(energies[-1])
            continue
        plane = plane[:height, :width]
        coarse = plane.reshape(height // 2, 2, width // 2, 2).mean((1, 3))
        energies.append(float((plane**2).mean() - (coarse**2).mean()))
        plane = coarse
    return np.log(np.sqrt(np.maximum(energies, 0)) + _NOISE)
