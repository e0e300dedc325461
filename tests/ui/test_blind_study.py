"""Two readers read a study blind in two processes; its owner opens all, compares and merges."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import annotating_steps
import forked_programs
import pytest
from project_steps import FORM, write_forms
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QInputDialog
from pytestqt.qtbot import QtBot
from ui_steps import open_dialog, set_document, show_slide

from viewer.settings import Settings
from viewer.studies.answers import all_answers
from viewer.studies.finding import project_slides
from viewer.studies.forms import read_forms
from viewer.studies.project import Project
from viewer.studies.project_file import create_project, read_project
from viewer.studies.study_reader import study_reader
from viewer.ui.annotations.sets.panel import EYE
from viewer.ui.main_window import MainWindow
from viewer.ui.projects.stages_dialog import StagesDialog

_PROGRAM = Path(__file__).with_name("study_reader_process.py")
_REPOSITORY = Path(__file__).resolve().parents[2]
_PATHS = (_REPOSITORY, Path(annotating_steps.__file__).parent)


@pytest.fixture
def study(tmp_path: Path, sample_slide: Path) -> Path:
    folder = tmp_path / "study"
    folder.mkdir()
    shutil.copyfile(sample_slide, folder / "S23-1234 A1 HE.svs")
    slides = tuple(project_slides([folder], folder, []))
    forms = read_forms(write_forms(tmp_path / "forms.json", FORM))
    create_project(folder, Project(title="Study", slides=slides, forms=forms, keeps_sets=True))
    return folder


class Process:
    """A reader in a process and a home of their own."""

    def __init__(self, study: Path, home: Path, reader: str, stages: int, scores: Path) -> None:
        slide = study / "S23-1234 A1 HE.svs"
        self.errors = home.with_suffix(".txt")
        self._process = forked_programs.Popen(
            [sys.executable, str(_PROGRAM), str(study), str(slide), str(scores), reader,
             str(stages)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors.open("w"), text=True,
            env=os.environ | {
                "COVERSLIP_HOME": str(home), "QT_QPA_PLATFORM": "offscreen",
                "PYTHONPATH": os.pathsep.join(map(str, _PATHS)),
            },
        )  # fmt: skip

    def told(self) -> dict[str, Any]:
        """Wait until the reader tells what is seen."""
        assert self._process.stdout is not None
        text = self._process.stdout.readline()
        assert text, self.errors.read_text()
        return json.loads(text)

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for each in started:
        each.close()


def _blind(window: MainWindow, study: Path, key: Path, qtbot: QtBot) -> None:
    """The owner begins the study in the window, and must save the key."""
    window.projects.open(study)
    qtbot.waitUntil(lambda: window.projects.opened.is_open, timeout=20_000)
    window.commands["project.blind"].trigger()
    dialog = open_dialog(window, StagesDialog, qtbot)
    assert isinstance(dialog, StagesDialog)
    assert [each.name for each in dialog.stages] == ["Without AI", "With AI"]
    readers, names = dialog.table.item(1, 6), dialog.table.item(0, 3)
    assert readers is not None
    assert names is not None
    readers.setText("B")
    names.setCheckState(Qt.CheckState.Checked)
    dialog.seal.click()
    assert "Save the recovery file" in dialog.problem.text()
    dialog.file.setText(str(key))
    dialog.passphrase.setText("correct horse")
    dialog.again.setText("correct house")
    dialog.seal.click()
    assert "not the same" in dialog.problem.text()
    assert not key.exists()
    dialog.again.setText("correct horse")
    dialog.seal.click()
    qtbot.waitUntil(lambda: bool(window.projects.opened.project.stages), timeout=20_000)
    assert key.exists()


@pytest.mark.timeout(600)
def test_two_readers_read_blind_and_the_owner_opens_compares_and_merges(
    make_window, study: Path, tmp_path: Path, processes: list[Process], qtbot: QtBot
) -> None:
    scores = tmp_path / "scores.csv"
    scores.write_text(
        "x,y,score\n"
        + "\n".join(f"{256 * c},{256 * r},{c / 10}" for r in range(4) for c in range(8))
    )
    owner = make_window(Settings(reader="boss", consent_utc="2026-01-01T00:00:00+00:00"))
    _blind(owner, study, tmp_path / "study.key", qtbot)

    processes += [
        Process(study, tmp_path / "home of A", "A", 1, scores),
        Process(study, tmp_path / "home of B", "B", 2, scores),
    ]
    a, b = processes
    blind = [each.told() for each in processes]
    a.go_on()
    b.go_on()
    still_blind = [each.told() for each in processes]  # the other has drawn by now
    for each in (*blind, *still_blind):
        assert (each["stage"], each["drawn"]) == ("Without AI", 1)
        assert each["sets"] == [["My annotations", True]]
        assert each["title"].startswith("Slide 1 - ")
        assert each["told"].startswith('Stage "Without AI". Hidden: other readers\' annotations')
        assert each["ai"] == 'The study hides models and agents in this stage "Without AI".'
    over = a.told()
    assert (over["over"], over["can draw"]) == (True, False)
    assert over["ai"] != "shown"
    aided = b.told()
    assert (aided["stage"], aided["drawn"], aided["ai"]) == ("With AI", 1, "shown")
    assert aided["title"].startswith("S23-1234")
    assert aided["sets"] == [
        ["My annotations", True],
        ["My annotations (Without AI)", False],
        ["My annotations of the slide alone", False],
    ]
    assert aided["answers"] == {"grading": {"pattern": "4"}}  # the first pass has another
    b.go_on()
    assert b.told()["stage"] == "With AI"
    assert b.told()["over"]

    everything = b"".join(path.read_bytes() for path in study.rglob("*.*l*") if path.is_file())
    assert b'"pattern"' not in everything.replace(
        (study / "project.json").read_bytes(), b""
    ).replace((study / "project.previous.json").read_bytes(), b"")
    assert all_answers(study) == []

    # The owner sees all of it.
    notice = owner.projects.slides.header.stage
    qtbot.waitUntil(lambda: "nothing is hidden from you" in notice.text(), timeout=20_000)
    owner.commands["project.end_stage"].trigger()
    assert owner.status.currentMessage().startswith("You own this study")
    show_slide(owner, study / "S23-1234 A1 HE.svs", qtbot)
    qtbot.waitUntil(lambda: owner.annotations.active_sets is not None, timeout=20_000)
    sets = owner.annotations.active_sets
    assert sets is not None
    labels = {
        "A: My annotations (Without AI)",
        "B: My annotations (Without AI)",
        "B: My annotations (With AI)",
    }
    qtbot.waitUntil(lambda: labels <= {each.label for each in sets.entries}, timeout=20_000)
    owner.annotations.panel.show()
    panel = owner.annotations.panel.sets
    for label in sorted(labels):
        row = next(n for n, each in enumerate(sets.entries) if each.label == label)
        item = panel.tree.topLevelItem(row)
        assert item is not None
        if not sets.entries[row].is_shown:
            panel.tree.scrollToItem(item)
            eye = panel.tree.visualRect(panel.tree.indexFromItem(item, EYE)).center()
            QTest.mouseClick(panel.tree.viewport(), Qt.MouseButton.LeftButton, pos=eye)
        assert len(set_document(owner, qtbot, label)) == 1
        stage = label.partition("(")[2].rstrip(")")
        name = f'annotations "My annotations, {stage}" of {label[0]}'
        qtbot.waitUntil(lambda name=name: name in owner.panes.active.canvas.shown_layers)
    project = read_project(study)
    boss = study_reader(study, project, "boss")
    found = all_answers(study, boss.sealer_of_answers, boss.shows_answer)
    assert [(each.reader, each.stage, each.answer) for each in found] == [
        ("A", "Without AI", "3"), ("B", "With AI", "4"), ("B", "Without AI", "3"),
    ]  # fmt: skip
    assert found[1].at_utc > found[2].at_utc

    owner.commands["annotate.merge_sets"].trigger()
    dialog = open_dialog(owner, QInputDialog, qtbot)
    assert isinstance(dialog, QInputDialog)
    assert dialog.textValue() == "Merged"
    dialog.accept()
    merged = set_document(owner, qtbot, "Merged")
    assert sorted(each.metadata["Reader"] for each in merged) == ["A", "B", "B"]

    owner.commands["annotate.compare_sets"].trigger()
    comparison = owner.projects.comparison
    qtbot.waitUntil(comparison.panel.isVisible)
    names = [comparison.panel.a.itemText(n) for n in range(comparison.panel.a.count())]
    assert labels <= set(names)
    comparison.panel.a.setCurrentIndex(names.index("A: My annotations (Without AI)"))
    comparison.panel.b.setCurrentIndex(names.index("B: My annotations (Without AI)"))
    comparison.panel.compare.click()
    qtbot.waitUntil(lambda: comparison._comparison is not None, timeout=20_000)
    assert comparison._comparison is not None
    (of_class,) = comparison._comparison.classes
    assert of_class.dice == pytest.approx(1.0, abs=0.05)  # both drew at the same place
