"""What one reader of a project sees at this moment: the sets of its slides, and with which keys."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.sets.annotation_set import NO_READER
from viewer.annotations.sets.listing import all_sets, sets_of_slide
from viewer.studies.stages import ReaderView, read_stage_ends, view_of
from viewer.studies.study_keys import forget_stage_keys, opener_of, owner_key, sealer_of

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.annotations.sets.annotation_set import AnnotationSet
    from viewer.studies.answers import AnswerRecord
    from viewer.studies.project import Project
    from viewer.studies.stages import StageEnd
    from viewer.studies.study_keys import StudySealer

_log = logging.getLogger(__name__)


class StudyReader(msgspec.Struct, frozen=True):
    """A reader of a project, as `study_reader` finds it on the disk."""

    folder: Path
    project: Project
    reader: str
    ends: tuple[StageEnd, ...] = ()
    is_owner: bool = False

    @property
    def sealed_sentence(self) -> str:
        """Return what an export leaves out because it is sealed from the reader; "" for nothing."""
        if self.is_owner or not self.project.owner_key or self.project.unsealed_utc:
            return ""
        return "What is sealed from you is left out: the owner of the study exports all."

    def view(self, identity: str) -> ReaderView:
        """Return what the reader sees of a slide, which the project may know by another name."""
        return view_of(self.project, self.reader, self.ends, identity, is_owner=self.is_owner)

    def sealer(self, view: ReaderView) -> StudySealer | None:
        """Return what seals and opens lines; None where nothing is sealed. Raises OSError."""
        return sealer_of(self.project, view)

    def sets(self, identity: str) -> list[AnnotationSet]:
        """Return the sets of a slide that the reader may see. Raises OSError."""
        view = self.view(identity)
        found = sets_of_slide(self.folder, identity)
        return [self._named(each) for each in found if view.shows(each)]

    def all_sets(self) -> list[AnnotationSet]:
        """Return the sets of all slides that the reader may see. Raises OSError."""
        found = all_sets(self.folder)
        return [self._named(each) for each in found if self.view(each.identity).shows(each)]

    def forget_ended_keys(self) -> None:
        """Forget the keys of stages that the reader ended, here or on another machine.

        Raises OSError.
        """
        ended = {each.identity for each in self.ends}
        if not self.project.is_by_slide:
            ended &= {""}  # one key opens all slides
        elif "" in ended:
            ended.update(slide.identity for slide in self.project.slides)
        for identity in ended:
            forget_stage_keys(self.project, self.view(identity))

    def _named(self, which: AnnotationSet) -> AnnotationSet:
        """Return a set whose classes are called as the project calls them now."""
        return replace(which, renames=self.project.renames)

    def sealer_of_answers(self, _reader: str = "") -> StudySealer | None:
        """Return what opens answers, of whichever stage this reader may see. Raises OSError."""
        slides = [slide.identity for slide in self.project.slides]
        return opener_of(self.project, (self.view(each) for each in ("", *slides)))

    def shows_answer(self, given: AnswerRecord) -> bool:
        """Return whether the reader may see an answer."""
        view = self.view(given.identity)
        if given.reader != (self.reader or NO_READER):
            return "others" not in view.hides
        return given.stage == view.stage or "earlier" not in view.hides


def study_reader(folder: Path, project: Project, reader: str) -> StudyReader:
    """Return what a reader may see in a project; waits for the disk and the keyring.

    Keys of stages that the reader ended, be it on another machine, are forgotten. Raises OSError.
    """
    if not project.stages:
        return StudyReader(folder, project, reader)
    is_owner = owner_key(project, reader) is not None
    found = StudyReader(folder, project, reader, read_stage_ends(folder, reader), is_owner)
    try:
        found.forget_ended_keys()
    except OSError as error:  # what is hidden is not shown anyway
        _log.warning("the key of a stage that ended stays here for now (%s)", error)
    return found
