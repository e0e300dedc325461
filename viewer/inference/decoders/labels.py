"""Label maps as they come, one for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.decoders.labeled import Labeled
from viewer.inference.errors import ModelFailedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.models.description import ModelDescription


def decode(maps: NDArray[np.float32], about: ModelDescription) -> list[Labeled]:
    """Number the objects of label maps (classes, rows, columns) anew, from 1.

    Raises
    ------
    ModelFailedError
        They hold something else than the numbers of objects.
    """
    if (maps < 0).any() or (maps != np.floor(maps)).any():
        raise ModelFailedError(
            f"The model {about.name} answers with numbers that are no labels of objects (0, 1, 2, "
            "...): another decoder is meant."
        )
    return [Labeled(_renumbered(labels), index) for index, labels in enumerate(maps)]


def _renumbered(labels: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the labels without gaps, 0 for none."""
    numbers, places = np.unique(labels, return_inverse=True)
    from_one = places.reshape(labels.shape).astype(np.int32)
    return from_one if numbers[0] == 0 else from_one + 1
