"""What the decoders do with small pieces and with holes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.typed.scipy import binary_fill_holes, find_objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[np.int32]


def without_small(labels: Labels, least_px: int) -> Labels:
    """Return the labels without those of fewer pixels."""
    is_kept = np.bincount(labels.ravel()) >= least_px
    is_kept[0] = False
    return np.where(is_kept[labels], labels, 0).astype(np.int32)


def filled(labels: Labels) -> Labels:
    """Return the labels with the holes of each object filled where nothing else is."""
    whole = labels.copy()
    for number, place in find_objects(labels):
        part = whole[place]
        part[binary_fill_holes(part == number) & (part == 0)] = number
    return whole
