"""The bar with the options of the tool in hand: there while one draws, in step with the menu."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot
from ui_steps import press

from viewer.ui.annotations.tool_options import ToolOptions
from viewer.ui.main_window import MainWindow

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def bar(slide_window: MainWindow, qtbot: QtBot) -> ToolOptions:
    qtbot.waitUntil(lambda: slide_window.annotations.active is not None, timeout=20_000)
    return slide_window.annotations.tool_options


def test_the_bar_is_there_only_with_a_tool_that_draws_and_moves_nothing(
    slide_window: MainWindow, bar: ToolOptions, qtbot: QtBot
) -> None:
    window, canvas = slide_window, slide_window.panes.active.canvas
    before = canvas.view
    assert not bar.isVisible()
    shown: dict[str, set[str]] = {}
    for key, name in ((Qt.Key.Key_B, "brush"), (Qt.Key.Key_W, "wand"), (Qt.Key.Key_R, "rectangle")):
        press(qtbot, window, key)
        assert bar.isVisible()
        boxes = {"size": bar.brush, "sensitivity": bar.wand, "return": bar.returns, **bar.checks}
        shown[name] = {option for option, box in boxes.items() if box.isVisible()}
    assert shown == {
        "brush": {"size", "avoid_overlap", "brush_on_slide"},
        "wand": {"sensitivity", "avoid_overlap"},
        "rectangle": {"snapping", "avoid_overlap", "return"},
    }
    assert canvas.view == before
    assert "Drag" in window.status.currentMessage()
    press(qtbot, window, Qt.Key.Key_M)
    assert not bar.isVisible()
    assert window.status.currentMessage() == ""


def test_options_are_the_ones_of_menu_and_keys(
    slide_window: MainWindow, bar: ToolOptions, qtbot: QtBot
) -> None:
    window, options = slide_window, slide_window.toolbox.options
    press(qtbot, window, Qt.Key.Key_B)
    press(qtbot, window, Qt.Key.Key_BracketRight)
    assert bar.brush.value() == round(options.brush_px) == 60
    bar.brush.setValue(80)
    assert options.brush_px == 80
    qtbot.mouseClick(bar.checks["avoid_overlap"], LEFT, pos=QPoint(8, 8))
    assert options.avoid_overlap
    assert window.commands["annotate.avoid_overlap"].isChecked()
    window.commands["annotate.avoid_overlap"].trigger()
    assert not bar.checks["avoid_overlap"].isChecked()
    downsample = window.panes.active.canvas.view.downsample
    qtbot.mouseClick(bar.checks["brush_on_slide"], LEFT, pos=QPoint(8, 8))
    assert options.brush_px == pytest.approx(80 * downsample)
    press(qtbot, window, Qt.Key.Key_R)
    qtbot.mouseClick(bar.returns, LEFT, pos=QPoint(8, 8))
    assert window.settings.back_to_moving
