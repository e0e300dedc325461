"""HoVer-Net (Graham et al. 2019) and CellViT (Hörst et al. 2024): nuclei by where their middle is.

Both answer with a probability of nucleus and with how far a pixel lies to the right of and below
the middle of its nucleus, -1 to 1. Where two nuclei touch, these distances jump: their slopes are
the energy whose valleys are flooded from one marker a nucleus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.decoders.chances import probabilities
from viewer.inference.decoders.classes import voted_classes
from viewer.inference.decoders.labeled import Labeled
from viewer.inference.decoders.pieces import without_small
from viewer.inference.errors import ModelFailedError
from viewer.inference.typed_skimage import watershed
from viewer.typed.scipy import (
    binary_fill_holes,
    binary_opening,
    correlate1d,
    gaussian_filter,
    label,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.decoders.pieces import Labels
    from viewer.inference.models.description import ModelDescription

    Map = NDArray[np.float32]

LEAST_PROBABILITY = 0.5
_LEAST_PX = 10
_STEEP = 0.4
"""Of the energy: what is steeper is the border between two nuclei."""
_FINE_UM = 0.375
"""Between the pixels of objectives 40x and 20x, for which the sizes below are published."""
_SLOPE_PX = {"fine": 21, "coarse": 11}
_MARKER_PX = {"fine": 10, "coarse": 3}
_DISK = np.array([[0, 0, 1, 0, 0], [1] * 5, [1] * 5, [1] * 5, [0, 0, 1, 0, 0]], bool)


def decode(maps: Map, about: ModelDescription) -> list[Labeled]:
    """Return the nuclei of maps (np + hv + tp, h, w).

    They are one or two of the nucleus (its probability or logit last), two of distances, and of
    networks of several classes one for each class, background first.

    Raises
    ------
    ModelFailedError
        There are more or fewer maps.
    """
    kinds = len(about.classes) + 1
    found = {count: count in (len(maps) - 2, len(maps) - 2 - kinds) for count in (1, 2)}
    if not any(found.values()) or (kinds > 2 and len(maps) < 2 + kinds):
        raise ModelFailedError(
            f"The model {about.name} answers with {len(maps)} maps, which are not those of "
            f"HoVer-Net with {kinds - 1} classes: 1 or 2 of nuclei, 2 of distances and {kinds} of "
            "classes and background; name them in this order as outputs in model.json."
        )
    first = 1 if found[1] else 2
    chances = probabilities(maps[:first], about, is_logit=about.head == "softmax")[-1]
    labels = hover_labels(
        chances,
        maps[first],
        maps[first + 1],
        about.mpp_um * about.answer_downsample,
        about.decoding.get("least_probability", LEAST_PROBABILITY),
    )
    is_classed = len(maps) > first + 2
    classes = voted_classes(labels, maps[first + 2 :]) if is_classed else 0
    return [Labeled(labels, classes, chances)]


def hover_labels(
    probability: Map,
    across: Map,
    down: Map,
    pixel_um: float,
    least_probability: float = LEAST_PROBABILITY,
) -> Labels:
    """Return the nuclei of the three maps, each float32 (h, w).

    Parameters
    ----------
    across, down
        Distances from the middle of a nucleus to the right and downward, -1 to 1.
    pixel_um
        Micrometers per pixel.
    """
    kind = "fine" if pixel_um < _FINE_UM else "coarse"
    mask = without_small(label(probability >= least_probability)[0], _LEAST_PX) > 0
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    side_px = _SLOPE_PX[kind]
    steep = np.maximum(_fall(across, 1, side_px), _fall(down, 0, side_px))
    steep = np.maximum(steep - ~mask, 0)
    basins = -gaussian_filter((1 - steep) * mask, 0.8, truncate=1.25)
    inner = binary_opening(binary_fill_holes(mask & (steep < _STEEP)), structure=_DISK)
    markers = without_small(label(inner)[0], _MARKER_PX[kind])
    return watershed(basins, markers, mask)


def _fall(values: Map, axis: int, side_px: int) -> Map:
    """Return 0 where values rise most along an axis, and 1 where they fall most."""
    smooth = np.ones(1)
    for _ in range(side_px - 1):
        smooth = np.convolve(smooth, (0.5, 0.5))
    rise = np.ones(1)
    for _ in range(side_px - 3):
        rise = np.convolve(rise, (0.5, 0.5))
    rise = np.convolve(rise, (-1.0, 0.0, 1.0))
    slope = correlate1d(_stretched(values), rise, axis)
    return 1 - _stretched(correlate1d(slope, smooth, 1 - axis))


def _stretched(values: Map) -> Map:
    low, high = float(values.min()), float(values.max())
    return ((values - low) / max(high - low, 1e-9)).astype(np.float32)
