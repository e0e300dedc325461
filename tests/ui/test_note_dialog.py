"""What is typed over the slide: notes that are not lost, and names whose letters draw nothing."""

from __future__ import annotations

import pytest
import shapely
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QInputDialog, QLineEdit, QMessageBox
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, back_to_slide, open_dialog, press

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.recording.event_writer import EventWriter
from viewer.recording.events import AnyEvent, NoteTaken
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.main_window import MainWindow
from viewer.ui.slides.note_dialog import NoteDialog


@pytest.fixture
def active(slide_window: MainWindow, qtbot: QtBot) -> PaneAnnotations:
    qtbot.waitUntil(lambda: slide_window.annotations.active is not None, timeout=20_000)
    active = slide_window.annotations.active
    assert active is not None
    return active


def test_ctrl_enter_saves_a_note_and_escape_asks_first(
    slide_window: MainWindow, active: PaneAnnotations, qtbot: QtBot
) -> None:
    dialog = _opened(slide_window, qtbot)
    qtbot.keyClicks(dialog.text_edit, "mitosis")
    qtbot.keyClick(dialog.text_edit, Qt.Key.Key_Escape)
    box = open_dialog(slide_window, QMessageBox, qtbot)
    assert dialog.isVisible()
    assert isinstance(box, QMessageBox)
    qtbot.mouseClick(box.button(QMessageBox.StandardButton.Cancel), Qt.MouseButton.LeftButton)
    assert dialog.isVisible()
    dialog.activateWindow()
    qtbot.waitUntil(dialog.isActiveWindow)
    qtbot.keyClick(dialog.text_edit, Qt.Key.Key_Return, CTRL)
    qtbot.waitUntil(lambda: len(active.document) == 1)
    assert next(iter(active.document)).description == "mitosis"


def test_an_empty_note_closes_at_once_and_tab_leaves_the_text(
    slide_window: MainWindow, active: PaneAnnotations, qtbot: QtBot
) -> None:
    dialog = _opened(slide_window, qtbot)
    qtbot.keyClick(dialog.text_edit, Qt.Key.Key_Tab)
    assert dialog.text_edit is not None
    assert not dialog.text_edit.hasFocus()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not _visible(slide_window, NoteDialog))
    dialog = _opened(slide_window, qtbot)
    qtbot.keyClicks(dialog.text_edit, "no")
    qtbot.keyClick(dialog.text_edit, Qt.Key.Key_Escape)
    box = open_dialog(slide_window, QMessageBox, qtbot)
    assert isinstance(box, QMessageBox)
    qtbot.mouseClick(box.button(QMessageBox.StandardButton.Discard), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not _visible(slide_window, NoteDialog))
    assert len(active.document) == 0


def test_f2_on_the_slide_names_what_is_selected_and_its_letters_draw_nothing(
    slide_window: MainWindow, active: PaneAnnotations, qtbot: QtBot
) -> None:
    window = slide_window
    press(qtbot, window, Qt.Key.Key_F2)
    assert "Select an annotation first" in window.status.currentMessage()
    made = Annotation(shapely.box(0, 0, 200, 200))
    assert active.do(adding("Rectangle", [made]))
    active.selection.choose([made.id])
    press(qtbot, window, Qt.Key.Key_F2)
    dialog = open_dialog(window, QInputDialog, qtbot)
    field = dialog.findChild(QLineEdit)
    assert field is not None
    qtbot.waitUntil(field.hasFocus)
    qtbot.keyClicks(QApplication.focusWidget(), "brew 1")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert active.document[made.id].name == "brew 1"
    assert window.toolbox.name == "move"
    back_to_slide(window, qtbot)
    press(qtbot, window, Qt.Key.Key_Z, CTRL)
    assert active.document[made.id].name == ""


def test_the_text_of_a_note_is_kept_where_the_reader_allowed_this_one() -> None:
    writer = EventWriter.__new__(EventWriter)
    writer._may_keep_texts = False
    kept: AnyEvent = NoteTaken(7, "mitosis", is_allowed=True)
    assert writer._written(kept) == kept
    assert writer._written(NoteTaken(7, "mitosis")) == NoteTaken(7)


def _opened(window: MainWindow, qtbot: QtBot) -> NoteDialog:
    back_to_slide(window, qtbot)
    press(qtbot, window, Qt.Key.Key_N, CTRL | Qt.KeyboardModifier.AltModifier)
    dialog = open_dialog(window, NoteDialog, qtbot)
    assert isinstance(dialog, NoteDialog)
    return dialog


def _visible(window: MainWindow, kind: type[NoteDialog]) -> list[NoteDialog]:
    return [each for each in window.findChildren(kind) if each.isVisible()]
