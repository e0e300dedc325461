"""The annotations of several sets in one list, each of which says where it is from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.sets.annotation_set import SetKey

SET, READER = "Set", "Reader"
"""Members of the metadata that tell the sets apart that share a list."""


def together(sets: Sequence[tuple[SetKey, Iterable[Annotation]]]) -> list[Annotation]:
    """Return all annotations of sets; where there are several, each with its set and reader."""
    if len(sets) == 1:
        return list(sets[0][1])
    return [
        annotation.noted(SET, key.name).noted(READER, key.reader)
        for key, annotations in sets
        for annotation in annotations
    ]
