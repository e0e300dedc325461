"""Numbers of each object that classifiers are taught by, pooled from pixels and from the network.

Computed at detection, in the model process, where a model is asked for them
(`ModelDescription.features`): 8 of the stains in and round an object, and the means of the finest
feature maps of the network, where it has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.cells.measuring import Runs
from viewer.inference.instances import resampled
from viewer.inference.typed_skimage import expand_labels, rgb2hed
from viewer.typed.scipy import laplace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage

    Maps = NDArray[np.float32]

_RING_UM = 2.0
_LEAST_VALUE = 1 / 255
_LARGEST = 60_000.0
"""What float16 holds."""


def object_features(
    labels: NDArray[np.int32], picture: RgbImage, maps: Maps | None, pixel_um: float
) -> NDArray[np.float16]:
    """Return (most + 1, d) the features of each number of a label map; zeros where it has none.

    Parameters
    ----------
    labels, picture
        int32 (h, w) and uint8 (rows, columns, 3) of the same field.
    maps
        float32 (c, h, w) of the network; None where it gives none.
    pixel_um
        Micrometers per pixel of `labels`.
    """
    most = int(labels.max(initial=0))
    inside = Runs.of(labels, most)
    grown = expand_labels(labels, _RING_UM / pixel_um)
    ring = Runs.of(np.where(labels > 0, np.int32(0), grown), most)
    stains = _stain_maps(resampled(picture, labels.shape))
    hematoxylin, eosin, density, detail = stains
    columns = [
        _spread(inside, hematoxylin), _mean(inside, eosin), _spread(inside, eosin),
        _mean(inside, density), _spread(inside, density), _mean(inside, detail),
        _mean(ring, hematoxylin), _mean(ring, eosin),
    ]  # fmt: skip
    columns += [] if maps is None else [_mean(inside, each) for each in maps]
    found = np.nan_to_num(np.stack(columns, 1), nan=0.0, posinf=0.0, neginf=0.0)
    found = np.clip(found, -_LARGEST, _LARGEST)
    return np.concatenate([np.zeros((1, found.shape[1])), found]).astype(np.float16)


def _stain_maps(picture: RgbImage) -> tuple[Maps, Maps, Maps, Maps]:
    """Return hematoxylin, eosin, the density of all, and how much detail that has."""
    hed = rgb2hed(picture)
    values = np.maximum(picture.astype(np.float32) / 255, _LEAST_VALUE)
    density = -np.log10(values).mean(-1)
    detail = np.abs(laplace(density))
    first, second, third, fourth = (
        np.asarray(each, np.float32) for each in (hed[..., 0], hed[..., 1], density, detail)
    )
    return first, second, third, fourth


def _mean(runs: Runs, image: Maps) -> NDArray[np.float64]:
    return runs.sums(image.ravel()[runs.places]) / np.maximum(runs.areas_px, 1)


def _spread(runs: Runs, image: Maps) -> NDArray[np.float64]:
    values = image.ravel()[runs.places].astype(np.float64)
    area = np.maximum(runs.areas_px, 1)
    mean = runs.sums(values) / area
    return np.sqrt(np.maximum(runs.sums(values * values) / area - mean * mean, 0))
