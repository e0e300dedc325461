"""Searches of the window, asked of the helper: the window holds neither Arrow nor Lance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.cohort.features.errors import FeatureStoreError
from viewer.prepared_types import prepared
from viewer.processes.helper import HelperEndedError, HelperFailedError, helper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_TASK = "viewer.cohort.features.in_helper:answer"


class AskSimilar(msgspec.Struct, frozen=True):
    """Asks for the patches most like a vector (float32 bytes), over all slides of stores.

    Attributes
    ----------
    encoder
        `ModelBundle.key`.
    but
        Content key of a slide that is left out.
    """

    stores: list[str]
    encoder: str
    vector: bytes
    but: str
    count: int


class SimilarPatch(msgspec.Struct, frozen=True):
    """A patch in level-0 pixels of a slide, and its cosine similarity."""

    slide: str
    path: str
    box: tuple[float, float, float, float]
    likeness: float


class SimilarAnswer(msgspec.Struct, frozen=True):
    """The patches, the most alike first, and a sentence for each store that failed."""

    patches: list[SimilarPatch] = []
    problems: list[str] = []


def ask_similar(
    stores: Sequence[str], encoder: str, vector: NDArray[np.float32], but: str, count: int
) -> SimilarAnswer:
    """Return the patches of stores that are most like a vector; waits, so for worker threads.

    Raises
    ------
    FeatureStoreError
        The helper cannot be asked.
    """
    request = AskSimilar(list(stores), encoder, vector.astype(np.float32).tobytes(), but, count)
    try:
        body = helper().run(_TASK, request)
    except (HelperEndedError, HelperFailedError, OSError) as error:
        raise FeatureStoreError(f"The stores cannot be searched ({error}).") from error
    return msgspec.msgpack.decode(body, type=prepared(SimilarAnswer))
