"""Click to segment as a reader does it: real window, real process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot
from ui_steps import ALT, SHIFT, press, show_slide

from viewer.geometry import Point
from viewer.overlays.clicked_regions import regions_path
from viewer.ui.main_window import MainWindow

_PATIENCE_MS = 30_000


@pytest.fixture
def at_40x(slide_window: MainWindow, qtbot: QtBot) -> MainWindow:
    canvas = slide_window.panes.active.canvas
    canvas.go_to(Point(1300, 1300), 0.5, animated=False)
    qtbot.waitUntil(lambda: canvas.is_sharp)
    canvas.setFocus()
    press(qtbot, slide_window, Qt.Key.Key_K)
    return slide_window


def _click(window: MainWindow, qtbot: QtBot, at: QPoint, keys: Qt.KeyboardModifier) -> None:
    qtbot.mouseClick(window.panes.active.canvas, Qt.MouseButton.LeftButton, keys, at)


def _tool(window: MainWindow):
    return window.overlays._clicks.tool


def test_a_click_outlines_and_enter_keeps(
    at_40x: MainWindow, make_window: Callable[[], MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    canvas, tool = at_40x.panes.active.canvas, _tool(at_40x)
    before = canvas.view
    middle = canvas.rect().center()
    _click(at_40x, qtbot, middle, Qt.KeyboardModifier.NoModifier)
    qtbot.waitUntil(lambda: len(tool.rings) > 0, timeout=_PATIENCE_MS)
    assert canvas.view == before
    _click(at_40x, qtbot, middle + QPoint(60, 40), SHIFT)
    assert len(tool.prompt.inside) == 2
    _click(at_40x, qtbot, middle + QPoint(-150, -90), ALT)
    assert len(tool.prompt.outside) == 1
    press(qtbot, at_40x, Qt.Key.Key_Backspace)
    press(qtbot, at_40x, Qt.Key.Key_Backspace)
    assert (len(tool.prompt.inside), tool.prompt.outside) == (1, ())
    qtbot.waitUntil(lambda: len(tool.rings) > 0, timeout=_PATIENCE_MS)
    press(qtbot, at_40x, Qt.Key.Key_Return)
    pane = at_40x.panes.active
    qtbot.waitUntil(lambda: at_40x.overlays.run_of(pane) is not None, timeout=_PATIENCE_MS)
    assert tool.prompt.is_empty
    overlay = at_40x.overlays.run_of(pane)
    assert overlay is not None
    assert overlay.found.count >= 1
    path = regions_path(overlay.identity)
    assert json.loads(path.read_text())["features"][0]["properties"]["measurements"]["Area um2"] > 0
    at_40x.close()
    again = make_window()
    show_slide(again, sample_slide, qtbot)
    qtbot.waitUntil(lambda: again.overlays.run_of(again.panes.active) is not None)


def test_a_box_is_drawn_while_space_and_wheel_still_move_the_slide(
    at_40x: MainWindow, qtbot: QtBot
) -> None:
    canvas, tool = at_40x.panes.active.canvas, _tool(at_40x)
    middle, left = canvas.rect().center(), Qt.MouseButton.LeftButton
    qtbot.mousePress(canvas, left, pos=middle)
    qtbot.mouseMove(canvas, middle + QPoint(80, 60))
    qtbot.mouseRelease(canvas, left, pos=middle + QPoint(80, 60))
    assert tool.prompt.box is not None
    assert tool.prompt.box.width == pytest.approx(80 * canvas.view.downsample)
    qtbot.waitUntil(lambda: len(tool.rings) > 0, timeout=_PATIENCE_MS)
    before = canvas.view.center
    qtbot.keyPress(canvas, Qt.Key.Key_Space)
    qtbot.mousePress(canvas, left, pos=middle)
    qtbot.mouseMove(canvas, middle + QPoint(50, 0))
    qtbot.mouseRelease(canvas, left, pos=middle + QPoint(50, 0))
    qtbot.keyRelease(canvas, Qt.Key.Key_Space)
    assert canvas.view.center.x < before.x
    press(qtbot, at_40x, Qt.Key.Key_Escape)
    assert tool.prompt.is_empty
    assert len(tool.rings) == 0
    press(qtbot, at_40x, Qt.Key.Key_K)
    after = canvas.view.center
    qtbot.mousePress(canvas, left, pos=middle)
    qtbot.mouseMove(canvas, middle + QPoint(50, 0))
    qtbot.mouseRelease(canvas, left, pos=middle + QPoint(50, 0))
    assert canvas.view.center.x < after.x
