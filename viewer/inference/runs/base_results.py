"""Results of a base model, given the classes of a model that was taught on what it finds."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING

from msgspec.structs import replace

from viewer.inference.runs.kept_results import kept_blocks
from viewer.inference.teaching.errors import TeachingError
from viewer.inference.teaching.object_teacher import ObjectTeacher
from viewer.inference.teaching.taught_bundles import base_of
from viewer.overlays.objects import Objects, ObjectsError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from viewer.inference.models.bundle import ModelBundle
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.result_store import StoreAbout

_log = logging.getLogger(__name__)


def results_of_base(
    bundle: ModelBundle, about: StoreAbout, known: Container[BlockKey]
) -> Iterator[tuple[BlockKey, bytes, str]]:
    """Yield the blocks that the base of a taught model found already, with their taught classes.

    Each comes as `Objects.to_bytes` gives it, with what made it.

    So nothing is found anew on a slide on which it was taught. What cannot be used is passed over:
    it is then found anew.

    Parameters
    ----------
    about
        Of the results of the taught model, with whatever they are kept apart by.
    known
        Blocks that are not asked for.
    """
    taught = bundle.description.taught
    if taught is None:
        return
    base = base_of(bundle)
    model = about.model.replace(bundle.key, base.key, 1)
    with closing(ObjectTeacher()) as teacher:
        for key, data, made_on in kept_blocks(replace(about, model=model)):
            if key in known:
                continue
            try:
                objects = Objects.from_bytes(data)
                if len(objects):
                    objects = teacher.reclassified(taught, objects)
            except TeachingError as error:  # true of all of them
                _log.info("blocks of %s are found anew (%s)", base.name, error)
                return
            except ObjectsError as error:
                _log.warning("a block of %s is found anew (%s)", base.name, error)
                continue
            yield key, objects.to_bytes(), made_on
