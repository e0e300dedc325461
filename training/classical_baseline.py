"""Nuclei without learning: color deconvolution, Otsu's threshold, watershed by distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.color import rgb2hed
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.morphology import remove_small_objects
from skimage.segmentation import watershed

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMOOTH_PX = 1.0
_LEAST_PX = 30
_LEAST_APART_PX = 5


def classical_labels(image: NDArray[np.uint8]) -> NDArray[np.int32]:
    """int32 (h, w) from uint8 (h, w, 3)."""
    amount = ndimage.gaussian_filter(rgb2hed(image)[..., 0], _SMOOTH_PX)
    mask = ndimage.binary_fill_holes(amount > threshold_otsu(amount))
    mask = remove_small_objects(np.asarray(mask), max_size=_LEAST_PX)
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), _SMOOTH_PX)
    peaks = peak_local_max(depth, min_distance=_LEAST_APART_PX, labels=mask.astype(int))
    seeds = np.zeros(mask.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-depth, seeds, mask=mask).astype(np.int32)
