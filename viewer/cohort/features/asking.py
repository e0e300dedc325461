"""What is searched by: a region of a slide as one vector of an encoder, or phrases."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from viewer.cohort.features.errors import FeatureStoreError
from viewer.cohort.features.searching import find_similar
from viewer.geometry import Box
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.model_library import all_models
from viewer.inference.runs.running import run_model
from viewer.slides import open_slide

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.cohort.features.rows import Encoder
    from viewer.cohort.features.searching import FoundPatch, SearchOptions
    from viewer.cohort.features.store import FeatureStore
    from viewer.inference.models.bundle import ModelBundle
    from viewer.overlays.word_vectors import WordVectors


def region_vector(
    store: FeatureStore, encoder: Encoder, slide: Path, region: Box,
    mpp_um: float | None = None, device: str = "auto", bundle: ModelBundle | None = None,
) -> tuple[str, NDArray[np.float32]]:  # fmt: skip
    """Return the key of a slide, and the mean vector (d,) of the patches in a region of it.

    The store's own features are taken where it holds the slide; else the encoder, `bundle` or the
    model that is installed here, looks at the region now.

    Raises
    ------
    SlideError, BundleError, RunError
        The slide or the encoder cannot be used.
    FeatureStoreError
        The region lies outside the slide or holds no tissue, or the store fails.
    """
    with closing(open_slide(slide)) as source:
        key, base = source.info.identity, source.levels[0]
    if not region.intersects(Box(0, 0, base.width_px, base.height_px)):
        raise FeatureStoreError(
            f"The region lies outside the slide, which is {base.width_px} x {base.height_px} px."
        )
    if key in store.slides(encoder):
        held = store.read_slide(encoder, key)
        middles = held.places + held.side_px / 2
        inside = (middles >= (region.x0, region.y0)) & (middles < (region.x1, region.y1))
        chosen = inside.all(1)
        if not chosen.any() and len(held):
            # A region smaller than a patch: the patch that holds its middle.
            middle = np.array([region.center.x, region.center.y])
            chosen = (np.abs(middles - middle) <= held.side_px / 2).all(1)
        vectors = held.vectors[chosen]
    else:
        run = run_model(slide, bundle or installed_encoder(encoder), region, mpp_um, device)
        found = run.found.as_patches
        assert found is not None
        vectors = found.values[found.cells_in(region)]
    if not len(vectors):
        raise FeatureStoreError(
            f"There is no tissue in the region that {encoder.name} looked at: choose another."
        )
    return key, vectors.astype(np.float32).mean(0)


def find_by_words(
    store: FeatureStore, encoder: Encoder, words: WordVectors, options: SearchOptions
) -> list[tuple[FoundPatch, str]]:
    """Return the patches that one of some phrases fits best, with that phrase, the best first.

    Raises
    ------
    FeatureStoreError
        The store cannot be searched.
    """
    found = [
        (patch, phrase)
        for phrase, vector in zip(words.phrases, words.vectors, strict=True)
        for patch in find_similar(store, encoder, vector, options)
    ]
    found.sort(key=lambda each: -each[0].likeness)
    taken: set[tuple[str, Box]] = set()
    of_slide: Counter[str] = Counter()
    chosen: list[tuple[FoundPatch, str]] = []
    for patch, phrase in found:
        place = patch.slide, patch.box
        if place in taken or (options.per_slide and of_slide[patch.slide] >= options.per_slide):
            continue
        taken.add(place)
        of_slide[patch.slide] += 1
        chosen.append((patch, phrase))
    return chosen[: options.count]


def installed_encoder(encoder: Encoder) -> ModelBundle:
    """Return the model that made features, among those that are installed.

    Raises
    ------
    BundleError
        It is not here.
    """
    for bundle in all_models():
        if bundle.key == encoder.key:
            return bundle
    raise BundleError(
        f"{encoder.name} {encoder.version}, which made the features, is not here to look at what "
        "is asked for: add the model, or give its folder with --encoder."
    )
