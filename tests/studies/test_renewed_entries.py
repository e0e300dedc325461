"""A changed project is listed as one that is listed for the first time."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec

from viewer.studies.progress import keeping_states, seen_again, seen_by
from viewer.studies.project import STATES, Project, ProjectSlide, changing_slide
from viewer.studies.project_tally import ProjectTally
from viewer.studies.stages import Stage
from viewer.studies.study_reader import StudyReader
from viewer.studies.worklist import (
    Worklist,
    project_entries,
    renewed_entries,
    renewed_worklist,
)

NAMES = [f"S23-{case:02d} A{block} {stain}.svs" for case in (4, 1, 3) for block in (2, 1)
         for stain in ("KI67", "HE")]  # fmt: skip


def _project() -> Project:
    slides = (ProjectSlide(identity=name, path=name) for name in NAMES)
    return Project(slides=tuple(slides))


def test_entries_after_changes_are_those_of_a_new_list() -> None:
    chance = random.Random(3)
    project = _project()
    entries = project_entries(project)
    worklist, tally = Worklist(entries), ProjectTally(project)
    missing = frozenset[str]()
    for _ in range(400):
        before, missing_before = project, missing
        one = chance.choice(project.slides or _project().slides).identity
        match chance.randrange(5):
            case 0:
                project = changing_slide(one, state=chance.choice(("to do", "done")))(project)
            case 1:
                project = changing_slide(one, case=chance.choice(("", "X")))(project)
            case 2:
                slides = tuple(each for each in project.slides if each.identity != one)
                project = msgspec.structs.replace(project, slides=slides)
            case 3:
                project = msgspec.structs.replace(_project(), case_rule=project.case_rule)
            case _:
                rule = chance.choice(("", "none", "{case} {block} {stain}"))
                project = msgspec.structs.replace(project, case_rule=rule)
        if chance.random() < 0.3:
            missing = frozenset(chance.sample(NAMES, 3))
        entries = renewed_entries(entries, before, project, missing)
        assert entries == project_entries(project, missing)
        worklist = renewed_worklist(worklist, before, project, missing_before, missing)
        assert worklist.entries == entries
        assert worklist.keys == [each.key for each in entries]
        assert [worklist.entry(key) for key in worklist.keys] == list(entries)
        tally, anew = tally.followed(project), ProjectTally(project)
        assert (tally.states, tally.people) == (anew.states, anew.people)
        assert project.numbers == {each.identity: n for n, each in enumerate(project.slides)}


def test_what_comes_from_the_file_is_made_of_the_slides_that_are_known() -> None:
    project = _project()
    read = msgspec.convert(msgspec.to_builtins(project), Project)
    assert read.like(project) is project
    changed = changing_slide(NAMES[3], state="done")(read).like(project)
    assert changed == changing_slide(NAMES[3], state="done")(project)
    assert list(changed.changes_since(project) or ()) == [3]
    fewer = msgspec.structs.replace(read, slides=read.slides[1:])
    assert fewer.like(project) is fewer
    assert fewer.changes_since(project) is None
    turned = msgspec.structs.replace(read, slides=read.slides[::-1])
    assert turned.like(project).changes_since(project) is None


def test_a_slide_that_is_listed_twice_is_changed_in_both_places() -> None:
    slides = _project().slides
    project = Project(slides=(*slides, slides[0]))
    changed = changing_slide(NAMES[0], state="done")(project)
    assert [slide.state for slide in changed.slides].count("done") == 2
    worklist = Worklist(project_entries(project))
    renewed = renewed_worklist(worklist, project, changed)
    assert any(each.is_read for each in renewed.entries)


def test_states_are_seen_again_as_they_are_seen_anew(tmp_path: Path) -> None:
    chance = random.Random(5)
    stages = (Stage(name="blind", readers=("Bo",)), Stage(name="open", readers=("Bo",)))
    before = project = msgspec.structs.replace(_project(), stages=stages)
    study, progress = StudyReader(tmp_path, project, "Bo"), dict[Any, Any]()
    seen = seen_by(project, study, progress)
    for _ in range(200):
        one, other = chance.choice(NAMES), chance.choice(NAMES)
        progress["Bo", "blind", one] = chance.choice(STATES)
        change = changing_slide(other, state=chance.choice(STATES), note=str(chance.random()))
        project = keeping_states(change)(project)
        seen = seen_again(seen, before, project, study, progress, [one])
        assert seen == seen_by(project, study, progress)
        assert {slide.state for slide in project.slides} == {"to do"}
        before = project


def test_a_changed_state_leaves_all_other_entries_as_they_are() -> None:
    project = _project()
    entries = project_entries(project)
    changed = changing_slide(NAMES[3], state="done")(project)
    renewed = renewed_entries(entries, project, changed)
    others = [new is old for new, old in zip(renewed, entries, strict=True)]
    assert others.count(False) == 1


def test_the_next_unread_slide_begins_anew_at_the_end() -> None:
    worklist = Worklist(project_entries(_project()))
    last, first = worklist.entries[-1].key, worklist.entries[0]
    assert worklist.next_unread(last, 1) == first
    assert worklist.next_unread(first.key, -1) == worklist.entries[-1]
    only = worklist.entries[2]
    assert worklist.next_unread(last, 1, lambda each: each != only) == only
    assert worklist.next_unread(only.key, 1, lambda each: each != only) is None
