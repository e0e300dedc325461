"""A batch that keeps features: begun, seen which of its slides are there, and ended by an index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from viewer.cohort.batch import BatchSettings, open_batch
from viewer.cohort.errors import BatchError
from viewer.cohort.features.errors import FeatureStoreError, NoFeaturesError
from viewer.cohort.features.searching import keep_index
from viewer.cohort.features.store import FeatureStore
from viewer.plurals import plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from viewer.cohort.batch import Batch, BatchWhere
    from viewer.cohort.features.rows import Encoder
    from viewer.inference.models.bundle import ModelBundle


def begin_embedding(
    encoder: str,
    bundle: ModelBundle,
    slides: Sequence[tuple[Path, str]],
    options: Mapping[str, str],
    store: str,
    where: BatchWhere,
) -> Batch:
    """Return the batch of an encoder, as the user named it, over slides (path, name).

    Raises
    ------
    BatchError
        The batch cannot be kept.
    """
    settings = BatchSettings(
        model=str(Path(encoder).absolute()) if Path(encoder).exists() else encoder,
        name=bundle.name,
        version=bundle.version,
        key=bundle.key,
        options=dict(options),
        store=store,
        command="embed",
    )
    return open_batch(
        settings, slides, f"Features of {bundle.name} on {plural(len(slides), 'slide')}", where
    )


def embedded_slides(batch: Batch) -> set[str]:
    """Return the paths of slides that are done and whose features are still in the store.

    Raises
    ------
    BatchError
        The store cannot be read.
    """
    done = {slide.path: batch.record(slide) for slide in filter(batch.is_current, batch.slides)}
    if not done:
        return set()
    try:
        store = FeatureStore(batch.settings.store)
        encoder = _encoder_of(store, batch)
        held = {} if encoder is None else store.slides(encoder)
    except NoFeaturesError:
        return set()
    except FeatureStoreError as error:
        raise BatchError(str(error)) from error
    return {path for path, record in done.items() if record.record.get("slide") in held}


def finish_embedding(batch: Batch) -> None:
    """Have what a batch added be found by searches. Raises BatchError."""
    try:
        store = FeatureStore(batch.settings.store, writes=True)
        encoder = _encoder_of(store, batch)
        if encoder is not None:
            keep_index(store, encoder)
    except FeatureStoreError as error:
        raise BatchError(str(error)) from error


def _encoder_of(store: FeatureStore, batch: Batch) -> Encoder | None:
    return next((each for each in store.encoders() if each.key == batch.settings.key), None)
