"""After what was done with a button, the keyboard is where one goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot
from test_recording import AGREED
from test_replay import open_sessions, panels, select, start_replay
from test_review import record, start_review
from ui_steps import CTRL, open_dialog, press, show_slide

from viewer.agents.agent_events import AgentState
from viewer.settings import Settings
from viewer.studies.project import Project
from viewer.ui.application import make_window as first_window
from viewer.ui.main_window import MainWindow
from viewer.ui.projects.stages_dialog import StagesDialog

LEFT = Qt.MouseButton.LeftButton
_LONG_MS = 90_000


def test_at_the_start_enter_or_space_opens_a_slide(own_home: Path, qtbot: QtBot) -> None:
    window = first_window(Settings(), [])
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    qtbot.waitUntil(window.panes.active.page.start.open_button.hasFocus)
    window.close()
    window.deleteLater()


def test_escape_goes_back_to_the_slide(slide_window: MainWindow, qtbot: QtBot) -> None:
    canvas = slide_window.panes.active.canvas
    for _ in range(4):
        press(qtbot, slide_window, Qt.Key.Key_Tab)
    assert not canvas.hasFocus()
    press(qtbot, slide_window, Qt.Key.Key_Escape)
    assert canvas.hasFocus()


def test_who_begins_to_record_from_a_list_reads_on(
    make_window: Callable[[Settings], MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    window = make_window(AGREED)
    show_slide(window, sample_slide, qtbot)
    sessions = panels(window).sessions
    sessions.show()
    sessions.filter.setFocus()
    qtbot.mouseClick(window.recording.pill, LEFT)
    assert window.panes.active.canvas.hasFocus()
    press(qtbot, window, Qt.Key.Key_5)
    assert sessions.filter.text() == ""
    qtbot.mouseClick(window.recording.pill, LEFT)


def test_exit_of_a_mode_and_the_end_of_a_session(
    make_window: Callable[[Settings], MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    window = make_window(AGREED)
    show_slide(window, sample_slide, qtbot)
    record(window, qtbot)
    saved = window.recording.saved.bar
    qtbot.waitUntil(saved.isVisible)
    review, canvas = start_review(window, qtbot), window.panes.active.canvas
    qtbot.waitUntil(lambda: not saved.isVisible())
    press(qtbot, window, Qt.Key.Key_J)
    press(qtbot, window, Qt.Key.Key_J)
    press(qtbot, window, Qt.Key.Key_Y)
    assert "no text to accept" in window.status.currentMessage()
    press(qtbot, window, Qt.Key.Key_X)
    assert "no text" not in window.status.currentMessage()
    assert review.reviewing.is_active
    qtbot.mouseClick(window.panes.active.mode_bar.exit_button, LEFT)
    assert canvas.hasFocus()
    open_sessions(window, qtbot)
    select(window)
    sessions = panels(window).sessions
    sessions.delete.setFocus()
    qtbot.mouseClick(sessions.delete, LEFT)
    box = open_dialog(window, QMessageBox, qtbot)
    qtbot.mouseClick(next(each for each in box.buttons() if each.text() == "Delete"), LEFT)
    window.activateWindow()
    qtbot.waitUntil(lambda: sessions.model.rowCount() == 0)
    qtbot.waitUntil(window.isActiveWindow)
    focused = QApplication.focusWidget()
    assert focused is not None
    assert sessions.isAncestorOf(focused)


def test_tab_goes_through_the_stages_and_a_new_one_is_named_at_once(
    window: MainWindow, qtbot: QtBot
) -> None:
    dialog = StagesDialog(Project(title="Study"), window)
    dialog.show()
    qtbot.waitExposed(dialog)
    dialog.activateWindow()
    qtbot.waitUntil(dialog.table.hasFocus)
    assert not dialog.remove.isEnabled()
    qtbot.keyClick(dialog.table, Qt.Key.Key_Tab)
    assert dialog.add.hasFocus()
    qtbot.keyClick(dialog.add, Qt.Key.Key_Space)
    qtbot.keyClicks(dialog.focusWidget(), "Second look")
    qtbot.keyClick(dialog.focusWidget(), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: dialog.stages[-1].name == "Second look")
    qtbot.mouseClick(dialog.remove, LEFT)
    assert [each.name for each in dialog.stages] == ["Without AI", "With AI"]
    qtbot.mouseClick(dialog.seal, LEFT)
    assert "recovery file" in dialog.problem.text()
    qtbot.keyClicks(dialog.file, "study.key")
    assert not dialog.problem.text()
    box = dialog.table.item(0, 3)
    assert box is not None
    assert box.data(Qt.ItemDataRole.AccessibleTextRole) == "Hide names of slides"
    # On a low screen it scrolls; its fields do not lie on one another.
    dialog.resize(620, 330)
    qtbot.waitUntil(lambda: dialog.height() == 330)
    assert dialog.file.geometry().bottom() < dialog.passphrase.geometry().top()
    assert dialog.passphrase.height() >= dialog.passphrase.minimumSizeHint().height()
    assert dialog.table.height() >= 120
    dialog.reject()
    dialog.deleteLater()


def test_an_agent_is_stopped_before_it_begins(slide_window: MainWindow, qtbot: QtBot) -> None:
    window, panel = slide_window, slide_window.agents.panel
    press(qtbot, window, Qt.Key.Key_J, CTRL | Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(panel.isVisible)
    panel.start.setFocus()
    press(qtbot, window, Qt.Key.Key_Space)
    assert panel.stop.hasFocus()
    assert not panel.pause.isEnabled()
    press(qtbot, window, Qt.Key.Key_Space)
    assert window.agents.walk is None
    assert window.status.currentMessage() == "The agent was stopped before it began."
    assert panel.start.isEnabled()
    press(qtbot, window, Qt.Key.Key_Escape)
    panel.start.setFocus()
    press(qtbot, window, Qt.Key.Key_Space)
    qtbot.waitUntil(panel.pause.isEnabled, timeout=_LONG_MS)
    qtbot.mouseClick(panel.stop, LEFT)
    walk = window.agents.walk
    assert walk is not None
    qtbot.waitUntil(lambda: walk.state is AgentState.CANCELED, timeout=_LONG_MS)


def test_an_agent_that_starts_ends_the_replay(
    make_window: Callable[[Settings], MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    window = make_window(AGREED)
    show_slide(window, sample_slide, qtbot)
    record(window, qtbot)
    start_replay(window, qtbot)
    pane, panel = window.panes.active, window.agents.panel
    assert pane.modes.names
    panel.show()
    qtbot.mouseClick(panel.start, LEFT)
    assert not pane.modes.names
    assert not panels(window).replay.isVisible()
    qtbot.mouseClick(panel.stop, LEFT)
