"""Click to segment as a reader does it: real window, real process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from annotating_steps import drag, line
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot
from test_drawing import wait_for_annotations
from ui_steps import ALT, CTRL, SHIFT, active_annotations, press, show_slide

from viewer.annotations.annotation import AnnotationClass
from viewer.geometry import Point
from viewer.inference.models.model_library import all_models
from viewer.overlays.clicked_regions import regions_path
from viewer.overlays.files.geojson import write_geojson
from viewer.overlays.objects import Objects
from viewer.slides import open_slide
from viewer.ui.commands.annotating import TOOL_NAMES, tool_id
from viewer.ui.main_window import MainWindow

_PATIENCE_MS = 30_000
NUCLEUS, CYTOPLASM = (859, 2303), (1100, 1250)
"""Level-0 pixels of the sample slide."""


@pytest.fixture
def at_40x(slide_window: MainWindow, qtbot: QtBot) -> MainWindow:
    canvas = slide_window.panes.active.canvas
    canvas.go_to(Point(*NUCLEUS), 0.5, animated=False)
    qtbot.waitUntil(lambda: canvas.is_sharp)
    canvas.setFocus()
    wait_for_annotations(slide_window, qtbot)
    press(qtbot, slide_window, Qt.Key.Key_K)
    return slide_window


def _click(window: MainWindow, qtbot: QtBot, at: QPoint, keys: Qt.KeyboardModifier) -> None:
    qtbot.mouseClick(window.panes.active.canvas, Qt.MouseButton.LeftButton, keys, at)


def _tool(window: MainWindow):
    return window.overlays._clicks.tool


def _middle(window: MainWindow) -> QPoint:
    return window.panes.active.canvas.rect().center()


def _in_hand(window: MainWindow) -> set[str]:
    """Which of the buttons are checked that hand the mouse to something."""
    names = ["overlays.click", *(tool_id(name) for name in TOOL_NAMES)]
    return {name for name in names if window.commands[name].isChecked()}


def test_a_click_outlines_and_enter_makes_an_annotation_of_it(
    at_40x: MainWindow, qtbot: QtBot
) -> None:
    at_40x.change_settings(reader="reader-7")
    active_annotations(at_40x).desk.current_class = AnnotationClass("Tumor", "#c80000")
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
    assert tool.prompt.is_empty
    (kept,) = active_annotations(at_40x).document
    assert (kept.class_name, kept.author) == ("Tumor", "reader-7")
    assert kept.geometry.is_valid
    assert kept.geometry.area > 0
    assert active_annotations(at_40x).chosen == [kept]
    assert "Kept as Tumor" in at_40x.status.currentMessage()
    press(qtbot, at_40x, Qt.Key.Key_Z, CTRL)
    assert len(active_annotations(at_40x).document) == 0


def test_where_annotations_cannot_be_drawn_it_says_so_and_keeps_the_outline(
    at_40x: MainWindow, qtbot: QtBot
) -> None:
    tool, document = _tool(at_40x), active_annotations(at_40x).document
    document.is_read_only = True
    _click(at_40x, qtbot, _middle(at_40x), Qt.KeyboardModifier.NoModifier)
    qtbot.waitUntil(lambda: len(tool.rings) > 0, timeout=_PATIENCE_MS)
    press(qtbot, at_40x, Qt.Key.Key_Return)
    assert "Another window draws on this slide" in at_40x.status.currentMessage()
    assert (len(document), len(tool.rings) > 0) == (0, True)


def test_a_click_on_no_object_gives_none(at_40x: MainWindow, qtbot: QtBot) -> None:
    canvas, tool = at_40x.panes.active.canvas, _tool(at_40x)
    canvas.go_to(Point(*CYTOPLASM), animated=False)
    _click(at_40x, qtbot, _middle(at_40x), Qt.KeyboardModifier.NoModifier)
    qtbot.waitUntil(
        lambda: "No object found here" in at_40x.status.currentMessage(), timeout=_PATIENCE_MS
    )
    assert not tool.rings


def test_what_was_kept_in_the_file_of_before_can_be_shown_as_an_overlay(
    make_window: Callable[[], MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    source = open_slide(sample_slide)
    path = regions_path(source.info.identity)
    source.close()
    path.parent.mkdir(parents=True)
    corners = np.array([[1300, 1300], [1330, 1300], [1330, 1330], [1300, 1330]], np.float32)
    outlines = np.array([0, 4]), np.array([[1315, 1315]], np.float32), np.zeros(1, np.uint8)
    write_geojson(path, Objects(corners, *outlines, {}), [("Region", "#00c853")])
    window = make_window()
    show_slide(window, sample_slide, qtbot)
    models = window.overlays.panel.models
    qtbot.waitUntil(lambda: path.name in [each.name for each in models.models()])
    assert window.overlays.all_of(window.panes.active) == []
    models.named(path.name).switch.click()
    overlay = window.overlays.run_of(window.panes.active)
    assert overlay is not None
    assert (overlay.origin.name, overlay.found.count) == ("Pointed out.geojson", 1)


def test_only_one_of_click_to_segment_and_drawing_has_the_mouse(
    at_40x: MainWindow, qtbot: QtBot
) -> None:
    canvas, toolbox, tool = at_40x.panes.active.canvas, at_40x.toolbox, _tool(at_40x)
    document = active_annotations(at_40x).document
    a, b = _middle(at_40x), _middle(at_40x) + QPoint(60, 50)
    assert _in_hand(at_40x) == {"overlays.click"}
    press(qtbot, at_40x, Qt.Key.Key_R)
    assert _in_hand(at_40x) == {"annotate.rectangle"}
    drag(canvas, line(a, b))
    assert (len(document), tool.prompt.is_empty) == (1, True)
    press(qtbot, at_40x, Qt.Key.Key_K)
    assert _in_hand(at_40x) == {"overlays.click"}
    assert toolbox.tool_of(at_40x.panes.active) is None
    drag(canvas, line(a, b))
    assert (len(document), tool.prompt.box is not None) == (1, True)
    before = canvas.view.center
    press(qtbot, at_40x, Qt.Key.Key_M)
    assert _in_hand(at_40x) == {"annotate.move"}
    drag(canvas, line(a, b))
    assert (len(document), tool.prompt.is_empty) == (1, True)
    assert canvas.view.center != before


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


def test_a_model_that_is_turned_on_has_the_mouse_at_once(at_40x: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, at_40x, Qt.Key.Key_M)
    canvas, clicks = at_40x.panes.active.canvas, at_40x.overlays._clicks
    assert canvas.cursor().shape() is not Qt.CursorShape.CrossCursor
    clicks.use_model(all_models()[0])
    assert _in_hand(at_40x) == {"overlays.click"}
    assert canvas.cursor().shape() is Qt.CursorShape.CrossCursor
    clicks.use_model(None)
    assert _in_hand(at_40x) == {"annotate.move"}
