"""What there is one of is not said as several."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from inference_steps import make_bundle
from project_steps import FORM, make_slide, write_forms
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, SHIFT, open_dialog, press, show_slide

from viewer.inference.models.model_library import add_model
from viewer.settings import Settings
from viewer.studies.finding import project_slides
from viewer.studies.forms import read_forms
from viewer.studies.project import Project
from viewer.studies.project_file import create_project
from viewer.ui.annotations.classes_dialog import ClassesDialog
from viewer.ui.main_window import MainWindow
from viewer.ui.projects.question_fields import ChoiceField

_PATIENCE_MS = 60_000
_MENU_MS = 150
LEFT = Qt.MouseButton.LeftButton


def write_to(window: MainWindow, path: Path, qtbot: QtBot) -> None:
    """Type where to write into the dialog that asks for it."""
    chooser = open_dialog(window, QFileDialog, qtbot)
    name = chooser.findChild(QLineEdit, "fileNameEdit")
    assert name is not None
    name.setText(str(path))  # typed, a list of completions takes Enter
    qtbot.keyClick(name, Qt.Key.Key_Return)
    qtbot.waitUntil(path.exists)


def test_one_class(slide_window: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    panel = slide_window.annotations.panel
    panel.show()
    qtbot.mouseClick(panel.classes, LEFT)
    dialog = open_dialog(slide_window, ClassesDialog, qtbot)
    while len(dialog.palette_classes) > 1:
        qtbot.mouseClick(dialog.remove, LEFT)
    qtbot.mouseClick(dialog.write, LEFT)
    write_to(slide_window, tmp_path / "one.json", qtbot)
    qtbot.waitUntil(lambda: dialog.message.text() == "1 class was written to one.json.")


def test_one_answer(
    make_window: Callable[[Settings], MainWindow], tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "study"
    make_slide(folder / "1.png", 1)
    slides = tuple(project_slides([folder], folder, []))
    forms = read_forms(write_forms(tmp_path / "forms.json", FORM))
    create_project(folder, Project(title="Study", slides=slides, forms=forms))
    window = make_window(Settings(reader="A"))
    with qtbot.waitSignal(window.projects.opened.switched):
        window.open_paths([folder])
    show_slide(window, folder / "1.png", qtbot)
    press(qtbot, window, Qt.Key.Key_Q, CTRL | SHIFT)
    panel = window.projects.questions.panel
    qtbot.waitUntil(lambda: bool(panel.fields) and "A" in panel.who.text())
    choice = next(iter(panel.fields.values()))
    assert isinstance(choice, ChoiceField)
    qtbot.waitUntil(choice.isEnabled)
    qtbot.mouseClick(choice.buttons.button(1), LEFT, pos=QPoint(8, 8))
    qtbot.waitUntil(lambda: not window.projects.questions._unkept)
    qtbot.mouseClick(panel.export, LEFT)
    write_to(window, tmp_path / "answers.csv", qtbot)
    said = "Wrote 1 answer to answers.csv."
    qtbot.waitUntil(lambda: window.status.currentMessage() == said)


def test_one_slide_of_a_batch(
    make_window: Callable[[], MainWindow], sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    add_model(make_bundle(tmp_path / "model"))
    slide = Path(shutil.copy(sample_slide, tmp_path / "a.svs"))
    window = make_window()
    show_slide(window, slide, qtbot)
    window.commands["panels.batch"].trigger()
    panel = window.batch.panel
    qtbot.waitUntil(lambda: panel.models.count() > 0, timeout=_PATIENCE_MS)
    panel.models.setCurrentIndex(panel.models.findText("Dark"))

    def take_first() -> None:
        menu = QApplication.activePopupWidget()
        assert menu is not None
        qtbot.keyClick(menu, Qt.Key.Key_Down)
        qtbot.keyClick(menu, Qt.Key.Key_Return)

    QTimer.singleShot(_MENU_MS, take_first)
    qtbot.mouseClick(panel.add, LEFT)
    qtbot.waitUntil(lambda: len(window.batch.slides.paths) == 1)
    slide.write_text("no slide any more")
    qtbot.mouseClick(panel.start, LEFT)
    qtbot.waitUntil(lambda: not window.batch.is_running, timeout=_PATIENCE_MS)
    assert panel.state.text() == "0 of 1 slide is done, 1 failed."
