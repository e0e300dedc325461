"""Strokes do what the hand does: thin shapes, Space, a mouse at rest, second presses, undo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import shapely
from annotating_steps import begin, click, drag, end, hover, line, mouse
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, SHIFT, active_annotations, press, rest, show_slide

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.canvas.canvas import SlideCanvas
from viewer.geometry import Point
from viewer.ui.main_window import MainWindow

A, B, C = QPoint(300, 200), QPoint(450, 320), QPoint(310, 420)
_THIN = "Thinner than a screen pixel"


@pytest.fixture
def drawing(slide_window: MainWindow, qtbot: QtBot) -> MainWindow:
    qtbot.waitUntil(lambda: slide_window.annotations.active is not None, timeout=20_000)
    return slide_window


def _canvas(window: MainWindow) -> SlideCanvas:
    return window.panes.active.canvas


def _said(window: MainWindow) -> str:
    return window.status.currentMessage()


def _add(window: MainWindow, shape: shapely.Polygon) -> Annotation:
    drawn = Annotation(shape)
    assert active_annotations(window).do(adding("Draw", [drawn]))
    return drawn


def _region(window: MainWindow, a: QPoint, b: QPoint) -> Annotation:
    canvas = _canvas(window)
    corners = [canvas.view.to_slide(Point(at.x(), at.y())) for at in (a, b)]
    return _add(window, shapely.box(*corners[0], *corners[1]))


# Thin shapes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [A + QPoint(1, 1), QPoint(450, A.y())])
def test_a_rectangle_dragged_back_or_flat_is_none_though_it_was_kept(
    drawing: MainWindow, qtbot: QtBot, last: QPoint
) -> None:
    press(qtbot, drawing, Qt.Key.Key_R)
    begin(_canvas(drawing), line(A, B))
    qtbot.waitUntil(lambda: len(active_annotations(drawing).document) == 1)  # kept at a pause
    mouse(_canvas(drawing), QEvent.Type.MouseMove, last)
    end(_canvas(drawing), last)
    assert len(active_annotations(drawing).document) == 0
    assert _THIN in _said(drawing)
    assert active_annotations(drawing).document.undo_label is None


@pytest.mark.parametrize("key", [Qt.Key.Key_R, Qt.Key.Key_O, Qt.Key.Key_P])
def test_a_flat_drag_in_a_turned_view_leaves_nothing(
    drawing: MainWindow, qtbot: QtBot, key: Qt.Key
) -> None:
    _canvas(drawing).rotate_by(33)
    rest(drawing, qtbot)
    press(qtbot, drawing, key)
    drag(_canvas(drawing), line(A, QPoint(450, A.y())))
    press(qtbot, drawing, Qt.Key.Key_Return)
    assert len(active_annotations(drawing).document) == 0


def test_a_handle_dragged_flat_leaves_the_rectangle_as_it_was(
    drawing: MainWindow, qtbot: QtBot
) -> None:
    drawn = _region(drawing, A, B)
    press(qtbot, drawing, Qt.Key.Key_S)
    click(_canvas(drawing), QPoint(A.x(), 250))
    drag(_canvas(drawing), line(QPoint(375, B.y()), QPoint(375, A.y())))
    assert active_annotations(drawing).document[drawn.id].geometry == drawn.geometry
    assert "Left as it was" in _said(drawing)


# Space and a mouse at rest -------------------------------------------------------------------


@pytest.mark.parametrize("is_let_go", [False, True])
def test_space_held_in_a_stroke_moves_the_slide_and_the_stroke_goes_on(
    drawing: MainWindow, qtbot: QtBot, is_let_go: bool
) -> None:
    """Let go before the button comes up, or after it."""
    canvas = _canvas(drawing)
    canvas.go_to(Point(1100, 1400), 1.0, animated=False)
    start = canvas.view.to_slide(Point(A.x(), A.y()))
    press(qtbot, drawing, Qt.Key.Key_R)
    begin(canvas, line(A, B))
    QTest.keyPress(canvas, Qt.Key.Key_Space)
    for place in line(B, B + QPoint(-80, -60)):
        mouse(canvas, QEvent.Type.MouseMove, place)
    moved = canvas.view.to_slide(Point(A.x(), A.y()))
    assert (moved.x - start.x, moved.y - start.y) == pytest.approx((80, 60))
    last = B + QPoint(-80, -60)
    if is_let_go:
        QTest.keyRelease(canvas, Qt.Key.Key_Space)
        last += QPoint(40, 30)
        mouse(canvas, QEvent.Type.MouseMove, last)
    end(canvas, last)
    if not is_let_go:
        QTest.keyRelease(canvas, Qt.Key.Key_Space)
    hover(canvas, QPoint(100, 100))  # no button: no part of the stroke
    (drawn,) = active_annotations(drawing).document
    stop = canvas.view.to_slide(Point(last.x(), last.y()))
    assert drawn.geometry.bounds == pytest.approx((*start, *stop))
    assert not canvas.is_moving


def test_what_is_under_a_mouse_at_rest_follows_the_view(drawing: MainWindow, qtbot: QtBot) -> None:
    canvas = _canvas(drawing)
    canvas.go_to(Point(1100, 1400), 1.0, animated=False)
    press(qtbot, drawing, Qt.Key.Key_P)
    click(canvas, A)
    hover(canvas, B)
    before, told = drawing.status.cursor_label.text(), drawing.status.drawing.text()
    press(qtbot, drawing, Qt.Key.Key_Right)
    rest(drawing, qtbot)
    at = canvas.view.to_slide(Point(B.x(), B.y()))
    assert drawing.status.cursor_label.text().startswith(f"{at.x:.0f}, {at.y:.0f} px")
    assert drawing.status.cursor_label.text() != before
    assert drawing.status.drawing.text() != told
    click(canvas, B)
    assert drawing.status.cursor_label.text().startswith(f"{at.x:.0f}, {at.y:.0f} px")


# Undo within a stroke ------------------------------------------------------------------------


def test_undo_in_the_midst_of_a_polygon_takes_its_last_corner(
    drawing: MainWindow, qtbot: QtBot
) -> None:
    drawn = _region(drawing, QPoint(50, 50), QPoint(90, 90))
    press(qtbot, drawing, Qt.Key.Key_P)
    for place in (A, B, QPoint(500, 100), C):
        click(_canvas(drawing), place)
    press(qtbot, drawing, Qt.Key.Key_Z, CTRL)
    press(qtbot, drawing, Qt.Key.Key_Z, CTRL)
    press(qtbot, drawing, Qt.Key.Key_Y, CTRL)
    press(qtbot, drawing, Qt.Key.Key_Z, CTRL)
    click(_canvas(drawing), C)
    press(qtbot, drawing, Qt.Key.Key_Return)
    kept, polygon = active_annotations(drawing).document
    assert kept.id == drawn.id
    assert isinstance(polygon.geometry, shapely.Polygon)
    assert len(polygon.geometry.exterior.coords) == 4
    press(qtbot, drawing, Qt.Key.Key_Z, CTRL)
    assert [each.id for each in active_annotations(drawing).document] == [drawn.id]
    press(qtbot, drawing, Qt.Key.Key_Z, CTRL)
    assert len(active_annotations(drawing).document) == 0


def test_undo_of_all_corners_leaves_nothing_that_was_kept(
    drawing: MainWindow, qtbot: QtBot
) -> None:
    press(qtbot, drawing, Qt.Key.Key_V)
    for place in (A, B, C):
        click(_canvas(drawing), place)
    qtbot.waitUntil(lambda: len(active_annotations(drawing).document) == 1)  # kept at a pause
    for _ in range(3):
        press(qtbot, drawing, Qt.Key.Key_Z, CTRL)
    assert len(active_annotations(drawing).document) == 0
    assert drawing.status.drawing.text() == ""


# A second press ------------------------------------------------------------------------------


def _second_press(canvas: SlideCanvas, places: list[QPoint]) -> None:
    """As Qt tells a press soon after a click."""
    mouse(canvas, QEvent.Type.MouseButtonDblClick, places[0])
    for place in places[1:]:
        mouse(canvas, QEvent.Type.MouseMove, place)
    end(canvas, places[-1])


def test_quick_points_are_all_counted(drawing: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, drawing, Qt.Key.Key_Period)
    click(_canvas(drawing), A)
    _second_press(_canvas(drawing), [A + QPoint(3, 3)])
    (points,) = active_annotations(drawing).document
    assert isinstance(points.geometry, shapely.MultiPoint)
    assert len(points.geometry.geoms) == 2


def test_a_click_and_a_drag_move_what_is_under_them(drawing: MainWindow, qtbot: QtBot) -> None:
    drawn = _region(drawing, A, B)
    press(qtbot, drawing, Qt.Key.Key_S)
    canvas, border = _canvas(drawing), QPoint(A.x(), 250)
    click(canvas, border)
    _second_press(canvas, line(border, border + QPoint(60, 0)))
    now = active_annotations(drawing).document[drawn.id].geometry
    assert now.bounds[0] - drawn.geometry.bounds[0] == pytest.approx(60 * canvas.view.downsample)
    assert isinstance(now, shapely.Polygon)
    assert len(now.exterior.coords) == 5


@pytest.mark.parametrize("key", [Qt.Key.Key_B, Qt.Key.Key_R, Qt.Key.Key_L, Qt.Key.Key_W])
def test_a_dab_and_a_stroke_keep_the_stroke(drawing: MainWindow, qtbot: QtBot, key: Qt.Key) -> None:
    press(qtbot, drawing, key)
    click(_canvas(drawing), A)
    _second_press(_canvas(drawing), line(A, B))
    bounds = [each.geometry.bounds for each in active_annotations(drawing).document]
    stop = _canvas(drawing).view.to_slide(Point(B.x(), B.y()))
    assert max(x1 for _, _, x1, _ in bounds) >= stop.x - 1


def test_after_a_shape_a_quick_press_moves_the_slide(drawing: MainWindow, qtbot: QtBot) -> None:
    drawing.change_settings(back_to_moving=True)
    canvas, before = _canvas(drawing), _canvas(drawing).view
    press(qtbot, drawing, Qt.Key.Key_R)
    drag(canvas, line(A, B))
    assert drawing.toolbox.name == "move"
    _second_press(canvas, line(B, B + QPoint(-70, -50)))
    rest(drawing, qtbot)
    assert canvas.view.downsample == before.downsample
    assert canvas.view.center != before.center


# Hidden and read-only ------------------------------------------------------------------------


def test_hidden_annotations_are_neither_picked_nor_changed(
    drawing: MainWindow, qtbot: QtBot
) -> None:
    drawn = _region(drawing, A, B)
    here, canvas, inside = active_annotations(drawing), _canvas(drawing), QPoint(380, 260)
    press(qtbot, drawing, Qt.Key.Key_A)
    press(qtbot, drawing, Qt.Key.Key_S)
    click(canvas, inside)
    assert not here.selection
    assert "hidden" in _said(drawing)
    drag(canvas, line(inside, inside + QPoint(60, 60)))
    press(qtbot, drawing, Qt.Key.Key_E)
    drag(canvas, line(inside, B))
    here.selection.choose([drawn.id])  # as the list does
    for key, keys in ((Qt.Key.Key_Delete, None), (Qt.Key.Key_J, CTRL), (Qt.Key.Key_K, CTRL)):
        drawing.status.clearMessage()
        press(qtbot, drawing, key, keys or Qt.KeyboardModifier.NoModifier)
        assert "hidden" in _said(drawing)
    press(qtbot, drawing, Qt.Key.Key_B)
    drag(canvas, line(inside, inside + QPoint(10, 10)))  # adds to none that is not seen
    assert next(iter(here.document)) == drawn
    assert len(here.document) == 2
    assert here.layer.is_shown
    assert drawing.commands["annotate.shown"].isChecked()


def test_a_window_that_may_not_draw_says_so(
    drawing: MainWindow,
    make_window: Callable[[], MainWindow],
    sample_slide: Path,
    qtbot: QtBot,
) -> None:
    drawn = _region(drawing, A, B)
    qtbot.waitUntil(lambda: drawing.annotations.is_saved)
    second = make_window()
    show_slide(second, sample_slide, qtbot)
    qtbot.waitUntil(lambda: second.annotations.active is not None, timeout=20_000)
    here = active_annotations(second)
    assert here.document.is_read_only
    here.selection.choose([drawn.id])
    for key, keys in (
        (Qt.Key.Key_1, CTRL),
        (Qt.Key.Key_Delete, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_J, CTRL),
        (Qt.Key.Key_G, CTRL | Qt.KeyboardModifier.AltModifier),
    ):
        second.status.clearMessage()
        press(qtbot, second, key, keys)
        assert _said(second) == "Another window draws on this slide: close it there first."
    assert [each.id for each in here.document] == [drawn.id]


# Views and dialogs ---------------------------------------------------------------------------


def test_a_bookmark_of_a_turned_view_comes_back_at_its_zoom(
    drawing: MainWindow, qtbot: QtBot
) -> None:
    canvas = _canvas(drawing)
    canvas.rotate_by(90)
    rest(drawing, qtbot)
    canvas.go_to(canvas.view.center, 1000.0, animated=False)
    farthest = canvas.view
    press(qtbot, drawing, Qt.Key.Key_D, CTRL)
    (kept,) = active_annotations(drawing).document
    canvas.home()
    rest(drawing, qtbot)
    active_annotations(drawing).travel([kept])
    rest(drawing, qtbot)
    assert canvas.view.downsample == pytest.approx(farthest.downsample)
    assert canvas.view.rotation_deg == farthest.rotation_deg


def test_the_buttons_of_the_panel_do_what_they_say(drawing: MainWindow, qtbot: QtBot) -> None:
    drawing.annotations.panel.show()
    drawing.annotations.panel.count.click()
    assert _said(drawing).startswith("Select the region first")
    drawing.annotations.panel.statistics.click()
    qtbot.waitUntil(lambda: any("Statistics" in each.windowTitle() for each in _dialogs(drawing)))
    for dialog in _dialogs(drawing):
        dialog.close()


def _dialogs(window: MainWindow) -> list:
    from PySide6.QtWidgets import QDialog

    return [each for each in window.findChildren(QDialog) if each.isVisible()]


def test_shift_is_square_on_the_slide(drawing: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, drawing, Qt.Key.Key_O)
    begin(_canvas(drawing), line(A, B), SHIFT)
    end(_canvas(drawing), B, SHIFT)
    (drawn,) = active_annotations(drawing).document
    x0, y0, x1, y1 = drawn.geometry.bounds
    assert x1 - x0 == pytest.approx(y1 - y0)
    assert drawn.is_ellipse
