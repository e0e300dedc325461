"""Cells detected in the pixels themselves, by settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.cells.detection import StainImages, detected
from viewer.inference.decoders.labeled import Labeled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.models.description import ModelDescription


def decode(maps: NDArray[np.float32], about: ModelDescription) -> list[Labeled]:
    """Detect cells in red, green and blue (3, rows, columns) of 0 to 255."""
    assert about.cells is not None
    rgb = np.rint(np.clip(np.moveaxis(maps, 0, -1), 0, 255)).astype(np.uint8)
    return [Labeled(detected(StainImages(rgb, about.cells), about.cells))]
