"""A set opened for a window: to be drawn on by its reader, and only looked at by others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage.fallback import take_spilled
from viewer.annotations.storage.slide_file import OpenedAnnotations, opening_notices
from viewer.plurals import plural

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.annotations.sets.annotation_set import AnnotationSet
    from viewer.annotations.sets.records import Sealer


def open_set(
    which: AnnotationSet, sealer: Sealer | None = None, *, read_only: bool = False
) -> OpenedAnnotations:
    """Open a set, made with its first edit; waits for the disk.

    Every process has a file of its own, so several windows can draw on one set.

    Raises
    ------
    AnnotationStoreError
        It cannot be opened; one sentence says why.
    """
    store = SetStore(which, sealer, read_only=read_only)
    try:
        path = _named(which)
        spilled = 0 if read_only else take_spilled(store, path)
        annotations, lost = store.annotations()
    except BaseException:
        store.close()
        raise
    notices = opening_notices("set", lost, spilled)
    if store.sealed_count:
        notices.append(sealed_notice(store.sealed_count))
    lock = None if read_only else _Released()
    return OpenedAnnotations(annotations, store, path, lock, " ".join(notices), can_take_over=False)


class _Released:
    """The right to write is the writer's name, which the store itself gives back."""

    def release(self) -> None:
        """Do nothing."""


def _named(which: AnnotationSet) -> Path:
    """Return a name for the set as a whole, whichever of its files is this process's."""
    return which.files_folder / which.key.file_name


def sealed_notice(count: int) -> str:
    """Return what is said of edits that are sealed."""
    edits = plural(count, "edit of this set is", "edits of this set are")
    them = "it" if count == 1 else "them"
    return f"{edits} sealed: only the owner of the study can read {them}."
