"""Where the keyboard is: of a window that is there, and of one that went."""

from __future__ import annotations

import shiboken6
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication, QLineEdit, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from viewer.ui.recording.presence import Presence


def test_the_keyboard_goes_from_the_slide_to_a_panel(qtbot: QtBot) -> None:
    window, panes, panel = QWidget(), QWidget(), QLineEdit()
    slide = QLineEdit(panes)
    qtbot.addWidget(window)
    rows = QVBoxLayout(window)
    rows.addWidget(panes)
    rows.addWidget(panel)
    presence = Presence(panes, window)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    slide.setFocus()
    presence.start()
    assert presence.place == "slide"
    with qtbot.waitSignal(presence.place_changed):
        panel.setFocus()
    assert presence.place == "panel"
    presence.stop()


def test_nothing_is_looked_for_in_a_window_that_went(qtbot: QtBot) -> None:
    parent, panes = QObject(), QWidget()
    presence = Presence(panes, parent)
    looked: list[object] = []
    presence.place_changed.connect(looked.append)
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    presence._settle.start()
    shiboken6.delete(panes)
    application.focusChanged.emit(None, None)
    qtbot.wait(1)  # an error in what Qt calls fails the test
    assert not presence._settle.isActive()
    assert not looked
