"""In the model process: keeps the objects of slides, learns from marks on them, and answers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.errors import ModelFailedError
from viewer.inference.process.messages import (
    ClassifiedBlock,
    ClassifyBlock,
    FoundCells,
    KeepObjects,
    Reclassify,
    Suggest,
    Suggested,
    Taught,
    Teach,
)
from viewer.inference.teaching.held_out import Places, held_out
from viewer.inference.teaching.learning import fit_of, import_ahead, learned
from viewer.inference.teaching.object_vectors import object_vectors
from viewer.overlays.objects import Objects, ObjectsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from viewer.inference.process.messages import ObjectsKey
    from viewer.inference.teaching.taught_objects import LinearClassifier

_MOST_LOOKED_AT = 20_000
"""Objects among which the most different are looked for."""


class TeachingDesk:
    """The objects of the slides that are taught on, and what was learned last."""

    def __init__(self, on_progress: Callable[[], None]) -> None:
        self._on_progress = on_progress
        self._names: list[str] = []
        self._vectors: dict[ObjectsKey, NDArray[np.float32]] = {}
        self._middles: dict[ObjectsKey, NDArray[np.float32]] = {}
        self._classifier: LinearClassifier | None = None
        self._marked = np.zeros((0, 0), np.float32)
        self._complaint = ""
        threading.Thread(target=import_ahead, daemon=True).start()

    def keep(self, request: KeepObjects) -> None:
        """Take the objects of a block; those it had are forgotten."""
        self._vectors.pop(request.key, None)
        try:
            objects = Objects.from_bytes(request.objects)
        except ObjectsError as error:  # said when something is asked: this has no answer
            self._complaint = str(error)
            return
        if not len(objects):
            return
        names, vectors = object_vectors(objects)
        if not self._vectors:
            self._names = names
        if names != self._names:
            self._complaint = (
                "These objects were found by several versions of a model: run it again."
            )
            return
        self._vectors[request.key] = vectors
        self._middles[request.key] = objects.centroids

    def teach(self, request: Teach) -> Taught:
        """Learn from marks, and ask what is learned without each region in turn.

        Raises
        ------
        ModelFailedError
            The objects that were sent cannot be used together, or none of them is marked.
        """
        if self._complaint:
            raise ModelFailedError(self._complaint)
        marks = [mark for mark in request.marks if mark[0] in self._vectors]
        if not marks:
            raise ModelFailedError("None of the marked objects is known: run the model again.")
        truth = np.array([mark[2] for mark in marks], np.intp)
        self._marked = np.stack([self._vectors[key][index] for key, index, _ in marks])
        self._classifier = learned(self._marked, truth, request.classes, self._names)
        middles = np.stack([self._middles[key][index] for key, index, _ in marks])
        mpp_um = np.array([request.mpp_um[key[0]] for key, _, _ in marks])
        slides = np.array([key[0] for key, _, _ in marks], np.intp)
        places = Places(slides, *(middles * mpp_um[:, None]).T)
        learn = fit_of(self._names, request.classes)

        def fit(
            vectors: NDArray[np.floating], truth: NDArray[np.intp]
        ) -> Callable[[NDArray[np.floating]], NDArray[np.floating]]:
            self._on_progress()
            return learn(vectors, truth)

        estimate = held_out(self._marked, truth, request.classes, places, fit)
        chances = np.asarray(estimate.chances, np.float32).tobytes()
        return Taught(self._classifier, estimate.by, list(estimate.regions), chances)

    def classified(self, request: ClassifyBlock) -> ClassifiedBlock:
        """Return what was learned last, of the objects of a block."""
        vectors = self._vectors.get(request.key)
        if vectors is None or self._classifier is None:
            return ClassifiedBlock(request.key, b"")
        chances = self._classifier.chances(vectors)
        return ClassifiedBlock(request.key, chances.astype(np.float16).tobytes())

    def suggested(self, request: Suggest) -> Suggested:
        """Return the objects that are worth a mark: the least certain, and the most different."""
        classifier = self._classifier
        if classifier is None or not self._vectors:
            return Suggested([], [])
        keys = list(self._vectors)
        owners = np.repeat(np.arange(len(keys)), [len(self._vectors[key]) for key in keys])
        places = np.concatenate([np.arange(len(self._vectors[key])) for key in keys])
        vectors = np.concatenate([self._vectors[key] for key in keys])
        taken = {(tuple(key), index) for key, index in request.known}
        is_free = np.array(
            [(keys[o], p) not in taken for o, p in zip(owners, places.tolist(), strict=True)]
        )
        order = np.argsort(_margin(classifier.chances(vectors)))
        unsure = [int(each) for each in order if is_free[each]][: request.count]
        is_free[unsure] = False
        different = _most_different(classifier, vectors, self._marked, is_free, request.count)

        def named(indices: Sequence[int]) -> list[tuple[ObjectsKey, int]]:
            return [(keys[owners[each]], int(places[each])) for each in indices]

        return Suggested(named(unsure), named(different))


def reclassified(request: Reclassify) -> FoundCells:
    """Return objects of a base model with the classes that a taught model tells."""
    objects = Objects.from_bytes(request.objects)
    return FoundCells(request.taught.classified(objects).to_bytes())


def _margin(chances: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (n,) by how much the likeliest class is likelier than the next."""
    two = np.partition(chances, -2, axis=1)[:, -2:]
    return two[:, 1] - two[:, 0]


def _most_different(
    classifier: LinearClassifier,
    vectors: NDArray[np.float32],
    marked: NDArray[np.float32],
    is_free: NDArray[np.bool_],
    count: int,
) -> list[int]:
    """Return those farthest from all that is marked, and from one another (Sener 2018)."""
    free = np.flatnonzero(is_free)
    if len(free) > _MOST_LOOKED_AT:
        free = np.random.default_rng(0).choice(free, _MOST_LOOKED_AT, replace=False)
    asked, known = classifier.standardized(vectors[free]), classifier.standardized(marked)
    nearest = np.full(len(free), np.inf)
    for each in known:
        nearest = np.minimum(nearest, ((asked - each) ** 2).sum(1))
    found: list[int] = []
    for _ in range(min(count, len(free))):
        best = int(nearest.argmax())
        found.append(int(free[best]))
        nearest = np.minimum(nearest, ((asked - asked[best]) ** 2).sum(1))
    return found
