"""The folders whose slides are read without a process of their own, in the settings dialog."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from viewer.settings import Settings
from viewer.ui.settings_dialog import SettingsDialog


def test_trusted_folders_are_typed_and_kept(qtbot: QtBot) -> None:
    dialog = SettingsDialog(Settings(trusted_folders=["/scanner"]))
    qtbot.addWidget(dialog)
    assert dialog.settings.trusted_folders == ["/scanner"]
    editors = dialog.findChildren(QLineEdit)
    editor = next(each for each in editors if each.accessibleName() == "Trusted folders")
    QTest.keyClick(editor, Qt.Key.Key_End)
    QTest.keyClicks(editor, "; /my slides ;")
    assert dialog.settings.trusted_folders == ["/scanner", "/my slides"]
    editor.clear()
    assert dialog.settings.trusted_folders == []
