"""From what a network gives for the probability of an object to that probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.errors import ModelFailedError
from viewer.overlays.scoring import softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.models.description import ModelDescription

    Maps = NDArray[np.float32]

_ROUNDING = 0.01


def sigmoid(logits: Maps) -> Maps:
    """Return 1 / (1 + exp(-x))."""
    with np.errstate(over="ignore"):
        return (1 / (1 + np.exp(-logits))).astype(np.float32)


def probabilities(maps: Maps, about: ModelDescription, *, is_logit: bool) -> Maps:
    """Return probabilities (k, h, w); of logits by softmax, or by sigmoid where there is one.

    Raises
    ------
    ModelFailedError
        They are to be probabilities as they are, and are not.
    """
    if is_logit and len(maps) == 1:
        return sigmoid(maps)
    if is_logit:
        return softmax(maps, 0)
    if maps.min() < -_ROUNDING or maps.max() > 1 + _ROUNDING:
        logits = "sigmoid" if about.decoder == "stardist" else "softmax"
        raise ModelFailedError(
            f"The model {about.name} answers with numbers below 0 or above 1 where probabilities "
            f'of objects are expected: say "head": "{logits}" in model.json if they are logits, '
            "and name its outputs in the order that docs/models.md gives."
        )
    return maps


def enlarged(maps: Maps, by: int) -> Maps:
    """Return maps (..., h, w) with each pixel as a square of so many."""
    return maps.repeat(by, -2).repeat(by, -1) if by > 1 else maps
