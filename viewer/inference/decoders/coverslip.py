"""Nucleus, edge and depth as logits, which our own networks give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.cells.detection import nuclei_by_settings
from viewer.inference.decoders.labeled import Labeled
from viewer.inference.instances import labeled
from viewer.inference.tasks.instances import LOGITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.models.description import ModelDescription


def decode(maps: NDArray[np.float32], about: ModelDescription) -> list[Labeled]:
    """Cut logits of nucleus, edge and depth, the first of maps (n, rows, columns), into objects."""
    chances = (1 / (1 + np.exp(-maps[:LOGITS]))).astype(np.float32)
    if about.cells is not None:
        return [Labeled(nuclei_by_settings(chances[0], about.cells), probability=chances[0])]
    return [Labeled(labeled(chances), probability=chances[0])]
