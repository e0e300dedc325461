"""Questions of a form, answered in the window and kept whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import forked_programs
import pytest
from project_steps import FORM, make_slide, write_forms
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QFileDialog, QInputDialog, QLabel
from pytestqt.qtbot import QtBot
from session_lines import read_lines
from ui_steps import CTRL, SHIFT, open_dialog, press, show_slide

from viewer.recording.events import DiagnosisEntered, QuestionAnswered, QuestionAsked
from viewer.recording.library import Library
from viewer.settings import Settings
from viewer.studies.answers import all_answers
from viewer.studies.finding import project_slides
from viewer.studies.forms import read_forms
from viewer.studies.project import Project
from viewer.studies.project_file import create_project, read_project
from viewer.ui.main_window import MainWindow
from viewer.ui.projects.question_fields import (
    ChoiceField,
    ListField,
    MultiField,
    NumberField,
    TextField,
)
from viewer.ui.projects.questions_panel import QuestionsPanel
from viewer.ui.recording.control import RecordingState

_SETTINGS = Settings(reader="reader-7", consent_utc="2026-01-01T00:00:00+00:00")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A project of two slides with a form."""
    folder = tmp_path / "study"
    for number in (1, 2):
        make_slide(folder / f"{number}.png", number)
    slides = tuple(project_slides([folder], folder, []))
    forms = read_forms(write_forms(tmp_path / "forms.json", FORM))
    create_project(folder, Project(title="Study", slides=slides, forms=forms))
    return folder


@pytest.fixture
def asked(make_window, study: Path, qtbot: QtBot) -> MainWindow:
    """A window with the project's first slide and its questions."""
    window = make_window(_SETTINGS)
    with qtbot.waitSignal(window.projects.opened.switched):
        window.open_paths([study])
    show_slide(window, study / "1.png", qtbot)
    press(qtbot, window, Qt.Key.Key_Q, CTRL | SHIFT)
    panel = window.projects.questions.panel
    qtbot.waitUntil(lambda: panel.isVisible() and "reader-7" in panel.who.text())
    return window


def fields(panel: QuestionsPanel) -> tuple[ChoiceField, MultiField, NumberField, TextField]:
    pattern, features, share, conclusion = panel.fields.values()
    assert isinstance(pattern, ChoiceField)
    assert isinstance(features, MultiField)
    assert isinstance(share, NumberField)
    assert isinstance(conclusion, TextField)
    return pattern, features, share, conclusion


def kept(folder: Path) -> dict[str, object]:
    return {given.question: given.answer for given in all_answers(folder)}


