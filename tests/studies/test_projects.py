"""project.json: read and written with care, by several processes at once."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import forked_programs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from project_steps import make_slide
from small_disks import fill, small_disk

from viewer.annotations.palette import PaletteClass
from viewer.studies.finding import (
    find_slides,
    missing_slides,
    neighborhood,
    project_slides,
    taking_places,
)
from viewer.studies.project import (
    STATES,
    Project,
    ProjectSlide,
    adding_slides,
    beginning_slide,
    changing_slide,
    removing_slides,
    slide_path,
    stored_path,
)
from viewer.studies.project_file import (
    ProjectError,
    change_project,
    create_project,
    is_project,
    read_project,
)


def slide(identity: str, **members: Any) -> ProjectSlide:
    return ProjectSlide(identity=identity, path=f"{identity}.svs", **members)


def raw(folder: Path) -> dict:
    return json.loads((folder / "project.json").read_text())


def test_a_project_is_read_as_it_was_written(tmp_path: Path) -> None:
    project = Project(
        title="Study",
        slides=(slide("a", state="done", note="good"), slide("b")),
        palette=(PaletteClass("Tumor", "#c80000", "T"),),
    )
    create_project(tmp_path / "study", project)
    assert read_project(tmp_path / "study") == project
    assert is_project(tmp_path / "study" / "project.json")
    with pytest.raises(ProjectError, match="already"):
        create_project(tmp_path / "study", Project())
    assert read_project(tmp_path / "study") == project


def test_what_other_versions_wrote_survives(tmp_path: Path) -> None:
    create_project(tmp_path, Project(slides=(slide("a"), slide("b"))))
    told = raw(tmp_path)
    told["cohort"] = {"year": 2031}
    told["slides"][1]["scanner"] = "AT2"
    (tmp_path / "project.json").write_text(json.dumps(told))
    change_project(tmp_path, changing_slide("b", state="done"))
    change_project(tmp_path, removing_slides(["a"]))
    kept = raw(tmp_path)
    assert kept["cohort"] == {"year": 2031}
    assert [each["scanner"] for each in kept["slides"]] == ["AT2"]
    assert kept["slides"][0]["state"] == "done"


def test_opening_begins_a_slide_but_never_takes_back_done() -> None:
    project = Project(slides=(slide("a"), slide("b", state="done")))
    begun = beginning_slide("b")(beginning_slide("a")(project))
    assert [each.state for each in begun.slides] == ["in work", "done"]
    assert beginning_slide("gone")(begun) == begun


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"format": "coverslip project", "slides": [', "is damaged"),
        ('{"format": "coverslip project", "slides": [{"path": "a"}]}', "is damaged"),
        ('{"version": "0.5", "images": []}', "is none of Coverslip's"),
        ("[1]", "is damaged"),
        ("\x00\x00", "is damaged"),
    ],
)
def test_a_bad_file_is_one_sentence_and_a_copy_is_kept(
    tmp_path: Path, content: str, reason: str
) -> None:
    (tmp_path / "project.json").write_text(content)
    for act in (read_project, lambda folder: change_project(folder, removing_slides(["a"]))):
        with pytest.raises(ProjectError, match=reason) as caught:
            act(tmp_path)
        assert str(caught.value).endswith(".")
        assert "\n" not in str(caught.value)
    assert (tmp_path / "project.json").read_text() == content
    assert (tmp_path / "project.damaged.json").read_text() == content


def test_a_damaged_file_names_the_state_before_the_last_change(tmp_path: Path) -> None:
    create_project(tmp_path, Project(slides=(slide("a"),)))
    change_project(tmp_path, changing_slide("a", state="done"))
    (tmp_path / "project.json").write_bytes(b'{"format": "coversl')
    with pytest.raises(ProjectError, match=r"rename project\.previous\.json"):
        read_project(tmp_path)
    shutil.copy(tmp_path / "project.previous.json", tmp_path / "project.json")
    assert read_project(tmp_path).slides == (slide("a"),)


def test_a_full_disk_spoils_no_damaged_file_that_was_kept_before(tmp_path: Path) -> None:
    with small_disk(tmp_path, "1m") as disk:
        create_project(disk, Project())
        (disk / "project.damaged.json").write_bytes(b"kept before" * 2000)
        (disk / "project.json").write_bytes(b"torn" * 20_000)
        fill(disk)
        with pytest.raises(ProjectError, match="no copy of it can be kept"):
            read_project(disk)
        assert (disk / "project.damaged.json").read_bytes() == b"kept before" * 2000


def test_a_newer_project_is_left_alone(tmp_path: Path) -> None:
    create_project(tmp_path, Project())
    (tmp_path / "project.json").write_text(json.dumps(raw(tmp_path) | {"version": 9}))
    with pytest.raises(ProjectError, match="newer"):
        change_project(tmp_path, adding_slides([slide("a")]))
    assert raw(tmp_path)["version"] == 9


def test_there_is_no_project(tmp_path: Path) -> None:
    for act in (read_project, lambda folder: change_project(folder, lambda project: project)):
        with pytest.raises(ProjectError, match="no project"):
            act(tmp_path / "nowhere")


_CHANGING = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from viewer.studies.project import ProjectSlide, adding_slides, changing_slide
    from viewer.studies.project_file import change_project
    folder, who = Path(sys.argv[1]), sys.argv[2]
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for number in range(40):
        new = ProjectSlide(identity=f"{who}{number}", path=f"{who}{number}.svs")
        change_project(folder, adding_slides([new]))
        change_project(folder, changing_slide(f"common{number}", **{sys.argv[3]: who}))
    """
)


