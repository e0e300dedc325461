"""The documents, read in the window without a network."""

from __future__ import annotations

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QTextDocument
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, SHIFT, press

from viewer.resource_files import document
from viewer.ui.commands import COMMANDS
from viewer.ui.help_window import FIRST, PAGES, HelpWindow, page_of
from viewer.ui.main_window import MainWindow


def shown(help_window: HelpWindow, page: str, qtbot: QtBot) -> str:
    qtbot.waitUntil(lambda: help_window.page == document(page))
    return help_window.text.toPlainText()


def test_every_panel_has_a_page() -> None:
    panels = {each.id.split(".")[1] for each in COMMANDS if each.id.startswith("panels.")}
    assert set(PAGES) - {""} <= panels
    assert all(document(page_of(panel)).is_file() for panel in panels)


def test_the_page_of_the_panel_in_front_opens_and_leads_to_all(
    window: MainWindow, qtbot: QtBot
) -> None:
    press(qtbot, window, Qt.Key.Key_F1, SHIFT)
    assert "Moving" in shown(window.help, "viewing.md", qtbot)
    window.help.close()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    press(qtbot, window, Qt.Key.Key_D, CTRL | SHIFT)
    press(qtbot, window, Qt.Key.Key_F1, SHIFT)
    assert "model.json" in shown(window.help, "models.md", qtbot)
    qtbot.mouseClick(window.help.home, Qt.MouseButton.LeftButton)
    shown(window.help, FIRST, qtbot)
    assert (
        window.help.text.document()
        .resource(QTextDocument.ResourceType.ImageResource.value, QUrl("pictures/window.png"))
        .width()
        == 720
    )
    qtbot.mouseClick(window.help.back, Qt.MouseButton.LeftButton)
    shown(window.help, "models.md", qtbot)
    qtbot.keyClicks(window.help.words, "onnx")
    assert window.help.text.textCursor().selectedText().casefold() == "onnx"


def test_links_lead_to_pages_and_headings(window: MainWindow, qtbot: QtBot) -> None:
    help_window = window.help
    help_window.show_page("viewing.md")
    shown(help_window, "viewing.md", qtbot)
    help_window.text.anchorClicked.emit(QUrl("index.md"))
    shown(help_window, FIRST, qtbot)
    help_window.text.anchorClicked.emit(QUrl("models.md#results-made-elsewhere"))
    shown(help_window, "models.md", qtbot)
    qtbot.waitUntil(lambda: help_window.text.verticalScrollBar().value() > 0)
    assert help_window.text.textCursor().block().text() == "Results made elsewhere"
    help_window.text.anchorClicked.emit(QUrl("gone.md"))
    qtbot.waitUntil(lambda: "cannot be shown" in help_window.text.toPlainText())


def test_what_only_the_site_fills_in_is_said(window: MainWindow, qtbot: QtBot) -> None:
    window.help.show_page("api.md")
    text = shown(window.help, "api.md", qtbot)
    assert "help(coverslip)" in text
    assert ":::" not in text
