"""Answers: kept line by line, whatever ends the process, and exported."""

from __future__ import annotations

import csv
import json
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import forked_programs
import pytest
from project_steps import FORM

from viewer.studies.answers import (
    AnswerFile,
    all_answers,
    keep_answers,
    read_answers,
    write_answers,
)
from viewer.studies.forms import parse_forms
from viewer.studies.project import Project, ProjectSlide

_KILLS = 12
_AT_ONCE = 4

_ANSWERING = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from viewer.studies.answers import AnswerFile, keep_answers
    sheet = AnswerFile(Path(sys.argv[1]), "reader-1", "identity", "a.svs")
    number = 0
    while True:
        text = "x" * 3000
        keep_answers(sheet, [sheet.given("grading", str(number), f"{number} {text}")])
        os.write(1, b"%d\\n" % number)
        number += 1
    """
)


def test_the_last_answer_holds(tmp_path: Path) -> None:
    sheet = AnswerFile(tmp_path, "reader-1", "identity/with:odd*signs" * 20, "a.svs")
    assert read_answers(sheet) == {}
    keep_answers(sheet, [sheet.given("f", "a", "one"), sheet.given("f", "b", 4.5)])
    keep_answers(sheet, [sheet.given("f", "a", "two"), sheet.given("f", "c", ("x", "y"))])
    keep_answers(sheet, [sheet.given("f", "b", None)])
    assert read_answers(sheet) == {"f": {"a": "two", "b": None, "c": ("x", "y")}}
    assert [given.question for given in all_answers(tmp_path)] == ["a", "c"]


@pytest.mark.parametrize("reader", ["", "..", "a/b", "Ärztin 1", "x" * 300])
def test_any_name_of_a_reader_stays_in_the_folder(tmp_path: Path, reader: str) -> None:
    sheet = AnswerFile(tmp_path, reader, "identity", "a.svs")
    keep_answers(sheet, [sheet.given("f", "a", "one")])
    assert sheet.path.resolve().parent.parent == (tmp_path / "answers").resolve()
    assert all_answers(tmp_path)[0].reader == (reader or "reader")


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    sheet = AnswerFile(tmp_path, "r", "identity", "a.svs")
    keep_answers(sheet, [sheet.given("f", "a", "one"), sheet.given("f", "b", "two")])
    whole = sheet.path.read_bytes()
    for cut in range(1, len(whole), 7):
        sheet.path.write_bytes(whole[:cut])
        keep_answers(sheet, [sheet.given("f", "c", "three")])
        assert read_answers(sheet)["f"]["c"] == "three"
        assert ("a" in read_answers(sheet)["f"]) == (cut >= whole.index(b"\n"))


def test_a_kill_loses_no_answer_that_was_kept(tmp_path: Path) -> None:
    outcomes: list[int] = []

    def try_one(index: int) -> None:
        folder = tmp_path / str(index)
        with forked_programs.Popen(
            [sys.executable, "-c", _ANSWERING, str(folder)], stdout=subprocess.PIPE
        ) as child:
            output = child.stdout
            assert output is not None
            said = [output.readline()]
            listener = threading.Thread(target=lambda: said.extend(output))
            listener.start()
            time.sleep(random.Random(index).uniform(0.0, 0.4))
            child.send_signal(signal.SIGKILL)
            listener.join()
        kept = read_answers(AnswerFile(folder, "reader-1", "identity", "a.svs"))["grading"]
        told = [int(line) for line in said if line.endswith(b"\n")]
        assert all(str(kept[str(number)]).startswith(f"{number} ") for number in told)
        assert len(kept) - len(told) in (0, 1)
        outcomes.append(len(kept))

    for start in range(0, _KILLS, _AT_ONCE):
        threads = [threading.Thread(target=try_one, args=(start + n,)) for n in range(_AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(outcomes) == _KILLS


def test_answers_are_exported_with_their_questions(tmp_path: Path) -> None:
    project = Project(
        slides=(ProjectSlide(identity="i", path="a.svs", name="Case 7"),),
        forms=parse_forms(json.dumps(FORM), "forms"),
    )
    for reader, share in (("anna", 40.0), ("bela", 55.5)):
        sheet = AnswerFile(tmp_path, reader, "i", "a.svs")
        keep_answers(
            sheet,
            [
                sheet.given("grading", "share", share),
                sheet.given("grading", "features", ("cribriform", "perineural")),
                sheet.given("grading", "conclusion", 'Line one\n"two", =SUM(A1)'),
            ],
        )
    count = write_answers(tmp_path / "out.csv", project, all_answers(tmp_path))
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert count == len(rows) == 6
    assert [(r["slide"], r["reader"], r["answer"]) for r in rows if r["question"] == "share"] == [
        ("Case 7", "anna", "40"),
        ("Case 7", "bela", "55.5"),
    ]
    assert rows[1]["answer"] == "cribriform; perineural"
    assert rows[0]["text"] == "Tumor"
    assert rows[0]["unit"] == "%"
    assert rows[2]["answer"] == 'Line one\n"two", =SUM(A1)'
