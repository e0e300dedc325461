"""A changed project is listed as one that is listed for the first time."""

from __future__ import annotations

import random

import msgspec

from viewer.studies.project import Project, ProjectSlide, changing_slide
from viewer.studies.worklist import Worklist, project_entries, renewed_entries

NAMES = [f"S23-{case:02d} A{block} {stain}.svs" for case in (4, 1, 3) for block in (2, 1)
         for stain in ("KI67", "HE")]  # fmt: skip


def _project() -> Project:
    slides = (ProjectSlide(identity=name, path=name) for name in NAMES)
    return Project(slides=tuple(slides))


def test_entries_after_changes_are_those_of_a_new_list() -> None:
    chance = random.Random(3)
    project = _project()
    entries = project_entries(project)
    for _ in range(200):
        before = project
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
        missing = frozenset(chance.sample(NAMES, 3))
        entries = renewed_entries(entries, before, project, missing)
        assert entries == project_entries(project, missing)


def test_a_changed_state_leaves_all_other_entries_as_they_are() -> None:
    project = _project()
    entries = project_entries(project)
    changed = changing_slide(NAMES[3], state="done")(project)
    renewed = renewed_entries(entries, project, changed)
    others = [new is old for new, old in zip(renewed, entries, strict=True)]
    assert others.count(False) == 1


def test_the_next_unread_slide_begins_anew_at_the_end() -> None:
    worklist = Worklist(project_entries(_project()), is_grouped=True)
    last, first = worklist.entries[-1].key, worklist.entries[0]
    assert worklist.next_unread(last, 1) == first
    assert worklist.next_unread(first.key, -1) == worklist.entries[-1]
    only = worklist.entries[2]
    assert worklist.next_unread(last, 1, lambda each: each != only) == only
    assert worklist.next_unread(only.key, 1, lambda each: each != only) is None
