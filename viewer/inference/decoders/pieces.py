"""Connected pieces of masks, and what the decoders do with small ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[np.int32]


def pieces(mask: NDArray[np.bool_]) -> Labels:
    """Return the connected pieces of a mask, numbered from 1."""
    found = np.zeros(mask.shape, np.int32)
    ndimage.label(mask, output=found)
    return found


def without_small(labels: Labels, least_px: int) -> Labels:
    """Return the labels without those of fewer pixels."""
    is_kept = np.bincount(labels.ravel()) >= least_px
    is_kept[0] = False
    return np.where(is_kept[labels], labels, 0).astype(np.int32)


def filled(labels: Labels) -> Labels:
    """Return the labels with the holes of each object filled where nothing else is."""
    whole = labels.copy()
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        if place is not None:
            part = whole[place]
            part[ndimage.binary_fill_holes(part == number) & (part == 0)] = number
    return whole
