"""Where a window keeps what is drawn: the file of a slide alone, or the files of a set."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.sets.opening import open_set
from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage.annotation_paths import annotations_path, unkeyed_paths
from viewer.annotations.storage.home_reader import claim_home
from viewer.annotations.storage.slide_file import open_annotations
from viewer.annotations.storage.store import AnnotationStore, AnnotationStoreError
from viewer.errors import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.sets.annotation_set import AnnotationSet
    from viewer.annotations.sets.records import Sealer
    from viewer.annotations.storage.slide_file import OpenedAnnotations


class SlideFile(msgspec.Struct, frozen=True):
    """The reader's own annotations of a slide alone, in the data folder or beside the slide.

    Attributes
    ----------
    is_beside
        Whether the settings want it beside the slide; what is in the other place is taken along.
    """

    identity: str
    slide: Path | None
    is_beside: bool
    reader: str

    def open(self) -> OpenedAnnotations:
        """Open the file, made when absent; waits for the disk. Raises AnnotationStoreError."""
        try:
            claim_home(self.reader)
            path, former = self._path(self.is_beside), self._path(not self.is_beside)
            unkeyed = unkeyed_paths(self.slide, self.reader)
        except OSError as error:
            raise AnnotationStoreError(
                f"The annotations of this slide cannot be opened ({error}): check the drive of "
                "the data folder."
            ) from error
        return open_annotations(path, former, *unkeyed)

    def reading(self) -> AnnotationStore:
        """Open what is kept to be read alone. Raises AnnotationStoreError, sqlite3.Error."""
        return AnnotationStore(self._kept_path(), read_only=True)

    def kept(self, naming: Sequence[str] = ()) -> Sequence[Annotation]:
        """Return what is kept, of those that hold one of the words of `naming` if there are any.

        [] where there is no file. Raises as `reading`.
        """
        if not self._kept_path().exists():
            return []
        with closing(self.reading()) as store:
            return store.annotations(naming)[0]

    def _path(self, is_beside: bool) -> Path:
        return annotations_path(self.identity, self.slide, beside=is_beside, reader=self.reader)

    def _kept_path(self) -> Path:
        """Return what is read without being opened: it may not be taken along yet."""
        path = self._path(self.is_beside)
        unkeyed = unkeyed_paths(self.slide, self.reader) if self.is_beside else ()
        return path if path.exists() else next(iter(unkeyed), path)


@dataclass(frozen=True, slots=True)
class SetFiles:
    """A set in the folder of a project, or in the data folder.

    Attributes
    ----------
    sealer
        Gives what seals and opens its lines, in worker threads; None leaves them plain.
    why_locked
        Why nothing can be drawn in it here, a sentence; "" where it can.
    """

    which: AnnotationSet
    sealer: Callable[[], Sealer | None] | None = field(default=None, compare=False)
    why_locked: str = ""

    def open(self) -> OpenedAnnotations:
        """Open the set; waits for the disk and the keyring. Raises AnnotationStoreError."""
        return open_set(self.which, self._sealer(), read_only=bool(self.why_locked))

    def reading(self) -> SetStore:
        """Open the set to be read alone. Raises AnnotationStoreError."""
        return SetStore(self.which, self._sealer(), read_only=True)

    def kept(self, naming: Sequence[str] = ()) -> Sequence[Annotation]:
        """Do as `SlideFile.kept`, as far as it is not sealed here. Raises AnnotationStoreError."""
        with closing(self.reading()) as store:
            return store.annotations(naming)[0]

    def _sealer(self) -> Sealer | None:
        try:
            return self.sealer() if self.sealer is not None else None
        except OSError as error:
            raise AnnotationStoreError(
                f"The key of this study cannot be used ({reason_of(error)}): unlock the "
                "keyring and open the slide again."
            ) from error


AnnotationsPlace = SlideFile | SetFiles
