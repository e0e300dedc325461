"""The consensus of a project's readers, kept as a set of annotations a slide."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.consensus import consensus, majority
from viewer.annotations.document import adding, removing
from viewer.annotations.sets.annotation_set import MY_ANNOTATIONS, AnnotationSet, SetKey
from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage.store import Stamped
from viewer.plurals import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.annotations.annotation import Annotation
    from viewer.studies.study_reader import StudyReader

CONSENSUS = "Consensus"
_LABEL = "Consensus"


class SlideConsensus(msgspec.Struct, frozen=True):
    """What was made of the sets of one slide; `which` is the set that holds it."""

    which: AnnotationSet
    readers: tuple[str, ...]
    annotations: tuple[Annotation, ...]
    sealed: int = 0


def make_consensus(
    reader: StudyReader, identity: str, set_name: str = MY_ANNOTATIONS, needed: int = 0
) -> SlideConsensus | None:
    """Make the consensus of a slide, in place of the one that was made before.

    Parameters
    ----------
    reader
        Who asks: only sets that this reader may see count, and the consensus is theirs.
    set_name
        Which set of each reader counts; the one of the latest stage where there are several.
    needed
        Votes that an object needs; by default more than half of the readers.

    Returns
    -------
    SlideConsensus or None
        None where fewer than two readers have such a set.

    Raises
    ------
    AnnotationStoreError, OSError
        A set cannot be read or written.
    """
    view = reader.view(identity)
    sealer = reader.sealer(view)
    sets = _latest(reader, identity, set_name)
    if len(sets) < 2:
        return None
    drawn: list[Sequence[Annotation]] = []
    sealed = 0
    for which in sets:
        store = SetStore(which, sealer, read_only=True)
        drawn.append(store.annotations()[0])
        sealed += store.sealed_count
    readers = tuple(each.key.reader for each in sets)
    votes = needed or majority(len(sets))
    found = consensus(drawn, votes)
    source = f"{votes} of {plural(len(sets), 'reader')}"
    key = SetKey(reader.reader, CONSENSUS, view.stage)
    which = AnnotationSet(reader.folder, identity, key, "merged", source)
    _replace(which, reader, found)
    return SlideConsensus(which, readers, tuple(found), sealed)


def _replace(which: AnnotationSet, reader: StudyReader, found: Sequence[Annotation]) -> None:
    store = SetStore(which, reader.sealer(reader.view(which.identity)))
    try:
        before, _ = store.annotations()
        signed = [each.signed(reader.reader) for each in found]
        edits = [removing(_LABEL, before), adding(_LABEL, signed)]
        store.write([Stamped.now(edit, reader.reader) for edit in edits if edit.changes])
    finally:
        store.close()


def _latest(reader: StudyReader, identity: str, set_name: str) -> list[AnnotationSet]:
    """Return a set a reader: of the last of the stages of which there is one."""
    ranks = {stage.name: rank for rank, stage in enumerate(reader.project.stages, 1)}
    by_reader: dict[str, list[AnnotationSet]] = defaultdict(list)
    for each in reader.sets(identity):
        if each.key.name == set_name and each.kind in ("drawn", "imported"):
            by_reader[each.key.reader].append(each)
    return [
        max(sets, key=lambda each: ranks.get(each.key.stage, 0))
        for _, sets in sorted(by_reader.items())
    ]
