"""The class of each object, by a vote of its pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.decoders.pieces import Labels


def voted_classes(labels: Labels, probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the class (largest label + 1,) of each label, from 0 for the first after background.

    Parameters
    ----------
    probabilities
        float32 (1 + classes, h, w), that of the background first. Pixels of the background vote
        for none, so an object of only such pixels has the first class.
    """
    votes = probabilities.argmax(0)
    kinds = len(probabilities)
    counts = np.bincount(
        labels.ravel().astype(np.int64) * kinds + votes.ravel(),
        minlength=(int(labels.max()) + 1) * kinds,
    ).reshape(-1, kinds)
    return counts[:, 1:].argmax(1).astype(np.uint8)