def fill(panel: QuestionsPanel, qtbot: QtBot) -> None:
    """Answers all questions with mouse and keys."""
    pattern, features, share, conclusion = fields(panel)
    qtbot.mouseClick(pattern.buttons.button(1), Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    qtbot.keyClick(features.boxes[0], Qt.Key.Key_Space)
    qtbot.keyClicks(share.edit, "35")
    qtbot.keyClicks(conclusion.edit, "free margin")


def test_the_first_answers_leave_every_field_where_it_is(asked: MainWindow, qtbot: QtBot) -> None:
    panel = asked.projects.questions.panel
    pattern, features, share, conclusion = fields(panel)

    def places() -> list[QPoint]:
        inputs = (*pattern.buttons.buttons(), *features.boxes, share.edit, conclusion.edit)
        return [each.mapTo(panel, QPoint(0, 0)) for each in inputs]

    before = places()
    fill(panel, qtbot)
    qtbot.waitUntil(lambda: panel.progress.text() == "4 of 4 answered.")
    assert pattern.clear.isVisible()
    assert places() == before
    qtbot.mouseClick(pattern.clear, Qt.MouseButton.LeftButton)
    assert not pattern.clear.isVisible()
    assert places() == before


def test_a_form_ends_with_the_button_of_its_command(asked: MainWindow, qtbot: QtBot) -> None:
    panel = asked.projects.questions.panel
    assert panel.done.isVisible()
    assert panel.done.property("primary")
    assert not panel.load.property("primary")
    fill(panel, qtbot)
    qtbot.mouseClick(panel.done, Qt.MouseButton.LeftButton)
    slides = asked.projects.opened
    qtbot.waitUntil(lambda: slides.project.count("done") == 1)


def test_without_a_form_the_page_says_how_one_comes_into_being(make_window, qtbot: QtBot) -> None:
    window = make_window(_SETTINGS)
    window.projects.questions.panel.show()
    panel = window.projects.questions.panel
    shown = [label.text() for label in panel.findChildren(QLabel) if label.isVisible()]
    assert any("JSON file" in text for text in shown)
    assert panel.load.property("primary")
    assert not panel.done.isVisible()


def test_answers_are_kept_within_a_second_and_come_back(
    asked: MainWindow, study: Path, qtbot: QtBot
) -> None:
    panel = asked.projects.questions.panel
    assert panel.progress.text() == "0 of 4 answered, 1 required (*) left"
    fill(panel, qtbot)
    expected = {
        "pattern": "4", "features": ["cribriform"], "share": 35.0, "conclusion": "free margin",
    }  # fmt: skip
    qtbot.waitUntil(lambda: kept(study) == expected)
    assert panel.progress.text() == "4 of 4 answered."
    show_slide(asked, study / "2.png", qtbot)
    qtbot.waitUntil(lambda: panel.who.text().startswith("2.png"))
    pattern, features, share, conclusion = fields(panel)
    assert pattern.buttons.checkedId() == -1
    assert share.edit.text() == conclusion.edit.toPlainText() == ""
    show_slide(asked, study / "1.png", qtbot)
    qtbot.waitUntil(lambda: pattern.buttons.checkedId() == 1)
    assert features.boxes[0].isChecked()
    assert share.edit.text() == "35"
    assert conclusion.edit.toPlainText() == "free margin"
    # Taken back.
    qtbot.mouseClick(pattern.clear, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "pattern" not in kept(study))


def test_a_number_out_of_range_is_told_and_not_kept(
    asked: MainWindow, study: Path, qtbot: QtBot
) -> None:
    panel = asked.projects.questions.panel
    _, _, share, _ = fields(panel)
    for text, told in (("400", "from 0 to 100 %"), ("many", "no number"), ("12,5", "no decimals")):
        share.edit.clear()
        qtbot.keyClicks(share.edit, text)
        qtbot.waitUntil(lambda told=told: told in share.complaint.text())
        assert share.complaint.isVisible()
    share.edit.clear()
    qtbot.keyClicks(share.edit, "12")
    qtbot.waitUntil(lambda: kept(study) == {"share": 12.0})
    assert not share.complaint.isVisible()


def test_what_is_being_typed_stays_with_its_slide(
    asked: MainWindow, study: Path, qtbot: QtBot
) -> None:
    panel = asked.projects.questions.panel
    _, _, _, conclusion = fields(panel)
    qtbot.keyClicks(conclusion.edit, "half a wor")
    # The next slide may come before the pause after the last key is over.
    show_slide(asked, study / "2.png", qtbot)
    qtbot.waitUntil(lambda: len(all_answers(study)) == 1)
    (given,) = all_answers(study)
    assert (given.slide, given.answer, given.reader) == ("1.png", "half a wor", "reader-7")


def test_closing_the_window_keeps_what_is_being_typed(
    asked: MainWindow, study: Path, qtbot: QtBot
) -> None:
    _, _, _, conclusion = fields(asked.projects.questions.panel)
    qtbot.keyClicks(conclusion.edit, "last words")
    asked.close()
    assert kept(study) == {"conclusion": "last words"}


def test_a_folder_that_cannot_be_written_is_told_and_written_later(
    asked: MainWindow, study: Path, qtbot: QtBot
) -> None:
    panel = asked.projects.questions.panel
    (study / "answers").write_text("in the way")
    fill(panel, qtbot)
    qtbot.waitUntil(lambda: "cannot be written" in panel.progress.text())
    (study / "answers").unlink()
    qtbot.waitUntil(lambda: (study / "answers").is_dir() and len(kept(study)) == 4)
    qtbot.waitUntil(lambda: panel.progress.text() == "4 of 4 answered.")


@pytest.mark.parametrize("may_keep_texts", [True, False])
def test_questions_and_answers_reach_the_recorder(
    asked: MainWindow, qtbot: QtBot, may_keep_texts: bool
) -> None:
    asked.change_settings(record_texts=may_keep_texts)
    asked.commands["recording.on"].trigger()
    control, pane = asked.recording.control, asked.panes.active
    qtbot.waitUntil(lambda: control.recording_of(pane) is not None)
    fill(asked.projects.questions.panel, qtbot)
    panel = asked.projects.questions.panel
    qtbot.waitUntil(lambda: panel.progress.text() == "4 of 4 answered.")
    with qtbot.waitSignal(control.sessions_changed):
        asked.commands["recording.on"].trigger()
    events = [line.event for line in read_lines(Library().summaries()[0].folder)]
    put = [event for event in events if isinstance(event, QuestionAsked)]
    assert [event.id for event in put] == [
        f"grading.{question['id']}" for question in FORM["questions"]
    ]
    answers = {event.id: event for event in events if isinstance(event, QuestionAnswered)}
    (diagnosis,) = [event for event in events if isinstance(event, DiagnosisEntered)]
    assert set(answers) == {event.id for event in put}
    assert diagnosis.length == len("free margin")
    if may_keep_texts:
        assert answers["grading.share"].text == "35"
        assert diagnosis.text == "free margin"
    else:
        assert {event.text for event in (*put, *answers.values(), diagnosis)} == {None}


def test_a_form_of_a_file_without_a_project(
    window: MainWindow, sample_slide: Path, tmp_path: Path, own_home: Path, qtbot: QtBot
) -> None:
    many = FORM | {
        "id": "many",
        "questions": [
            {"id": "site", "text": "Site", "kind": "choice", "options": list("abcdefgh")},
        ],
    }
    show_slide(window, sample_slide, qtbot)
    press(qtbot, window, Qt.Key.Key_Q, CTRL | SHIFT)
    panel = window.projects.questions.panel
    assert not panel.fields
    (tmp_path / "bad.json").write_text('{"id": "a",\n"questions": [{"id": "b"}]}')
    for name in ("bad.json", "forms.json"):
        write_forms(tmp_path / "forms.json", FORM, many)
        qtbot.mouseClick(panel.load, Qt.MouseButton.LeftButton)
        dialog = open_dialog(window, QFileDialog, qtbot)
        assert isinstance(dialog, QFileDialog)
        dialog.fileSelected.emit(str(tmp_path / name))
        dialog.reject()
        qtbot.waitUntil(lambda: bool(panel.fields) or window.banner.isVisible())
        if name == "bad.json":
            assert "bad.json, line 2" in window.banner.sentence.text()
            window.banner.hide()
    panel.forms.setCurrentIndex(1)
    (site,) = panel.fields.values()
    assert isinstance(site, ListField)
    site.options.setFocus()
    qtbot.waitUntil(lambda: "CMU-1" in panel.who.text())
    site.options.setCurrentIndex(3)
    site.options.activated.emit(3)
    qtbot.waitUntil(lambda: kept(own_home / "data") == {"site": "c"})
    window.projects.questions.export(tmp_path / "answers.csv")
    qtbot.waitUntil((tmp_path / "answers.csv").exists)
    assert "CMU-1-Small-Region.svs" in (tmp_path / "answers.csv").read_text()


_TYPED_EACH_MS = 60
_ANSWERING = textwrap.dedent(
    """
    import os, sys, time
    from pathlib import Path
    from PySide6.QtCore import QTimer
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication
    from viewer.settings import Settings
    from viewer.tiles.cache import TileCache
    from viewer.ui.main_window import MainWindow
    app = QApplication([])
    window = MainWindow(Settings(reader="reader-7"), TileCache(1 << 26))
    window.show()
    window.open_paths([Path(sys.argv[1]), Path(sys.argv[1]) / "1.png"])
    window.commands["panels.questions"].trigger()
    panel = window.projects.questions.panel
    number = 0
    def type_on():
        global number
        if "reader-7" not in panel.who.text() or not panel.fields:
            return
        QTest.keyClicks(panel.fields["conclusion"].edit, f"{number} ")
        os.write(1, b"%d %d\\n" % (number, time.monotonic_ns()))
        number += 1
        if number % 4 == 0:
            QTest.qWait(600)  # a pause, as people make
    timer = QTimer(interval=int(sys.argv[2]))
    timer.timeout.connect(type_on)
    timer.start()
    app.exec()
    """
)


def test_a_kill_loses_at_most_the_last_second_of_typing(study: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "COVERSLIP_HOME": str(tmp_path / "home")}
    with forked_programs.Popen(
        [sys.executable, "-c", _ANSWERING, str(study), str(_TYPED_EACH_MS)],
        stdout=subprocess.PIPE,
        env=environment,
    ) as child:
        assert child.stdout is not None
        said = [child.stdout.readline()]
        until = time.monotonic() + 2.6
        while time.monotonic() < until:
            said.append(child.stdout.readline())
        killed_ns = time.monotonic_ns()
        child.send_signal(signal.SIGKILL)
    slide = read_project(study).slides[0]
    (given,) = [each for each in all_answers(study) if each.identity == slide.identity]
    assert isinstance(given.answer, str)
    words = given.answer.split()
    assert words == [str(number) for number in range(len(words))]
    typed = [line.split() for line in said if line.endswith(b"\n")]
    safe = sum(int(at_ns) < killed_ns - 1_000_000_000 for _, at_ns in typed)
    # A process that gets no core saves nothing, but types as little meanwhile.
    assert len(words) >= min(safe, len(typed) - 1000 // _TYPED_EACH_MS)
    assert safe > 0


def _name_reader(window: MainWindow, qtbot: QtBot, name: str) -> None:
    window.change_settings(reader=name)
    panel = window.projects.questions.panel
    qtbot.waitUntil(lambda: f"answered as {name}" in panel.who.text())
    qtbot.waitUntil(lambda: next(iter(panel.fields.values())).isEnabled())


def test_another_reader_answers_under_his_own_name_at_once(
    asked: MainWindow, study: Path, qtbot: QtBot
) -> None:
    panel = asked.projects.questions.panel
    press(qtbot, asked, Qt.Key.Key_R, CTRL)
    control = asked.recording.control
    qtbot.waitUntil(lambda: control.recording_of(asked.panes.active) is not None)
    _, _, _, conclusion = fields(panel)
    conclusion.edit.setFocus()
    qtbot.keyClicks(conclusion.edit, "by seven")
    _name_reader(asked, qtbot, "reader-8")
    assert control.state is RecordingState.OFF
    assert "recording of reader-7 ended" in asked.status.currentMessage()
    _, _, _, conclusion = fields(panel)
    conclusion.edit.setFocus()
    qtbot.keyClicks(conclusion.edit, "by eight")
    _name_reader(asked, qtbot, "reader-7")

    def by_reader() -> dict[str, object]:
        return {each.reader: each.answer for each in all_answers(study)}

    qtbot.waitUntil(lambda: by_reader() == {"reader-7": "by seven", "reader-8": "by eight"})
    assert [each.header.reader for each in Library().summaries() if each.header] == ["reader-7"]


def test_a_study_without_a_pseudonym_asks_once(make_window, study: Path, qtbot: QtBot) -> None:
    window = make_window(Settings())
    with qtbot.waitSignal(window.projects.opened.switched):
        window.open_paths([study])
    dialog = open_dialog(window, QInputDialog, qtbot)
    assert isinstance(dialog, QInputDialog)
    dialog.setTextValue("reader-9")
    dialog.accept()
    assert window.reader.name == window.settings.reader == "reader-9"
    show_slide(window, study / "1.png", qtbot)
    qtbot.waitUntil(lambda: "reader-9" in window.projects.questions.panel.who.text())
    window.change_settings(reader="")
    qtbot.waitUntil(lambda: "reader-9" not in window.projects.questions.panel.who.text())
    assert QApplication.activeModalWidget() is None
