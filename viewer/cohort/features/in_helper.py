"""Answers the window's searches over stores of features, in the helper process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.cohort.features.asked import AskSimilar, SimilarAnswer, SimilarPatch
from viewer.cohort.features.errors import FeatureStoreError, NoFeaturesError
from viewer.cohort.features.searching import SearchOptions, find_similar
from viewer.cohort.features.store import FeatureStore

if TYPE_CHECKING:
    from viewer.cohort.features.searching import FoundPatch
    from viewer.processes.helper_entry import TaskContext


def answer(body: bytes, _context: TaskContext) -> bytes:
    """Answer an `AskSimilar`; a store without features of the encoder has nothing to say."""
    asked = msgspec.msgpack.decode(body, type=AskSimilar)
    wanted = np.frombuffer(asked.vector, np.float32)
    options = SearchOptions(asked.count, but=asked.but)
    patches: list[SimilarPatch] = []
    problems: list[str] = []
    for place in asked.stores:
        try:
            store = FeatureStore(place)
            encoder = next((each for each in store.encoders() if each.key == asked.encoder), None)
            if encoder is None:
                continue
            patches += [
                SimilarPatch(
                    each.slide,
                    each.path,
                    (each.box.x0, each.box.y0, each.box.x1, each.box.y1),
                    each.likeness,
                )
                for each in find_similar(store, encoder, wanted, options)
            ]
        except NoFeaturesError:
            continue  # it holds results alone
        except FeatureStoreError as error:
            problems.append(str(error))
    patches.sort(key=lambda each: -each.likeness)
    return msgspec.msgpack.encode(SimilarAnswer(patches[: asked.count], problems))


def _told(found: FoundPatch) -> SimilarPatch:
    box = found.box
    return SimilarPatch(found.slide, found.path, (box.x0, box.y0, box.x1, box.y1), found.likeness)
