"""What a reader of a study sees, stage by stage: others' sets, AI, names, labels, earlier work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from viewer.annotations.sets.annotation_set import SUFFIX, SetKey
from viewer.device import WriterName
from viewer.files.kept_lines import append_lines, read_bodies
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from viewer.annotations.sets.annotation_set import AnnotationSet
    from viewer.studies.project import Project

Hidden = Literal["others", "ai", "names", "labels", "earlier"]
"""Other readers' sets and answers; models, agents and what they made; names of slides; pictures of
their labels; what the reader did in earlier stages, and elsewhere."""
HIDDEN: tuple[Hidden, ...] = get_args(Hidden)
HIDDEN_TEXTS: dict[Hidden, str] = {
    "others": "other readers' annotations and answers",
    "ai": "models, agents and their results",
    "names": "names of slides",
    "labels": "labels of slides",
    "earlier": "the reader's earlier annotations, answers and sessions",
}
STAGES_FOLDER = "stages"


class Stage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One pass through the slides, or one look at each.

    Attributes
    ----------
    hides
        What a reader does not see until the stage is ended.
    readers
        Who has this stage, by pseudonym; empty for everybody.
    """

    name: str
    hides: tuple[Hidden, ...] = ()
    readers: tuple[str, ...] = ()


class StageEnd(msgspec.Struct, frozen=True, kw_only=True):
    """A reader ended a stage; `identity` of the slide where stages are ended slide by slide."""

    reader: str
    stage: str
    identity: str = ""
    ended_utc: str


class ReaderView(msgspec.Struct, frozen=True):
    """Where a reader is in a study on a slide, and what is hidden from that reader there.

    Attributes
    ----------
    stage
        The stage's name; "" outside of a study with stages.
    earlier
        Names of the stages that the reader ended before.
    is_over
        Whether the reader ended the last stage: what it hides stays hidden, and nothing is added.
    slide
        Whose stage it is where stages end slide by slide; "" where they end for all slides.
    """

    reader: str = ""
    stage: str = ""
    hides: frozenset[Hidden] = frozenset()
    earlier: tuple[str, ...] = ()
    is_over: bool = False
    slide: str = ""

    def shows(self, which: AnnotationSet) -> bool:
        """Return whether the reader may see a set of the study."""
        key, hides = which.key, self.hides
        if which.kind in ("agent", "model") and "ai" in hides:
            return False
        if key.reader != self.reader:
            return "others" not in hides
        return key.stage == self.stage or "earlier" not in hides

    @property
    def own(self) -> SetKey:
        """Return the set that the reader's strokes go to first."""
        return SetKey(self.reader, stage=self.stage)


def stages_of(project: Project, reader: str) -> tuple[Stage, ...]:
    """Return the stages that a reader has, in their order."""
    return tuple(each for each in project.stages if not each.readers or reader in each.readers)


def view_of(
    project: Project, reader: str, ends: Iterable[StageEnd], identity: str, *, is_owner: bool
) -> ReaderView:
    """Return what a reader sees of a slide of a study.

    Parameters
    ----------
    identity
        Of the slide, as the project names it.
    is_owner
        Whether the reader owns the study: nothing is hidden then, nor once it is unsealed.
    """
    if is_owner or project.unsealed_utc:
        return ReaderView(reader)
    stages = stages_of(project, reader)
    if not stages:
        # Somebody whom the study does not name is no less blind than any of its readers.
        everything = frozenset[Hidden](each for stage in project.stages for each in stage.hides)
        return ReaderView(reader, hides=everything, is_over=bool(project.stages))
    ended = {each.stage for each in ends if each.identity in ("", identity)}
    left = [each for each in stages if each.name not in ended]
    now = left[0] if left else stages[-1]
    before = tuple(each.name for each in stages if each.name in ended and each is not now)
    slide = identity if project.is_by_slide else ""
    return ReaderView(reader, now.name, frozenset(now.hides), before, not left, slide)


def read_stage_ends(folder: Path, reader: str | None = None) -> tuple[StageEnd, ...]:
    """Return which stages a reader, or every reader, ended on all machines. Raises OSError."""
    decode = msgspec.json.Decoder(prepared(StageEnd)).decode
    found: dict[StageEnd, None] = {}
    prefix = "" if reader is None else _prefix(reader)
    place = folder / STAGES_FOLDER
    for path in sorted(place.iterdir()) if place.is_dir() else []:
        if not path.name.startswith(prefix):
            continue
        for body in read_bodies(path):
            try:
                found[decode(body)] = None
            except DECODE_ERRORS:
                continue
    return tuple(each for each in found if reader in (None, each.reader))


def write_stage_end(folder: Path, reader: str, stage: str, identity: str = "") -> StageEnd:
    """Note that a reader ended a stage; on the disk when this returns. Raises OSError."""
    now = utc_stamp("milliseconds")
    end = StageEnd(reader=reader, stage=stage, identity=identity, ended_utc=now)
    writer = WriterName(f"{STAGES_FOLDER}~{_prefix(reader)}")
    try:
        path = folder / STAGES_FOLDER / f"{_prefix(reader)}{writer.name}{SUFFIX}"
        append_lines(path, [msgspec.json.encode(end)])
    finally:
        writer.release()
    return end


def _prefix(reader: str) -> str:
    """Tell readers apart whose names differ in case alone, or only after many characters."""
    return SetKey(reader, STAGES_FOLDER).file_name
