"""The inspector's pages: one at a time, one pinned below, one in a window of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QApplication
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, press

from viewer.ui.main_window import MainWindow
from viewer.ui.shell.inspector import PageWindow
from viewer.ui.shell.page import Page


def click(button: QAbstractButton, qtbot: QtBot) -> None:
    assert button.isVisible()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    QApplication.processEvents()


def rail(window: MainWindow, name: str) -> QAbstractButton:
    return window.frame.inspector.rail.button(name)


def page(window: MainWindow, name: str) -> Page:
    return window.frame.inspector.pages[name]


def page_windows() -> list[PageWindow]:
    windows = QApplication.topLevelWidgets()
    return [each for each in windows if isinstance(each, PageWindow) and each.isVisible()]


@pytest.fixture
def high(window: MainWindow) -> MainWindow:
    window.resize(1200, 860)
    return window


def test_a_page_is_pinned_below_the_others(high: MainWindow, qtbot: QtBot) -> None:
    slide, annotate, ai = (page(high, name) for name in ("slide", "annotate", "ai"))
    click(rail(high, "annotate"), qtbot)
    assert annotate.isVisible()
    click(annotate.pin, qtbot)
    click(rail(high, "slide"), qtbot)
    assert slide.isVisible()
    assert annotate.isVisible()
    assert rail(high, "slide").isChecked()
    assert rail(high, "annotate").isChecked()
    around = annotate.parentWidget()
    assert around is not None
    qtbot.waitUntil(lambda: annotate.y() + around.y() >= slide.height())
    # The rail changes the upper one; the pinned one stays.
    click(rail(high, "ai"), qtbot)
    assert (slide.isVisible(), ai.isVisible(), annotate.isVisible()) == (False, True, True)
    # Another is pinned in its place, and what was pinned is no more.
    click(ai.pin, qtbot)
    assert (ai.isVisible(), annotate.isVisible()) == (True, False)
    click(ai.pin, qtbot)
    assert not ai.pin.isChecked()
    assert ai.isVisible(), "it stays as the page of the rail"
    click(rail(high, "ai"), qtbot)
    assert not high.frame.inspector.isVisible()


def test_a_low_window_says_why_nothing_is_pinned(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(1000, 560)
    click(rail(window, "annotate"), qtbot)
    click(page(window, "annotate").pin, qtbot)
    assert "too low for two pages" in window.status.currentMessage()
    assert not page(window, "annotate").pin.isChecked()


def test_a_page_has_a_window_of_its_own_and_comes_back(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    window, annotate = slide_window, page(slide_window, "annotate")
    click(rail(window, "annotate"), qtbot)
    click(annotate.undock, qtbot)
    (own,) = page_windows()
    assert own.isAncestorOf(annotate)
    assert annotate.isVisible()
    assert not window.frame.inspector.isVisible()
    assert window.commands["panels.annotations"].isChecked()
    # The keys of the main window's commands work in it.
    own.activateWindow()
    qtbot.waitUntil(own.isActiveWindow)
    before = window.panes.active.canvas.destination.downsample
    qtbot.keyClick(own, Qt.Key.Key_5)
    assert window.panes.active.canvas.destination.downsample != before
    click(annotate.undock, qtbot)
    assert page_windows() == []
    assert window.frame.inspector.isAncestorOf(annotate)
    assert annotate.isVisible()
    # Closed as a window it folds away, and the rail brings it back.
    click(annotate.undock, qtbot)
    page_windows()[0].close()
    assert not annotate.isVisible()
    assert not rail(window, "annotate").isChecked()
    click(rail(window, "annotate"), qtbot)
    assert annotate.isVisible()
    assert window.frame.inspector.isAncestorOf(annotate)


def test_pinned_and_undocked_pages_come_back(
    make_window: Callable[[], MainWindow], qtbot: QtBot
) -> None:
    first = make_window()
    first.resize(1200, 860)
    click(rail(first, "agent"), qtbot)
    click(page(first, "agent").undock, qtbot)
    click(rail(first, "sessions"), qtbot)
    click(page(first, "sessions").pin, qtbot)
    click(rail(first, "slide"), qtbot)
    page_windows()[0].resize(420, 500)
    first.close()
    assert page_windows() == [], "no window outlives the main one"
    again = make_window()
    (own,) = page_windows()
    assert own.isAncestorOf(page(again, "agent"))
    assert (own.width(), own.height()) == (420, 500)
    assert page(again, "sessions").isVisible()
    assert page(again, "sessions").pin.isChecked()
    assert page(again, "slide").isVisible()


@pytest.mark.parametrize("size_px", [(800, 600), (1024, 700)])
def test_drawer_and_inspector_never_make_the_window_larger(
    size_px: tuple[int, int], window: MainWindow, qtbot: QtBot
) -> None:
    window.resize(*size_px)
    assert (window.width(), window.height()) == size_px
    drawer, inspector = window.frame.drawer, window.frame.inspector
    assert drawer is not None
    for name in inspector.pages:
        if not rail(window, name).isChecked():
            click(rail(window, name), qtbot)
        for panel in page(window, name).panels:
            panel.show()
            QApplication.processEvents()
            assert (window.width(), window.height()) == size_px, panel.windowTitle()
    press(qtbot, window, Qt.Key.Key_T, CTRL)
    QApplication.processEvents()
    assert drawer.isVisible()
    assert (window.width(), window.height()) == size_px
    assert inspector.isVisible() is (size_px[0] > 1000)
    click(rail(window, "slide"), qtbot)
    QApplication.processEvents()
    assert inspector.isVisible()
    assert (window.width(), window.height()) == size_px
    window.resize(1366, 768)
    press(qtbot, window, Qt.Key.Key_T, CTRL)
    QApplication.processEvents()
    window.resize(820, 600)
    QApplication.processEvents()
    assert window.width() == 820
    assert (drawer.isVisible(), inspector.isVisible()) == (False, True)


def test_the_drawer_comes_back_when_there_is_room_again(window: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, window, Qt.Key.Key_T, CTRL)
    click(rail(window, "slide"), qtbot)
    drawer = window.frame.drawer
    assert drawer is not None
    assert drawer.isVisible()
    window.resize(820, 600)
    qtbot.waitUntil(lambda: not drawer.isVisible())
    window.resize(1000, 700)
    qtbot.waitUntil(drawer.isVisible)
    window.resize(820, 600)
    qtbot.waitUntil(lambda: not drawer.isVisible())
    click(rail(window, "slide"), qtbot)
    assert drawer.isVisible(), "the page at the right made room"
    press(qtbot, window, Qt.Key.Key_T, CTRL)
    assert not drawer.isVisible()
    window.resize(1000, 700)
    QApplication.processEvents()
    assert not drawer.isVisible(), "the user folded it away"
