"""Projects, answers, forms and cards without number or sense: bounded in time, one sentence."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from bombs import endless
from cli_steps import coverslip
from measured_runs import REPOSITORY

from viewer.cli import output
from viewer.studies.answers import ANSWERS_FOLDER

NUCLEI = REPOSITORY / "resources" / "models" / "nuclei"
ANSWER = {
    "at_utc": "2026-01-01T00:00:00.000+00:00", "reader": "B", "identity": "s", "slide": "a.svs",
    "form": "f", "question": "q", "answer": "sound",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def as_started() -> None:
    """What is attacked are processes at work, however they were started: they are forked."""


@pytest.fixture
def study(tmp_path: Path, sample_slide: Path) -> Path:
    done = coverslip("projects", "create", tmp_path / "study", sample_slide)
    assert done.returncode == 0, done.stderr
    (tmp_path / "study" / ANSWERS_FOLDER / "B").mkdir(parents=True)
    return tmp_path / "study"


def line(**changes: object) -> bytes:
    return json.dumps(ANSWER | changes).encode() + b"\n"


BAD_LINES = {
    "surrogates": b'{"reader": "\\ud800"}\n',
    "no text": b'{"reader": "\xff\xfe"}\n',
    "deep": b'{"a":' * 100_000 + b"\n",
    "digits": line(question="z").replace(b'"sound"', b"9" * 5000),
    "infinite": line(question="z").replace(b'"sound"', b"1e999"),
    "other types": line(reader=1) + line(answer={"a": 1}) + line(answer=[1, 2]),
    "sealed for nobody": b'{"sealed": "' + b"A" * 1_000_000 + b'"}\n',
}


@pytest.mark.parametrize("what", BAD_LINES)
def test_lines_of_answers_that_are_none_are_passed_over(what: str, study: Path) -> None:
    file = study / ANSWERS_FOLDER / "B" / "s~x-1.jsonl"
    file.write_bytes(BAD_LINES[what] + line())
    done = coverslip("projects", "answers", study, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [each["answer"] for each in json.loads(done.stdout)] == ["sound"]


@pytest.mark.parametrize("what", ["pipe", "device", "folder", "terabyte"])
def test_what_is_no_file_of_answers_is_one_sentence(what: str, study: Path) -> None:
    file = study / ANSWERS_FOLDER / "B" / "s~x-1.jsonl"
    if what == "folder":
        file.mkdir()
    elif what == "terabyte":
        file.touch()
        os.truncate(file, 1 << 40)
    else:
        endless(file, what)
    done = coverslip("projects", "answers", study)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be used" in done.stderr


def test_answers_without_number_are_printed_within_seconds(study: Path) -> None:
    """Their table was laid out row by row, which took minutes."""
    rows = 60_000
    file = study / ANSWERS_FOLDER / "B" / "s~x-1.jsonl"
    lines = (line(question=f"q{n}", answer=n or "y" * 100_000) for n in range(rows))
    file.write_bytes(b"".join(lines))
    before_s = time.process_time()
    done = coverslip("projects", "answers", study)
    assert time.process_time() - before_s < 12
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert len(told) == rows + 1
    assert max(map(len, told[2:])) < 400, "one long cell makes no other line longer"


@pytest.mark.parametrize("columns", [("name", "count"), ()])
def test_a_long_table_looks_as_a_short_one(
    columns: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("a", "1"), ("組織 \x1b[2J", "22"), ("", "333")]
    output.print_table(columns, rows)
    laid_out = capsys.readouterr().out
    monkeypatch.setattr(output, "_MOST_LAID_OUT", 0)
    output.print_table(columns, rows)
    assert capsys.readouterr().out == laid_out


def test_images_of_a_qupath_project_without_number_are_a_few_sentences(tmp_path: Path) -> None:
    builder = {"builderType": "uri", "uri": "file:/a.svs", "args": []}
    images = [{"entryID": n, "imageName": "a", "serverBuilder": builder} for n in range(5000)]
    path = tmp_path / "project.qpproj"
    path.write_text(json.dumps({"version": "0.5", "images": images}))
    done = coverslip("projects", "create", tmp_path / "p", "--from", path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) < 30
    assert "4,980 more" in done.stderr


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "\ud800"}, {"patch_px": -1}, {"patch_px": 10**9}, {"weights": "../../etc/passwd"},
        {"classes": [{"name": "x" * 100_000}] * 3}, {"name": [], "task": []},
    ],
)  # fmt: skip
def test_cards_without_sense_are_one_sentence(changes: dict[str, object], tmp_path: Path) -> None:
    shutil.copytree(NUCLEI, tmp_path / "m")
    card = json.loads((NUCLEI / "model.json").read_text())
    (tmp_path / "m" / "model.json").write_text(json.dumps(card | changes))
    done = coverslip("models", "check", tmp_path / "m")
    assert done.returncode == 2, done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert len(done.stderr) < 2000
