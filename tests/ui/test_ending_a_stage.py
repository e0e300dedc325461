"""A stage is ended by a button that is meant, not by Enter; what is sealed then is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from project_steps import make_slide
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMainWindow, QMessageBox
from pytestqt.qtbot import QtBot
from ui_steps import open_dialog, show_slide

from viewer.annotations.sets.opening import sealed_notice
from viewer.settings import Settings
from viewer.studies.finding import project_slides
from viewer.studies.project import Project
from viewer.studies.project_file import create_project
from viewer.studies.stages import Stage
from viewer.ui.main_window import MainWindow
from viewer.ui.projects.stages_dialog import StagesDialog


def test_enter_ends_no_stage(
    make_window: Callable[[Settings], MainWindow], tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "study"
    make_slide(folder / "1.png", 1)
    slides = tuple(project_slides([folder], folder, []))
    stages = (Stage(name="First"), Stage(name="Second"))
    create_project(folder, Project(title="Study", slides=slides, stages=stages))
    window = make_window(Settings(reader="A"))
    with qtbot.waitSignal(window.projects.opened.switched):
        window.open_paths([folder])
    show_slide(window, folder / "1.png", qtbot)
    study = window.projects.study
    qtbot.waitUntil(lambda: study.study is not None)
    window.commands["project.end_stage"].trigger()
    box = open_dialog(window, QMessageBox, qtbot)
    assert 'End the stage "First"' in box.text()
    assert box.informativeText().startswith("1 of 1 slide is not marked as done. What you drew")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not box.isVisible())
    assert "First" in study.stage_text
    window.commands["project.finish"].trigger()
    qtbot.waitUntil(lambda: window.projects.opened.tally.states["done"] == 1)
    window.commands["project.end_stage"].trigger()
    box = open_dialog(window, QMessageBox, qtbot)
    assert box.informativeText().startswith("What you drew")
    button = next(each for each in box.buttons() if "End" in each.text())
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Second" in study.stage_text)


def test_a_reader_without_a_stage_is_told_so_and_what_an_export_leaves_out(
    make_window: Callable[[Settings], MainWindow], tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    stages = (Stage(name="First", readers=("A",)),)
    create_project(folder, Project(title="Study", stages=stages, owner_key="00" * 32))
    window = make_window(Settings(reader="C"))
    with qtbot.waitSignal(window.projects.opened.switched):
        window.open_paths([folder])
    study, status = window.projects.study, window.status
    qtbot.waitUntil(lambda: study.study is not None)
    window.commands["project.end_stage"].trigger()
    assert status.currentMessage() == "You have no stage of this study."
    window.projects.questions.export(tmp_path / "answers.csv")
    qtbot.waitUntil(lambda: status.currentMessage().startswith("Wrote 0 answers"))
    assert "What is sealed from you is left out" in status.currentMessage()


def test_a_study_that_begins_is_not_canceled_in_silence(
    shown: QMainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    dialog = StagesDialog(Project(title="Study"), shown)
    dialog.open()
    dialog.file.setText(str(tmp_path / "study.key"))
    for edit in (dialog.passphrase, dialog.again):
        qtbot.keyClicks(edit, "correct horse")
    with qtbot.waitSignal(dialog.given):
        qtbot.mouseClick(dialog.seal, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(dialog.cancel, Qt.MouseButton.LeftButton)
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    dialog.close()
    assert dialog.isVisible()
    dialog.tell("No room is left.")
    qtbot.mouseClick(dialog.cancel, Qt.MouseButton.LeftButton)
    assert not dialog.isVisible()


def test_one_edit_is_sealed() -> None:
    assert sealed_notice(1).startswith("1 edit of this set is sealed: ")
    assert sealed_notice(1).endswith(" can read it.")
    assert sealed_notice(2).startswith("2 edits of this set are sealed: ")


def test_a_project_without_slides_says_how_they_come(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    create_project(folder, Project(title="Empty"))
    with qtbot.waitSignal(window.projects.opened.switched):
        window.open_paths([folder])
    assert window.status.currentMessage().startswith("Empty: no slides yet. Press Add...")
