"""A slide is done only with its required answers, and once unseen tissue was shown."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from project_steps import FORM, make_slide, write_forms
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, SHIFT, press, rest, show_slide

from viewer.recording.coverage import LEAST_SEEN_S
from viewer.settings import Settings
from viewer.studies.answers import all_answers
from viewer.studies.finding import project_slides
from viewer.studies.forms import read_forms
from viewer.studies.project import Project
from viewer.studies.project_file import change_project, create_project, read_project
from viewer.studies.stages import Stage
from viewer.ui.main_window import MainWindow
from viewer.ui.projects.question_fields import ChoiceField, NumberField

_SETTINGS = Settings(reader="reader-7", consent_utc="2026-01-01T00:00:00+00:00")


@pytest.fixture(scope="module")
def made_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of three slides with a form of which one answer is required."""
    folder = tmp_path_factory.mktemp("made") / "study"
    for number in (1, 2, 3):
        make_slide(folder / f"{number}.png", number)
    slides = tuple(project_slides([folder], folder, []))
    forms = read_forms(write_forms(folder.parent / "forms.json", FORM))
    create_project(folder, Project(title="Study", slides=slides, forms=forms))
    return folder


@pytest.fixture
def study(made_study: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_study, tmp_path / "study"))


@pytest.fixture
def asked(make_window: Callable[..., MainWindow], study: Path, qtbot: QtBot) -> MainWindow:
    """A window with the project's first slide; its questions are not in sight."""
    window = make_window(_SETTINGS)
    open_study(window, study, study / "1.png", qtbot)
    return window


def open_study(window: MainWindow, study: Path, slide: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.projects.opened.switched):
        window.open_paths([study])
    show_slide(window, slide, qtbot)
    panel = window.projects.questions.panel
    qtbot.waitUntil(lambda: "reader-7" in panel.who.text())
    window.panes.active.focus()


def states(folder: Path) -> list[str]:
    return [slide.state for slide in read_project(folder).slides]


def pattern_of(window: MainWindow) -> ChoiceField:
    field = window.projects.questions.panel.fields["pattern"]
    assert isinstance(field, ChoiceField)
    return field


def share_of(window: MainWindow) -> NumberField:
    field = window.projects.questions.panel.fields["share"]
    assert isinstance(field, NumberField)
    return field


def test_done_names_the_required_answer_that_is_missing(
    asked: MainWindow, study: Path, qtbot: QtBot
) -> None:
    bar, pane = asked.projects.finishing.bar, asked.panes.active
    press(qtbot, asked, Qt.Key.Key_F7)
    assert bar.isVisible()
    assert bar.sentence.text() == 'Not done yet: a required answer is missing: "Primary pattern".'
    assert asked.projects.questions.panel.isVisible()
    assert "required" in pattern_of(asked).complaint.text()
    assert asked.focusWidget() is pattern_of(asked).buttons.button(0)
    assert pane.path == study / "1.png"
    qtbot.waitUntil(lambda: states(study)[0] == "in work")
    qtbot.mouseClick(
        pattern_of(asked).buttons.button(1), Qt.MouseButton.LeftButton, pos=QPoint(8, 8)
    )
    assert not bar.isVisible()
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        press(qtbot, asked, Qt.Key.Key_F7)
    assert pane.path == study / "2.png"
    qtbot.waitUntil(lambda: states(study)[0] == "done")


def test_a_refused_number_holds_the_slide_and_waits_for_it(
    asked: MainWindow, study: Path, qtbot: QtBot
) -> None:
    bar = asked.projects.finishing.bar
    press(qtbot, asked, Qt.Key.Key_Q, CTRL | SHIFT)
    qtbot.mouseClick(
        pattern_of(asked).buttons.button(1), Qt.MouseButton.LeftButton, pos=QPoint(8, 8)
    )
    share_of(asked).edit.setFocus()
    qtbot.keyClicks(share_of(asked).edit, "150")
    # Not even a moment after the last key is it thrown away.
    press(qtbot, asked, Qt.Key.Key_F7)
    assert '"150" is no answer to "Tumor"' in bar.sentence.text()
    assert share_of(asked).complaint.isVisible()
    assert asked.focusWidget() is share_of(asked).edit
    # Another slide comes by the list: the number waits with its own.
    show_slide(asked, study / "2.png", qtbot)
    assert "It waits there with 1.png" in asked.status.currentMessage()
    qtbot.waitUntil(lambda: share_of(asked).edit.text() == "")
    show_slide(asked, study / "1.png", qtbot)
    qtbot.waitUntil(share_of(asked).edit.isEnabled)
    assert share_of(asked).edit.text() == "150"
    assert "from 0 to 100 %" in share_of(asked).complaint.text()
    share_of(asked).edit.selectAll()
    qtbot.keyClicks(share_of(asked).edit, "15")
    press(qtbot, asked, Qt.Key.Key_F7)
    qtbot.waitUntil(lambda: states(study)[0] == "done")
    kept = {given.question: given.answer for given in all_answers(study)}
    assert kept == {"pattern": "4", "share": 15.0}


