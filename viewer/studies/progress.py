"""How far each reader of a study with stages is: each has states of their own for its slides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.sets.annotation_set import SUFFIX, SetKey
from viewer.device import WriterName
from viewer.kept_lines import append_lines, read_bodies
from viewer.studies.project import SlideState
from viewer.studies.stages import stages_of
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from viewer.studies.project import Change, Project
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
    decode = msgspec.json.Decoder(_ProgressLine).decode
    found: list[_ProgressLine] = []
    place = folder / PROGRESS_FOLDER
    for path in sorted(place.iterdir()) if place.is_dir() else []:
        for body in read_bodies(path):
            try:
                found.append(decode(body))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
    found.sort(key=lambda each: each.at_utc)
    return {(each.reader, each.stage, each.identity): each.state for each in found}


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
    slides = tuple(
        msgspec.structs.replace(slide, state=_state(project, study, progress, slide.identity))
        for slide in project.slides
    )
    return msgspec.structs.replace(project, slides=slides)


def keeping_states(change: Change) -> Change:
    """Return a change without what it does to the states of slides, which are each reader's."""

    def without(project: Project) -> Project:
        states = {slide.identity: slide.state for slide in project.slides}
        after = change(project)
        slides = tuple(
            msgspec.structs.replace(slide, state=states.get(slide.identity, slide.state))
            for slide in after.slides
        )
        return msgspec.structs.replace(after, slides=slides)

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
