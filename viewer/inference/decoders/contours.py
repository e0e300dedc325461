"""Probabilities of the inner part and of the contour of objects (DCAN 2016, Cerberus 2023)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.decoders.chances import probabilities
from viewer.inference.decoders.labeled import Labeled
from viewer.inference.decoders.pieces import filled, without_small
from viewer.inference.typed_skimage import watershed
from viewer.typed.scipy import distance_transform_edt, label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.decoders.pieces import Labels
    from viewer.inference.models.description import ModelDescription

    Map = NDArray[np.float32]

LEAST_PROBABILITY = 0.5
_LEAST_PX = 10


def decode(maps: Map, about: ModelDescription) -> list[Labeled]:
    """Return the objects of maps (3 * classes, h, w): background, inner part, contour of each."""
    least = about.decoding.get("least_probability", LEAST_PROBABILITY)
    found: list[Labeled] = []
    for index, part in enumerate(np.split(maps, len(about.classes))):
        chances = probabilities(part, about, is_logit=about.head == "softmax")
        labels = contour_labels(chances[1], chances[2], least)
        found.append(Labeled(labels, index, chances[1] + chances[2]))
    return found


def contour_labels(
    inner: Map, contour: Map, least_probability: float = LEAST_PROBABILITY
) -> Labels:
    """Return the objects: each inner part, grown into the contour round it."""
    markers = without_small(label((inner >= least_probability) & (inner > contour))[0], _LEAST_PX)
    mask = inner + contour >= least_probability
    away = distance_transform_edt(markers == 0)
    return filled(watershed(away, markers, mask))