def test_two_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    create_project(tmp_path, Project(slides=tuple(slide(f"common{n}") for n in range(40))))
    children = [
        forked_programs.Popen(
            [sys.executable, "-c", _CHANGING, str(tmp_path), who, member],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for who, member in (("anna", "assignee"), ("bela", "note"))
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    project = read_project(tmp_path)
    identities = {each.identity for each in project.slides}
    assert identities == {f"{who}{n}" for who in ("common", "anna", "bela") for n in range(40)}
    for number in range(40):
        common = project.slide(f"common{number}")
        assert common is not None
        assert (common.assignee, common.note) == ("anna", "bela")


_identities = st.sampled_from("abcde")
_changes = st.one_of(
    st.builds(lambda i: adding_slides([slide(i)]), _identities),
    st.builds(lambda i: removing_slides([i]), _identities),
    st.builds(lambda i, s: changing_slide(i, state=s), _identities, st.sampled_from(STATES)),
    st.builds(lambda i, s: changing_slide(i, note=s), _identities, st.text(max_size=8)),
    st.builds(beginning_slide, _identities),
)


@given(st.lists(_changes, max_size=20))
def test_any_changes_on_the_disk_are_those_in_memory(
    tmp_path_factory: pytest.TempPathFactory, changes: list
) -> None:
    folder = tmp_path_factory.mktemp("project")
    expected = create_project(folder, Project())
    for change in changes:
        expected = change(expected)
        assert change_project(folder, change) == expected
    assert read_project(folder) == expected
    assert len({each.identity for each in expected.slides}) == len(expected.slides)


def test_paths_are_kept_so_that_project_and_slides_move_together(tmp_path: Path) -> None:
    folder = tmp_path / "study" / "project"
    for inside, told in (
        (folder / "slides" / "a.svs", "slides/a.svs"),
        (tmp_path / "study" / "b.svs", "../b.svs"),
    ):
        assert stored_path(inside, folder) == told
        assert slide_path(slide("a").__class__(identity="a", path=told), folder) == inside
    elsewhere = tmp_path / "archive" / "c.svs"
    assert stored_path(elsewhere, folder) == elsewhere.as_posix()


def test_moved_slides_are_found_by_identity(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    paths = [make_slide(folder / "in" / f"{n}.png", n) for n in range(3)]
    refused: list[str] = []
    (folder / "in" / "bad.svs").write_text("no slide")
    slides = list(project_slides([folder / "in"], folder, refused))
    assert len(refused) == 1
    assert [each.path for each in slides] == [f"in/{n}.png" for n in range(3)]
    project = create_project(folder, Project(slides=tuple(slides)))
    assert missing_slides(project, folder) == []

    moved = folder / "sorted" / "later" / "0.png"
    moved.parent.mkdir(parents=True)
    paths[0].rename(moved)
    renamed = folder / "other name.png"
    paths[1].rename(renamed)
    far = make_slide(tmp_path.parent / f"{tmp_path.name}-archive" / "x.png", 9)
    paths[2].rename(far)
    # One of the same name that is another slide is not taken for it.
    make_slide(folder / "0.png", 17)
    missing = missing_slides(project, folder)
    assert [each.name for each in missing] == ["0.png", "1.png", "2.png"]
    found = find_slides(missing, neighborhood(folder))
    assert found == {slides[0].identity: moved, slides[1].identity: renamed}
    found |= find_slides(missing[2:], [far.parent])
    after = change_project(folder, taking_places(found, folder))
    assert missing_slides(after, folder) == []
    assert [each.path for each in after.slides[:2]] == ["sorted/later/0.png", "other name.png"]
    assert msgspec.structs.replace(after.slides[2], path="") == msgspec.structs.replace(
        slides[2], path=""
    )


def test_a_folder_moved_with_its_slides_needs_no_search(tmp_path: Path) -> None:
    make_slide(tmp_path / "a" / "slides" / "1.png", 1)
    slides = project_slides([tmp_path / "a" / "slides"], tmp_path / "a", [])
    project = create_project(tmp_path / "a", Project(slides=tuple(slides)))
    (tmp_path / "a").rename(tmp_path / "b")
    assert missing_slides(project, tmp_path / "b") == []
