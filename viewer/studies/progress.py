"""How far each reader of a study with stages is: each has states of their own for its slides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.sets.annotation_set import SUFFIX, SetKey
from viewer.device import WriterName
from viewer.files.kept_lines import append_lines, read_bodies
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.studies.project import SlideState
from viewer.studies.stages import stages_of
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from viewer.studies.project import Change, Project, ProjectSlide
    from viewer.studies.study_reader import StudyReader

PROGRESS_FOLDER = "progress"

Progress = dict[tuple[str, str, str], SlideState]
"""The last state by reader, stage and identity of the slide; "to do" where there is none."""


class _ProgressLine(msgspec.Struct, frozen=True, kw_only=True):
    reader: str
    stage: str
    identity: str
    state: SlideState
    at_utc: str


def read_progress(folder: Path) -> Progress:
    """Return how far all readers of a project are, from all machines. Raises OSError."""
    decode = msgspec.json.Decoder(prepared(_ProgressLine)).decode
    found: list[tuple[str, _ProgressLine]] = []
    place = folder / PROGRESS_FOLDER
    for path in sorted(place.iterdir()) if place.is_dir() else []:
        at_utc = ""
        for body in read_bodies(path):
            try:
                line = decode(body)
            except DECODE_ERRORS:
                continue
            at_utc = max(at_utc, line.at_utc)  # a clock that was set back changes no order
            found.append((at_utc, line))
    found.sort(key=lambda pair: pair[0])
    return {(each.reader, each.stage, each.identity): each.state for _, each in found}


def write_progress(folder: Path, reader: str, states: Mapping[tuple[str, str], SlideState]) -> None:
    """Keep a reader's states, by stage and slide; on the disk when this returns. Raises OSError."""
    prefix = SetKey(reader, PROGRESS_FOLDER).file_name
    now = utc_stamp("milliseconds")
    lines = [
        _ProgressLine(reader=reader, stage=stage, identity=identity, state=state, at_utc=now)
        for (stage, identity), state in states.items()
    ]
    writer = WriterName(f"{PROGRESS_FOLDER}~{prefix}")
    try:
        path = folder / PROGRESS_FOLDER / f"{prefix}{writer.name}{SUFFIX}"
        append_lines(path, [msgspec.json.encode(line) for line in lines])
    finally:
        writer.release()


def seen_by(project: Project, study: StudyReader | None, progress: Progress) -> Project:
    """Return a project with the states of its slides as a reader has them.

    Without stages all share the states in the project. The owner of a study, and everybody once it
    is unsealed, sees what its readers have come to together; nothing is told while the reader is
    not known.
    """
    if not project.stages:
        return project
    return _with_states(project, study, progress, range(len(project.slides)))


def seen_again(
    seen: Project,
    before: Project,
    project: Project,
    study: StudyReader | None,
    progress: Progress,
    moved: Iterable[str],
) -> Project:
    """Return `seen_by` of a project of which something is known; only changes are looked at.

    Parameters
    ----------
    seen, before
        How the project `before` was seen.
    moved
        Identities of slides on which the reader came further since.
    """
    changed = project.changes_since(before)
    if changed is None or not project.stages:
        return seen_by(project, study, progress)
    numbers = {*changed, *(n for each in moved if (n := project.numbers.get(each)) is not None)}
    slides = list(seen.slides)
    for number in numbers:
        slides[number] = project.slides[number]
    return _with_states(project.with_slides(tuple(slides)), study, progress, numbers)


def _with_states(
    project: Project, study: StudyReader | None, progress: Progress, numbers: Iterable[int]
) -> Project:
    changed: dict[int, ProjectSlide] = {}
    for number in numbers:
        slide = project.slides[number]
        state = _state(project, study, progress, slide.identity)
        if state != slide.state:
            changed[number] = msgspec.structs.replace(slide, state=state)
    return project.with_changed(changed)


def keeping_states(change: Change) -> Change:
    """Return a change without what it does to the states of slides, which are each reader's."""

    def without(project: Project) -> Project:
        after = change(project)
        changed = after.changes_since(project)
        numbers = range(len(after.slides)) if changed is None else changed
        kept: dict[int, ProjectSlide] = {}
        for number in numbers:
            slide = after.slides[number]
            before = project.numbers.get(slide.identity)
            if before is not None and (state := project.slides[before].state) != slide.state:
                kept[number] = msgspec.structs.replace(slide, state=state)
        return after.with_changed(kept) if kept else after

    return without


def together(project: Project, progress: Progress, identity: str) -> SlideState:
    """Return how far all readers are on a slide: done once each of them is, in each stage."""
    readers = {reader for reader, _, _ in progress}
    readers |= {name for stage in project.stages for name in stage.readers}
    states = [
        progress.get((reader, stage.name, identity), "to do")
        for reader in readers
        for stage in stages_of(project, reader)
    ]
    if states and all(state == "done" for state in states):
        return "done"
    return "in work" if any(state != "to do" for state in states) else "to do"


def _state(
    project: Project, study: StudyReader | None, progress: Progress, identity: str
) -> SlideState:
    if study is None:
        return "to do"
    view = study.view(identity)
    if not view.stage:
        return together(project, progress, identity)
    return progress.get((study.reader, view.stage, identity), "to do")
