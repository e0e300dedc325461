"""The sets of annotations that a reader has of one slide: alone, or as a slide of a project."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from viewer.annotations.sets.annotation_set import (
    MY_ANNOTATIONS,
    AnnotationSet,
    SetKey,
    SetKind,
)
from viewer.annotations.sets.listing import sets_of_slide
from viewer.annotations.sets.places import AnnotationsPlace, SetFiles, SlideFile
from viewer.annotations.storage.home_reader import is_home_reader
from viewer.folders import data_folder

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.studies.stages import ReaderView
    from viewer.studies.study_reader import StudyReader


class ReaderSet(msgspec.Struct, frozen=True):
    """A set as the window lists it.

    Attributes
    ----------
    place
        Where it is kept.
    label
        What it is called in lists, such as "My annotations" or "B: My annotations".
    is_shown
        Whether it is shown without being asked for.
    """

    which: AnnotationSet
    place: AnnotationsPlace
    label: str
    is_shown: bool = False

    @property
    def why_locked(self) -> str:
        """Return why nothing can be drawn in it, a sentence; "" where it can."""
        return self.place.why_locked if isinstance(self.place, SetFiles) else ""


@dataclass(frozen=True, slots=True)
class ReaderSlide:
    """A slide as one reader has it before them.

    Attributes
    ----------
    identity
        The slide's content key.
    is_beside
        Whether annotations of slides alone are kept beside them.
    study
        Of the project that the slide is read for; None for the slide alone.
    project_identity
        What the project calls the slide.
    """

    identity: str
    path: Path | None
    is_beside: bool
    reader: str
    study: StudyReader | None = field(default=None, compare=False)
    project_identity: str = ""

    @property
    def state(self) -> tuple[object, ...]:
        """Return all that decides which sets there are: those of two equal states are the same."""
        if self.study is None:
            return (self,)
        project = self.study.project
        return (
            self, self.study.folder, self.view, self.study.is_owner, project.id,
            project.owner_key, project.unsealed_utc, project.keeps_sets, project.renames,
        )  # fmt: skip

    @property
    def view(self) -> ReaderView | None:
        """Return what the study shows of the slide; None for the slide alone."""
        return self.study.view(self.project_identity) if self.study is not None else None

    @property
    def own(self) -> ReaderSet:
        """Return the set that strokes go to first. Asks no disk."""
        view = self.view
        if self.study is None or view is None:
            return self._alone(MY_ANNOTATIONS)
        renames = self.study.project.renames
        identity, folder = self.project_identity, self.study.folder
        return self._listed(AnnotationSet(folder, identity, view.own, renames=renames), view)

    def new(self, name: str, kind: SetKind, source: str) -> ReaderSet:
        """Return a set of the reader's own by its name, which need not exist yet."""
        view = self.view
        if self.study is None or view is None:
            key = SetKey(self.reader, name)
            return self._listed(
                AnnotationSet(data_folder(), self.identity, key, kind, source), None
            )
        key = replace(view.own, name=name)
        which = AnnotationSet(
            self.study.folder, self.project_identity, key, kind, source, self.study.project.renames
        )
        return self._listed(which, view)

    def sets(self) -> list[ReaderSet]:
        """Return all sets that the reader may see, the own one first; asks the disk.

        Raises OSError.
        """
        own = self.own
        found = [own]
        view = self.view
        if self.study is not None and view is not None:
            found += [
                self._listed(each, view)
                for each in self.study.sets(self.project_identity)
                if each.key != own.which.key
            ]
            if "earlier" in view.hides:
                return found
            is_of_old = not self.study.project.keeps_sets
            alone = self._alone(f"{MY_ANNOTATIONS} of the slide alone")
            found.append(replace(alone, is_shown=is_of_old))
        # What was drawn before the reader had a name is the first reader's too.
        readers = (self.reader, "") if is_home_reader(self.reader) else (self.reader,)
        found += [
            self._listed(each, view, is_alone=view is not None)
            for each in sets_of_slide(data_folder(), self.identity)
            if each.key.reader in readers
            and not (view is not None and "ai" in view.hides and each.kind in ("agent", "model"))
        ]
        return found

    def _alone(self, label: str) -> ReaderSet:
        which = AnnotationSet(data_folder(), self.identity, SetKey(self.reader))
        place = SlideFile(self.identity, self.path, self.is_beside, self.reader)
        return ReaderSet(which, place, label, is_shown=True)

    def _listed(
        self, which: AnnotationSet, view: ReaderView | None, *, is_alone: bool = False
    ) -> ReaderSet:
        key = which.key
        is_own = key.reader == self.reader or which.folder == data_folder()
        is_now = view is None or key.stage == view.stage
        label = key.name if is_own else f"{key.reader or 'Nobody'}: {key.name}"
        if not is_now and key.stage:
            label += f" ({key.stage})"
        if is_alone:
            label += " (of the slide alone)"
        locked = ""
        if not is_own:
            locked = f"This set belongs to {key.reader or 'nobody'}: copy it to change it."
        elif not is_now and not is_alone:
            locked = f'The stage "{key.stage}" is ended: copy the set to change it.'
        elif view is not None and view.is_over:
            locked = "You have ended the study: nothing can be changed."
        is_shown = is_own and is_now and not is_alone and which.kind in _SHOWN_AT_ONCE
        study = self.study
        sealer = None
        if study is not None and view is not None and not is_alone:
            sealer = lambda: study.sealer(view)  # noqa: E731
        return ReaderSet(which, SetFiles(which, sealer, locked), label, is_shown)


_SHOWN_AT_ONCE: tuple[SetKind, ...] = ("drawn", "imported", "merged")
"""What agents and models made is shown when it is asked for."""
