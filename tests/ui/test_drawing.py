"""An annotator draws in a real window: keys choose tools, nothing drawn is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from annotating_steps import begin, click, double_click, drag, end, hover, line, mouse
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from session_lines import read_lines
from ui_steps import CTRL, SHIFT, active_annotations, press, show_slide

from viewer.canvas.annotating.brush_tool import BrushTool
from viewer.canvas.canvas import SlideCanvas
from viewer.recording.events import AnnotationChanged, ToolChosen
from viewer.recording.library import Library
from viewer.settings import Settings
from viewer.ui.annotations import toolbox
from viewer.ui.commands.annotating import TOOL_NAMES, tool_id
from viewer.ui.main_window import MainWindow

A, B = QPoint(300, 200), QPoint(450, 320)
KEYS = {
    Qt.Key.Key_S: "select",
    Qt.Key.Key_R: "rectangle",
    Qt.Key.Key_O: "ellipse",
    Qt.Key.Key_P: "polygon",
    Qt.Key.Key_B: "brush",
    Qt.Key.Key_E: "eraser",
    Qt.Key.Key_W: "wand",
    Qt.Key.Key_Period: "points",
    Qt.Key.Key_L: "line",
    Qt.Key.Key_V: "polyline",
    Qt.Key.Key_M: "move",
}


@pytest.fixture
def drawing(slide_window: MainWindow, qtbot: QtBot) -> MainWindow:
    """A window whose slide can be drawn on."""
    wait_for_annotations(slide_window, qtbot)
    return slide_window


def wait_for_annotations(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: window.annotations.active is not None, timeout=20_000)


def canvas_of(window: MainWindow) -> SlideCanvas:
    return window.panes.active.canvas


def test_keys_choose_tools_and_the_bar_shows_which(drawing: MainWindow, qtbot: QtBot) -> None:
    names: list[str] = []
    drawing.toolbox.tool_chosen.connect(names.append)
    for key in KEYS:
        press(qtbot, drawing, key)
    press(qtbot, drawing, Qt.Key.Key_L, SHIFT)
    press(qtbot, drawing, Qt.Key.Key_V, SHIFT)
    assert names == [*KEYS.values(), "ruler", "angle"]
    checked = [name for name in TOOL_NAMES if drawing.commands[tool_id(name)].isChecked()]
    assert checked == ["angle"]
    assert canvas_of(drawing).cursor().shape() == Qt.CursorShape.CrossCursor
    press(qtbot, drawing, Qt.Key.Key_M)
    assert drawing.toolbox.tool_of(drawing.panes.active) is None


def test_the_slide_moves_with_no_tool_and_is_drawn_on_with_one(
    drawing: MainWindow, qtbot: QtBot
) -> None:
    canvas = canvas_of(drawing)
    before = canvas.view.center
    drag(canvas, line(A, B))
    qtbot.waitUntil(lambda: not canvas.is_moving)
    moved = canvas.view.center
    assert moved != before
    press(qtbot, drawing, Qt.Key.Key_R)
    drag(canvas, line(A, B))
    assert canvas.view.center == moved
    assert len(active_annotations(drawing).document) == 1
    assert "m²" not in drawing.status.drawing.text()
    press(qtbot, drawing, Qt.Key.Key_Z, CTRL)
    assert len(active_annotations(drawing).document) == 0


def test_the_measure_is_told_while_drawing(drawing: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, drawing, Qt.Key.Key_R)
    begin(canvas_of(drawing), line(A, B))
    assert "m²" in drawing.status.drawing.text()
    press(qtbot, drawing, Qt.Key.Key_Escape)
    assert drawing.status.drawing.text() == ""
    end(canvas_of(drawing), B)
    assert len(active_annotations(drawing).document) == 0


def test_another_tool_finishes_what_was_begun(drawing: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, drawing, Qt.Key.Key_P)
    for place in (A, B, QPoint(300, 400)):
        click(canvas_of(drawing), place)
    press(qtbot, drawing, Qt.Key.Key_B)
    (drawn,) = active_annotations(drawing).document
    assert drawn.geometry.geom_type == "Polygon"


@pytest.mark.parametrize("key", [Qt.Key.Key_B, Qt.Key.Key_P, Qt.Key.Key_R])
def test_a_window_closed_within_a_stroke_keeps_it(
    drawing: MainWindow,
    make_window: Callable[[], MainWindow],
    sample_slide: Path,
    qtbot: QtBot,
    key: Qt.Key,
) -> None:
    press(qtbot, drawing, key)
    begin(canvas_of(drawing), [*line(A, B), *line(B, QPoint(340, 400))])
    drawing.close()
    again = make_window()
    show_slide(again, sample_slide, qtbot)
    wait_for_annotations(again, qtbot)
    (kept,) = active_annotations(again).document
    assert kept.geometry.length > 100


def test_s_held_is_for_a_moment(drawing: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, drawing, Qt.Key.Key_B)
    canvas = canvas_of(drawing)
    QTest.keyPress(canvas, Qt.Key.Key_S)
    held_until_s = time.monotonic() + toolbox._HELD_S
    assert drawing.toolbox.name == "select"
    qtbot.waitUntil(lambda: time.monotonic() > held_until_s)
    QTest.keyRelease(canvas, Qt.Key.Key_S)
    assert drawing.toolbox.name == "brush"
    press(qtbot, drawing, Qt.Key.Key_S)
    assert drawing.toolbox.name == "select"


@pytest.mark.parametrize(
    ("key", "is_back"),
    [
        (Qt.Key.Key_R, True),
        (Qt.Key.Key_O, True),
        (Qt.Key.Key_L, True),
        (Qt.Key.Key_P, True),
        (Qt.Key.Key_V, True),
        (Qt.Key.Key_B, False),
        (Qt.Key.Key_W, False),
        (Qt.Key.Key_Period, False),
    ],
)
def test_after_a_shape_the_mouse_moves_the_slide_again_where_asked(
    drawing: MainWindow, qtbot: QtBot, key: Qt.Key, is_back: bool
) -> None:
    press(qtbot, drawing, key)
    drag(canvas_of(drawing), [*line(A, B), *line(B, QPoint(340, 420))])
    assert drawing.toolbox.name == KEYS[key]
    count = len(active_annotations(drawing).document)
    assert count == 1
    drawing.change_settings(back_to_moving=True)
    click(canvas_of(drawing), QPoint(600, 100))  # no shape, but for brush, wand and points
    press(qtbot, drawing, Qt.Key.Key_Escape)
    assert drawing.toolbox.name == KEYS[key]
    drag(canvas_of(drawing), [*line(A, B), *line(B, QPoint(340, 420))])
    assert drawing.toolbox.name == ("move" if is_back else KEYS[key])
    assert (len(active_annotations(drawing).document) == count + 1) or not is_back


def test_the_click_that_closes_a_polygon_neither_moves_nor_zooms_the_slide(
    drawing: MainWindow, qtbot: QtBot
) -> None:
    drawing.change_settings(back_to_moving=True)
    canvas = canvas_of(drawing)
    before = canvas.view
    press(qtbot, drawing, Qt.Key.Key_P)
    for place in (A, B, QPoint(300, 400)):
        click(canvas, place)
    begin(canvas, [A, B])
    end(canvas, B)
    assert drawing.toolbox.name == "move"
    mouse(canvas, QEvent.Type.MouseButtonDblClick, A)
    end(canvas, A)
    assert len(active_annotations(drawing).document) == 1
    assert not canvas.is_moving
    assert canvas.view == before
    double_click(canvas, A)
    qtbot.waitUntil(lambda: canvas.view.downsample < before.downsample)


def test_a_shape_that_another_tool_finishes_leaves_that_tool_in_hand(
    drawing: MainWindow, qtbot: QtBot
) -> None:
    drawing.change_settings(back_to_moving=True)
    press(qtbot, drawing, Qt.Key.Key_P)
    for place in (A, B, QPoint(300, 400)):
        click(canvas_of(drawing), place)
    press(qtbot, drawing, Qt.Key.Key_B)
    assert len(active_annotations(drawing).document) == 1
    assert drawing.toolbox.name == "brush"


def test_the_size_of_the_brush_and_the_options_are_kept(
    drawing: MainWindow, make_window: Callable[[], MainWindow], qtbot: QtBot
) -> None:
    press(qtbot, drawing, Qt.Key.Key_B)
    hover(canvas_of(drawing), A)
    before = drawing.toolbox.options.brush_px
    press(qtbot, drawing, Qt.Key.Key_BracketRight)
    press(qtbot, drawing, Qt.Key.Key_BracketRight)
    press(qtbot, drawing, Qt.Key.Key_BracketLeft)
    larger = drawing.toolbox.options.brush_px
    assert larger == pytest.approx(before * 1.2)
    assert "µm wide" in drawing.status.drawing.text()
    drawing.commands["annotate.avoid_overlap"].trigger()
    assert drawing.toolbox.options.avoid_overlap
    drawing.close()
    again = make_window()
    assert again.toolbox.options.brush_px == larger
    assert again.toolbox.options.avoid_overlap
    assert again.commands["annotate.avoid_overlap"].isChecked()


def test_click_to_segment_and_the_tools_take_turns(drawing: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, drawing, Qt.Key.Key_B)
    press(qtbot, drawing, Qt.Key.Key_K)
    assert drawing.toolbox.name == "move"
    assert drawing.commands["overlays.click"].isChecked()
    drag(canvas_of(drawing), line(A, B))
    assert len(active_annotations(drawing).document) == 0
    press(qtbot, drawing, Qt.Key.Key_B)
    assert not drawing.commands["overlays.click"].isChecked()
    drag(canvas_of(drawing), line(A, B))
    assert len(active_annotations(drawing).document) == 1


def test_each_pane_has_the_tool_over_its_own_slide(
    drawing: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    press(qtbot, drawing, Qt.Key.Key_B)
    first = drawing.panes.active
    press(qtbot, drawing, Qt.Key.Key_Backslash, CTRL)
    show_slide(drawing, sample_slide, qtbot)
    wait_for_annotations(drawing, qtbot)
    second = drawing.panes.active
    assert second is not first
    tools = [drawing.toolbox.tool_of(pane) for pane in (first, second)]
    assert all(isinstance(tool, BrushTool) for tool in tools)
    assert tools[0] is not tools[1]
    drag(second.canvas, line(QPoint(100, 100), QPoint(200, 180)))
    drag(first.canvas, line(QPoint(100, 300), QPoint(200, 380)))
    assert len(active_annotations(drawing).document) == 2  # one slide, one document
    press(qtbot, drawing, Qt.Key.Key_W, CTRL)
    qtbot.waitUntil(lambda: drawing.toolbox.tool_of(drawing.panes.active) is None)
    QApplication.processEvents()


def test_tools_and_strokes_reach_the_recorder(
    make_window: Callable[[Settings], MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    window = make_window(Settings(reader="r", consent_utc="2026-11-24T08:00:00+00:00"))
    show_slide(window, sample_slide, qtbot)
    wait_for_annotations(window, qtbot)
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    control = window.recording.control
    qtbot.waitUntil(lambda: control.recording_of(window.panes.active) is not None)
    recording = control.recording_of(window.panes.active)
    assert recording is not None
    session = recording.recorder.folder
    press(qtbot, window, Qt.Key.Key_B)
    drag(canvas_of(window), line(A, B))
    press(qtbot, window, Qt.Key.Key_M)
    window.close()
    assert session.parent == Library().folder
    events = [each.event for each in read_lines(session)]
    assert [each.name for each in events if isinstance(each, ToolChosen)] == ["brush", "move"]
    assert [each.change for each in events if isinstance(each, AnnotationChanged)] == ["made"]


@pytest.mark.parametrize("key", [Qt.Key.Key_R, Qt.Key.Key_O, Qt.Key.Key_L])
def test_enter_draws_in_the_middle_of_the_view(
    drawing: MainWindow, key: Qt.Key, qtbot: QtBot
) -> None:
    canvas, active = canvas_of(drawing), active_annotations(drawing)
    press(qtbot, drawing, Qt.Key.Key_5)
    qtbot.waitUntil(lambda: not canvas.is_moving)
    press(qtbot, drawing, key)
    press(qtbot, drawing, Qt.Key.Key_Return)
    (drawn,) = active.document
    seen = canvas.view.box
    x0, y0, x1, y1 = drawn.geometry.bounds
    assert (x1 - x0) == pytest.approx((seen.x1 - seen.x0) / 2)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx(canvas.view.center)
    assert drawn.id in active.selection
    press(qtbot, drawing, Qt.Key.Key_1, CTRL)
    assert next(iter(active.document)).class_name
    press(qtbot, drawing, Qt.Key.Key_Z, CTRL)
    press(qtbot, drawing, Qt.Key.Key_Z, CTRL)
    assert len(active.document) == 0
