"""Each reader of a study with stages is as far as they are, and not as another."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_steps import invoke

from viewer.studies.progress import (
    PROGRESS_FOLDER,
    keeping_states,
    read_progress,
    seen_by,
    write_progress,
)
from viewer.studies.project import Project, ProjectSlide, changing_slide
from viewer.studies.project_file import create_project
from viewer.studies.stages import Stage
from viewer.studies.study_reader import StudyReader
from viewer.utc import utc_stamp

STAGES = (Stage(name="Blind", hides=("others",)), Stage(name="Open"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))
    slides = tuple(ProjectSlide(identity=key, path=f"{key}.svs", state="done") for key in "abc")
    create_project(tmp_path / "p", Project(slides=slides, stages=STAGES))
    return tmp_path / "p"


def states(project: Project) -> list[str]:
    return [slide.state for slide in project.slides]


def test_readers_have_states_of_their_own_stage_by_stage(folder: Path) -> None:
    project = Project(
        slides=tuple(ProjectSlide(identity=key, path=key) for key in "abc"), stages=STAGES
    )
    write_progress(folder, "Ann", {("Blind", "a"): "done", ("Blind", "b"): "in work"})
    write_progress(folder, "Bo", {("Blind", "a"): "in work", ("Open", "c"): "done"})
    write_progress(folder, "Bo", {("Blind", "a"): "done"})
    progress = read_progress(folder)
    ann, bo = (StudyReader(folder, project, name) for name in ("Ann", "Bo"))
    assert states(seen_by(project, ann, progress)) == ["done", "in work", "to do"]
    assert states(seen_by(project, bo, progress)) == ["done", "to do", "to do"]
    # The owner sees what all have come to: nobody was through the second stage yet.
    owner = StudyReader(folder, project, "Cy", is_owner=True)
    assert states(seen_by(project, owner, progress)) == ["in work", "in work", "in work"]
    assert states(seen_by(project, None, progress)) == ["to do"] * 3
    # A torn line costs itself alone.
    for path in (folder / PROGRESS_FOLDER).iterdir():
        with path.open("ab") as file:
            file.write(b"0badc0de {")
    assert read_progress(folder) == progress


def test_a_clock_that_is_set_back_takes_no_state_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_progress(folder, "Ann", {("Blind", "a"): "in work"})
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    stamp = utc_stamp("milliseconds", an_hour_ago)
    monkeypatch.setattr("viewer.studies.progress.utc_stamp", lambda _precision: stamp)
    write_progress(folder, "Ann", {("Blind", "a"): "done", ("Blind", "b"): "in work"})
    write_progress(folder, "Ann", {("Blind", "b"): "done"})
    assert read_progress(folder) == {("Ann", "Blind", "a"): "done", ("Ann", "Blind", "b"): "done"}


def test_without_stages_the_states_are_those_of_the_project(folder: Path) -> None:
    shared = Project(slides=(ProjectSlide(identity="a", path="a", state="done"),))
    assert seen_by(shared, None, {}) is shared
    change = keeping_states(changing_slide("a", state="to do", note="deeper"))
    after = change(shared)
    assert (after.slides[0].state, after.slides[0].note) == ("done", "deeper")


def test_the_list_tells_how_far_all_are_or_one(folder: Path) -> None:
    write_progress(folder, "Ann", {("Blind", "a"): "done", ("Open", "a"): "done"})

    def listed(*options: str) -> list[str]:
        done = invoke(["projects", "list", str(folder), "--json", *options])
        assert done.exit_code == 0, done.output
        return [slide["state"] for slide in json.loads(done.stdout)["slides"]]

    assert listed() == ["done", "to do", "to do"]
    assert listed("--reader", "Ann") == ["done", "to do", "to do"]
    assert listed("--reader", "Bo") == ["to do"] * 3
    write_progress(folder, "Bo", {("Blind", "b"): "in work"})
    assert listed() == ["in work", "in work", "to do"]
    assert listed("--state", "to do") == ["to do"]