def test_no_other_way_to_done_goes_round_the_answers(
    asked: MainWindow, study: Path, qtbot: QtBot
) -> None:
    bar, panel = asked.projects.finishing.bar, asked.projects.slides.details
    qtbot.waitUntil(lambda: states(study)[0] == "in work")
    press(qtbot, asked, Qt.Key.Key_F7, SHIFT)
    assert "Primary pattern" in bar.sentence.text()
    # A slide that is not on screen, by the list of states.
    asked.slides.view.setCurrentIndex(asked.slides.model.index(1))
    panel.state.setCurrentIndex(panel.state.findData("done"))
    panel.state.activated.emit(panel.state.currentIndex())
    qtbot.waitUntil(lambda: bar.sentence.text().startswith("2.png: not done"))
    assert panel.state.currentData() == "to do"
    assert states(study) == ["in work", "to do", "to do"]


def test_unseen_tissue_is_shown_before_done_where_the_study_asks(
    make_window: Callable[..., MainWindow], tmp_path: Path, sample_slide: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    slides = tuple(project_slides([sample_slide], folder, []))
    create_project(folder, Project(title="Study", slides=slides))
    change_project(folder, lambda p: msgspec.structs.replace(p, check_tissue_at=10.0))
    window = make_window(_SETTINGS)
    open_study(window, folder, sample_slide, qtbot)
    finishing, canvas = window.projects.finishing, window.panes.active.canvas
    press(qtbot, window, Qt.Key.Key_5)
    rest(window, qtbot)
    qtbot.wait(round(1200 * LEAST_SEEN_S))  # a glance is no look: time is what counts
    press(qtbot, window, Qt.Key.Key_8)
    rest(window, qtbot)
    press(qtbot, window, Qt.Key.Key_F7)
    qtbot.waitUntil(finishing.bar.isVisible, timeout=20_000)
    sentence = finishing.bar.sentence.text()
    assert "% of the tissue was not seen at 10x or more" in sentence
    assert 20 <= int(sentence.split(" %")[0]) <= 80
    qtbot.waitUntil(lambda: "unseen tissue" in canvas.shown_layers)
    assert states(folder) == ["in work"]
    qtbot.mouseClick(finishing.bar.button, Qt.MouseButton.LeftButton)
    rest(window, qtbot)
    assert canvas.optics.magnification(canvas.view.downsample) == pytest.approx(10.0)
    press(qtbot, window, Qt.Key.Key_F7)
    qtbot.waitUntil(lambda: states(folder) == ["done"])
    qtbot.waitUntil(lambda: "unseen tissue" not in canvas.shown_layers)


@pytest.mark.slow
def test_each_reader_of_a_study_with_stages_is_done_for_themselves(
    make_window: Callable[..., MainWindow], tmp_path: Path, study: Path, qtbot: QtBot
) -> None:
    stages = (Stage(name="Blind", hides=("others",)),)
    change_project(study, lambda p: msgspec.structs.replace(p, stages=stages, forms=()))

    def window_of(reader: str) -> MainWindow:
        window = make_window(Settings(reader=reader))
        with qtbot.waitSignal(window.projects.opened.switched):
            window.open_paths([study])
        qtbot.waitUntil(lambda: window.projects.study.study is not None)
        return window

    def shown(window: MainWindow) -> list[str]:
        return [slide.state for slide in window.projects.opened.project.slides]

    first = window_of("Ann")
    show_slide(first, study / "1.png", qtbot)
    qtbot.waitUntil(lambda: shown(first) == ["in work", "to do", "to do"])
    pane = first.panes.active
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        press(qtbot, first, Qt.Key.Key_F7)
    assert pane.path == study / "2.png"
    qtbot.waitUntil(lambda: shown(first) == ["done", "in work", "to do"])
    first.close()
    assert states(study) == ["to do"] * 3
    # Another finds all of it to do, and the first all as it was left.
    assert shown(window_of("Bo")) == ["to do"] * 3
    assert shown(window_of("Ann")) == ["done", "in work", "to do"]
