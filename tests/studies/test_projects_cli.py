"""`coverslip projects` as a study's script runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli_steps import coverslip
from project_steps import FORM, make_slide, write_forms

from viewer.studies.answers import AnswerFile, keep_answers
from viewer.studies.project import changing_slide
from viewer.studies.project_file import change_project, read_project


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A project of two slides with a form."""
    for number in (1, 2):
        make_slide(tmp_path / "slides" / f"{number}.png", number)
    write_forms(tmp_path / "forms.json", FORM)
    made = coverslip(
        "projects", "create", "study", "slides", "--forms", "forms.json", "--json", folder=tmp_path
    )
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert (told["slides"], told["added"], told["forms"]) == (2, 2, 1)
    return tmp_path / "study"


def test_slides_are_added_once_and_listed(study: Path) -> None:
    (study.parent / "bad.svs").write_text("no slide")
    make_slide(study.parent / "3.png", 3)
    shutil.copyfile(study.parent / "slides" / "2.png", study.parent / "copy.png")
    more = coverslip(
        "projects", "add", "study", "slides/1.png", "3.png", "bad.svs", "copy.png", "--json",
        folder=study.parent,
    )  # fmt: skip
    assert more.returncode == 1
    assert json.loads(more.stdout)["added"] == 1
    assert "bad.svs" in more.stderr
    assert "../copy.png is the same slide as ../slides/2.png, which the project lists.\n" in (
        more.stderr
    )
    assert "1.png" not in more.stderr
    first = read_project(study).slides[0]
    change_project(study, changing_slide(first.identity, state="done", assignee="Anna"))
    listed = coverslip("projects", "list", "study/project.json", "--json", folder=study.parent)
    told = json.loads(listed.stdout)["slides"]
    assert [(s["name"], s["state"]) for s in told] == [
        ("1.png", "done"), ("2.png", "to do"), ("3.png", "to do"),
    ]  # fmt: skip
    done = coverslip("projects", "list", "study", "--state", "done", folder=study.parent)
    assert "Anna" in done.stdout
    assert "1 of 3 slides are done." in done.stdout


def test_a_moved_slide_is_found_and_noted(study: Path) -> None:
    (study.parent / "slides" / "1.png").rename(study.parent / "renamed.png")
    (study.parent / "slides" / "2.png").unlink()
    told = coverslip("projects", "check", "study", "--repair", "--json", folder=study.parent)
    assert told.returncode == 1
    record = json.loads(told.stdout)
    assert list(record["found"].values()) == [str(study.parent / "renamed.png")]
    assert [slide["name"] for slide in record["missing"]] == ["2.png"]
    assert read_project(study).slides[0].path == "../renamed.png"


def test_answers_come_as_a_table(study: Path) -> None:
    slide = read_project(study).slides[0]
    sheet = AnswerFile(study, "anna", slide.identity, slide.name)
    keep_answers(sheet, [sheet.given("grading", "pattern", "4")])
    out = coverslip("projects", "answers", "study", "-o", "a.csv", folder=study.parent)
    assert out.returncode == 0
    assert "anna,grading,pattern,Primary pattern,4" in (study.parent / "a.csv").read_text()
    told = coverslip("projects", "answers", "study", "--json", folder=study.parent)
    assert json.loads(told.stdout)[0]["answer"] == "4"


def test_bad_input_is_one_sentence(study: Path) -> None:
    (study.parent / "bad.json").write_text('{\n"id": 3}')
    for arguments in (
        ("create", "study"),
        ("create", "other", "--forms", "bad.json"),
        ("add", "nowhere", "slides"),
        ("list", "study", "--state", "finished"),
        ("list", "nowhere"),
        ("check", "nowhere"),
        ("answers", "nowhere"),
        ("answers", "study", "-o", "nowhere/a.csv"),
    ):
        done = coverslip("projects", *arguments, folder=study.parent)
        assert done.returncode == 2, arguments
        assert done.stderr.strip().endswith("."), done.stderr
        assert "\n" not in done.stderr.strip()
    assert not (study.parent / "other").exists()
