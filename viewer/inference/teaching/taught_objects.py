"""A classifier of objects that a reader taught: plain numbers in model.json, and how they apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
from msgspec import Meta
from msgspec.structs import replace

from viewer.inference.teaching.errors import FeaturesVersionError
from viewer.inference.teaching.object_vectors import POOLED, object_vectors
from viewer.overlays.scoring import softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.overlays.objects import Objects

CHANCE = "Classification probability"
"""A measurement of classified objects, by QuPath's name: how likely their class is."""
_MOST_SPREADS = 6.0
"""A number farther from the mean counts as so far."""

Row = Annotated[tuple[float, ...], Meta(min_length=1, max_length=4096)]


class LinearClassifier(msgspec.Struct, frozen=True):
    """A multinomial logistic regression on standardized numbers.

    Attributes
    ----------
    features
        What the numbers are, as `object_vectors` names them.
    mean, spread
        (d,) of the marked objects.
    weights
        For each class d numbers and a constant.
    """

    features: Annotated[tuple[str, ...], Meta(min_length=1, max_length=4096)]
    mean: Row
    spread: Row
    weights: Annotated[tuple[Row, ...], Meta(min_length=2, max_length=256)]

    def complaint(self, classes: int) -> str:
        """Return what does not fit together, as the end of a sentence, or ""."""
        length = len(self.features)
        fits = len(self.mean) == len(self.spread) == length and len(self.weights) == classes
        if not fits or any(len(row) != length + 1 for row in self.weights):
            return "the numbers of what was taught do not fit together"
        return "" if min(self.spread) > 0 else "spreads of what was taught have to be above 0"

    @property
    def takes_pooled(self) -> bool:
        """Return whether it takes features that are pooled in each object."""
        return any(name.startswith(POOLED) for name in self.features)

    def standardized(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return vectors (n, d) as the weights take them."""
        far = (vectors - np.array(self.mean, np.float32)) / np.array(self.spread, np.float32)
        return np.clip(np.nan_to_num(far, nan=0.0), -_MOST_SPREADS, _MOST_SPREADS)

    def chances(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities (n, classes) of vectors (n, d); what is NaN counts as the mean."""
        weights = np.array(self.weights, np.float32)
        return softmax(self.standardized(vectors) @ weights[:, :-1].T + weights[:, -1])


class TaughtObjects(msgspec.Struct, frozen=True):
    """What makes a model that finds objects one that tells their taught class.

    Attributes
    ----------
    base, base_version, base_classes
        Name, version and classes of the model whose objects were marked; its weights are the
        taught model's own.
    base_is_scored
        Whether the base graded its cells by a stain, which a taught model does not.
    base_sha256
        Of the weights whose features it was taught on.
    classifier
        What was learned.
    """

    base: str
    base_version: str
    base_classes: tuple[str, ...]
    base_sha256: str
    classifier: LinearClassifier
    base_is_scored: bool = False

    def classified(self, objects: Objects) -> Objects:
        """Return objects with the classes that were taught, and how likely each is.

        Raises
        ------
        FeaturesVersionError
            The objects lack numbers that the classifier was taught on.
        """
        if not len(objects):
            return replace(objects, features=None)
        chances = self.classifier.chances(vectors_for(objects, self.classifier.features))
        return with_classes(objects, chances)


def with_classes(objects: Objects, chances: NDArray[np.float32]) -> Objects:
    """Return objects with the likeliest class of each, and how likely it is; (n, classes)."""
    measured = {**objects.measurements, CHANCE: chances.max(1).astype(np.float32)}
    return replace(
        objects, classes=chances.argmax(1).astype(np.uint8), measurements=measured, features=None
    )


def vectors_for(objects: Objects, names: Sequence[str]) -> NDArray[np.float32]:
    """Return (n, d) the numbers of objects by their names.

    Raises
    ------
    FeaturesVersionError
        The objects lack some of them.
    """
    known, vectors = object_vectors(objects)
    if known == list(names):
        return vectors
    places = {name: index for index, name in enumerate(known)}
    if missing := [name for name in names if name not in places]:
        raise FeaturesVersionError(
            f'What was taught takes "{missing[0]}", which these objects do not have: they were '
            "found by another model or version; run the model again, or teach it anew."
        )
    return vectors[:, [places[name] for name in names]]
