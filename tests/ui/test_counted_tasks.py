"""The tasks of reading, done with as few clicks and keys as docs/compared-with-qupath.md counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QComboBox, QWidget
from pytestqt.qtbot import QtBot
from test_clicks_counted import told
from test_recording import AGREED
from ui_steps import CTRL, SHIFT, press, record_rest, rest, show_slide

from viewer.settings import Settings
from viewer.ui.main_window import MainWindow
from viewer.ui.recording.control import RecordingState


class Hands:
    """Click and press, and count it."""

    def __init__(self, window: MainWindow, qtbot: QtBot) -> None:
        self._window, self._qtbot = window, qtbot
        self._count = 0

    def click(self, widget: QWidget) -> None:
        self._qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)
        self._count += 1

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier) -> None:
        press(self._qtbot, self._window, key, modifier)
        self._count += 1

    def choose(self, box: QComboBox, row: int) -> None:
        """Open a list of choices and take one of them."""
        self.click(box)
        # A list takes no choice before a double click would be over.
        self._qtbot.wait(QApplication.doubleClickInterval())
        view = box.view()
        self._qtbot.waitUntil(view.isVisible)
        place = view.visualRect(view.model().index(row, 0)).center()
        self._qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
        self._count += 1

    def take_count(self) -> int:
        count, self._count = self._count, 0
        return count


def test_record_replay_and_see_what_was_missed(
    make_window: Callable[[Settings], MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    window = make_window(AGREED)
    show_slide(window, sample_slide, qtbot)
    tasks = told()
    hands, control, panels = Hands(window, qtbot), window.recording.control, window.recording.panels
    pill, canvas = window.recording.pill, window.panes.active.canvas

    hands.click(pill)
    qtbot.waitUntil(lambda: control.recording_of(window.panes.active) is not None)
    window.commands["view.magnify_20"].trigger()
    rest(window, qtbot)
    record_rest(window, qtbot)
    hands.click(pill)
    assert control.state is RecordingState.OFF
    assert hands.take_count() == tasks["Start and stop a recording"][0]

    notice = window.recording.saved.bar
    qtbot.waitUntil(notice.isVisible)
    hands.click(notice.button)
    qtbot.waitUntil(panels.replay.isVisible)
    assert hands.take_count() == tasks["Replay it, right after"][0]
    panels.replay.exit.click()
    qtbot.waitUntil(lambda: not panels.replay.isVisible())

    hands.click(window.frame.inspector.rail.button("sessions"))
    qtbot.waitUntil(panels.sessions.replay.isEnabled)
    hands.click(panels.sessions.replay)
    qtbot.waitUntil(panels.replay.isVisible)
    assert hands.take_count() == tasks["Replay the last recording of the slide, later"][0]
    panels.replay.exit.click()

    hands.press(Qt.Key.Key_E, CTRL | SHIFT)
    qtbot.waitUntil(lambda: "Tissue seen at 10x" in panels.seen.figures.text(), timeout=20_000)
    hands.choose(panels.seen.unseen, 3)
    qtbot.waitUntil(lambda: "unseen tissue" in canvas.shown_layers)
    assert hands.take_count() == tasks["See what was missed"][0]

    window.panes.active.focus()
    window.commands["view.magnify_20"].trigger()
    rest(window, qtbot)
    seen = canvas.view
    window.commands["view.home"].trigger()
    rest(window, qtbot)
    hands.press(Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    rest(window, qtbot)
    assert canvas.view == seen
    assert hands.take_count() == 1
