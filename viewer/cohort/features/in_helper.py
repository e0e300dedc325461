"""Answers the window's searches over stores of features, in the helper process."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.cohort.features.asked import AskSimilar, SimilarAnswer, SimilarPatch
from viewer.cohort.features.errors import FeatureStoreError, NoFeaturesError
from viewer.cohort.features.searching import SearchOptions, find_similar
from viewer.cohort.features.store import FOLDER, FeatureStore
from viewer.prepared_types import prepared

if TYPE_CHECKING:
    from viewer.cohort.features.searching import FoundPatch
    from viewer.processes.helper_entry import TaskContext


def answer(body: bytes, _context: TaskContext) -> bytes:
    """Answer an `AskSimilar`; a store without features of the encoder has nothing to say."""
    asked = msgspec.msgpack.decode(body, type=prepared(AskSimilar))
    wanted = np.frombuffer(asked.vector, np.float32)
    options = SearchOptions(asked.count, but=asked.but)
    patches: list[SimilarPatch] = []
    problems: list[str] = []
    for place in asked.stores:
        try:
            store = _opened(place, _stamp(place))
            encoder = next((each for each in store.encoders() if each.key == asked.encoder), None)
            if encoder is None:
                continue
            patches += [_told(each) for each in find_similar(store, encoder, wanted, options)]
        except NoFeaturesError:
            continue  # it holds results alone
        except FeatureStoreError as error:
            problems.append(str(error))
    patches.sort(key=lambda each: -each.likeness)
    return msgspec.msgpack.encode(SimilarAnswer(patches[: asked.count], problems))


@lru_cache(maxsize=4)
def _opened(place: str, _made: int) -> FeatureStore:
    """Return a store that was opened before, with what of its index is in memory."""
    return FeatureStore(place)


def _stamp(place: str) -> int:
    """Return what tells a folder that was made anew from the one before; of a bucket nothing."""
    try:
        return os.stat(f"{place}/{FOLDER}").st_ino
    except OSError:
        return 0


def _told(found: FoundPatch) -> SimilarPatch:
    box = found.box
    return SimilarPatch(found.slide, found.path, box.bounds, found.likeness)
