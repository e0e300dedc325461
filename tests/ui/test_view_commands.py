"""Keys, the mouse and the typed magnification move the view of a real slide."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtWidgets import QApplication, QLabel, QMainWindow
from pytestqt.qtbot import QtBot
from ui_steps import ALT, CTRL, SHIFT, open_dialog, press, rest, show_slide

from viewer.geometry import Optics
from viewer.ui.commands.views import MAGNIFICATIONS
from viewer.ui.main_window import MainWindow
from viewer.ui.slides.go_to_dialog import GoToDialog
from viewer.ui.slides.pixel_size_dialog import PixelSizeDialog


def magnification(window: MainWindow) -> float:
    canvas = window.panes.active.canvas
    shown = canvas.optics.magnification(canvas.view.downsample)
    assert shown is not None
    return shown


def type_zoom(window: MainWindow, qtbot: QtBot, text: str) -> None:
    """Clicks into the box, types over what stands there and presses Enter."""
    line = window.status.magnification.line
    qtbot.mouseClick(line, Qt.MouseButton.LeftButton)
    line.selectAll()
    focused = window.focusWidget()
    assert focused is not None
    qtbot.keyClicks(focused, text)
    press(qtbot, window, Qt.Key.Key_Return)


@pytest.mark.parametrize("keypad", [False, True])
def test_digits_show_magnifications(
    slide_window: MainWindow, qtbot: QtBot, *, keypad: bool
) -> None:
    modifier = Qt.KeyboardModifier.KeypadModifier if keypad else Qt.KeyboardModifier.NoModifier
    # From 2x on: the canvas does not make so small a slide smaller than a quarter of the window.
    for key, wanted in list(enumerate(MAGNIFICATIONS, start=Qt.Key.Key_1))[2:]:
        press(qtbot, slide_window, Qt.Key(key), modifier)
        rest(slide_window, qtbot)
        assert magnification(slide_window) == pytest.approx(wanted)
        assert slide_window.status.magnification.line.text() == f"{wanted:g}x"


def test_a_typed_magnification_is_not_undone_by_the_one_that_was_shown(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    """The box showed one of its list, which Qt chose again as the keyboard left."""
    for key, typed, wanted in ((Qt.Key.Key_6, "8", 8.0), (Qt.Key.Key_5, "2.5x", 2.5)):
        press(qtbot, slide_window, key)
        rest(slide_window, qtbot)
        type_zoom(slide_window, qtbot, typed)
        rest(slide_window, qtbot)
        assert magnification(slide_window) == pytest.approx(wanted)
    # What is shown is no choice either where the keyboard leaves without Enter.
    press(qtbot, slide_window, Qt.Key.Key_6)
    rest(slide_window, qtbot)
    slide_window.status.magnification.line.setFocus()
    slide_window.commands["view.magnify_10"].trigger()
    rest(slide_window, qtbot)
    slide_window.panes.active.focus()
    rest(slide_window, qtbot)
    assert magnification(slide_window) == pytest.approx(10)


def test_eight_fits_and_plus_and_minus_zoom(slide_window: MainWindow, qtbot: QtBot) -> None:
    canvas = slide_window.panes.active.canvas
    whole = canvas.view.downsample
    press(qtbot, slide_window, Qt.Key.Key_Plus)
    rest(slide_window, qtbot)
    closer = canvas.view.downsample
    assert closer < whole
    press(qtbot, slide_window, Qt.Key.Key_Minus)
    rest(slide_window, qtbot)
    assert canvas.view.downsample == pytest.approx(whole)
    press(qtbot, slide_window, Qt.Key.Key_6)
    press(qtbot, slide_window, Qt.Key.Key_8)
    rest(slide_window, qtbot)
    assert canvas.view.downsample == pytest.approx(whole)


def test_turns_flips_and_home(slide_window: MainWindow, qtbot: QtBot) -> None:
    canvas = slide_window.panes.active.canvas
    press(qtbot, slide_window, Qt.Key.Key_BracketRight, CTRL)
    rest(slide_window, qtbot)
    assert canvas.view.rotation_deg == pytest.approx(15.0)
    assert "15" in slide_window.status.rotation.text()
    press(qtbot, slide_window, Qt.Key.Key_BracketLeft, CTRL | ALT)
    rest(slide_window, qtbot)
    assert canvas.view.rotation_deg == pytest.approx(285.0)
    press(qtbot, slide_window, Qt.Key.Key_H, CTRL | SHIFT)
    rest(slide_window, qtbot)
    assert canvas.view.mirrored
    assert "mirrored" in slide_window.status.rotation.text()
    press(qtbot, slide_window, Qt.Key.Key_0, CTRL)
    rest(slide_window, qtbot)
    assert (canvas.view.rotation_deg, canvas.view.mirrored) == (0.0, False)
    press(qtbot, slide_window, Qt.Key.Key_V, CTRL | SHIFT)
    press(qtbot, slide_window, Qt.Key.Key_Home)
    rest(slide_window, qtbot)
    assert (canvas.view.rotation_deg, canvas.view.mirrored) == (0.0, False)


def test_back_and_forward(slide_window: MainWindow, qtbot: QtBot) -> None:
    canvas = slide_window.panes.active.canvas
    whole = canvas.view.downsample
    assert not slide_window.commands["view.back"].isEnabled()
    press(qtbot, slide_window, Qt.Key.Key_6)
    rest(slide_window, qtbot)
    close = canvas.view.downsample
    press(qtbot, slide_window, Qt.Key.Key_Left, ALT)
    rest(slide_window, qtbot)
    assert canvas.view.downsample == pytest.approx(whole)
    press(qtbot, slide_window, Qt.Key.Key_Right, ALT)
    rest(slide_window, qtbot)
    assert canvas.view.downsample == pytest.approx(close)


def test_arrow_keys_pan(slide_window: MainWindow, qtbot: QtBot) -> None:
    canvas = slide_window.panes.active.canvas
    press(qtbot, slide_window, Qt.Key.Key_6)
    rest(slide_window, qtbot)
    before = canvas.view.center
    press(qtbot, slide_window, Qt.Key.Key_Right)
    rest(slide_window, qtbot)
    assert canvas.view.center.x > before.x


def test_the_wheel_zooms_about_the_cursor(slide_window: MainWindow, qtbot: QtBot) -> None:
    canvas = slide_window.panes.active.canvas
    before = canvas.view.downsample
    at = QPointF(canvas.width() / 2 + 50, canvas.height() / 2 - 40)
    event = QWheelEvent(
        at,
        canvas.mapToGlobal(at),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(canvas, event)
    rest(slide_window, qtbot)
    assert canvas.view.downsample < before
    assert slide_window.status.magnification.line.text() != ""


def test_the_status_bar_tells_the_cursor(slide_window: MainWindow, qtbot: QtBot) -> None:
    canvas = slide_window.panes.active.canvas
    qtbot.mouseMove(canvas, canvas.rect().center())
    qtbot.mouseMove(canvas, canvas.rect().center() + QPoint(3, 3))
    text = slide_window.status.cursor_label.text()
    assert "px" in text
    assert "µm" in text


@pytest.mark.parametrize(("typed", "wanted"), [("20", 20.0), ("12.5x", 12.5), ("7,5 X", 7.5)])
def test_a_typed_magnification(
    slide_window: MainWindow, qtbot: QtBot, typed: str, wanted: float
) -> None:
    type_zoom(slide_window, qtbot, typed)
    rest(slide_window, qtbot)
    assert magnification(slide_window) == pytest.approx(wanted)
    assert slide_window.focusWidget() is slide_window.panes.active.canvas


def test_a_typed_reduction(slide_window: MainWindow, qtbot: QtBot) -> None:
    type_zoom(slide_window, qtbot, "1:2")
    rest(slide_window, qtbot)
    assert slide_window.panes.active.canvas.view.downsample == pytest.approx(2.0)


def test_nonsense_in_the_box_is_told_and_escape_gives_up(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    canvas = slide_window.panes.active.canvas
    before = canvas.view
    box = slide_window.status.magnification
    shown = box.line.text()
    type_zoom(slide_window, qtbot, "much")
    assert '"much" is no magnification' in slide_window.status.currentMessage()
    assert canvas.view == before
    press(qtbot, slide_window, Qt.Key.Key_Escape)
    assert box.line.text() == shown
    assert slide_window.focusWidget() is canvas
    type_zoom(slide_window, qtbot, "2.5x")
    assert not slide_window.status.currentMessage()


def test_go_to_a_coordinate(slide_window: MainWindow, qtbot: QtBot) -> None:
    canvas = slide_window.panes.active.canvas
    press(qtbot, slide_window, Qt.Key.Key_6)
    rest(slide_window, qtbot)
    press(qtbot, slide_window, Qt.Key.Key_G, CTRL)
    dialog = open_dialog(slide_window, GoToDialog, qtbot)
    assert isinstance(dialog, GoToDialog)
    dialog.x_box.setValue(1000)
    dialog.y_box.setValue(1500)
    dialog.unit.setCurrentText("Micrometers")
    assert dialog.x_box.value() == pytest.approx(499.0, abs=0.1)
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    rest(slide_window, qtbot)
    assert canvas.view.center == pytest.approx((1000, 1500), abs=0.2)


def test_a_slide_without_scale_is_asked_for_its_pixel_size_once(
    window: MainWindow,
    make_window: Callable[[], MainWindow],
    shared_slide: Callable[[str], Path],
    qtbot: QtBot,
) -> None:
    slide = shared_slide("slides/TCGA-CR-7395-01A-01-TS1.svs")
    show_slide(window, slide, qtbot)
    pane = window.panes.active
    assert pane.bars.scale_hint.isVisible()
    press(qtbot, window, Qt.Key.Key_6)
    assert "does not tell its scale" in window.status.currentMessage()
    assert window.status.magnification.line.text().startswith("1:")

    qtbot.mouseClick(pane.bars.scale_hint.button, Qt.MouseButton.LeftButton)
    dialog = open_dialog(window, PixelSizeDialog, qtbot)
    assert isinstance(dialog, PixelSizeDialog)
    dialog.by_magnification.click()
    dialog.magnification.setValue(40)
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not pane.bars.scale_hint.isVisible())
    assert pane.canvas.optics.mpp_um == pytest.approx((0.25, 0.25))
    window.close()

    again = make_window()
    show_slide(again, slide, qtbot)
    assert again.panes.active.canvas.optics.mpp_um == pytest.approx((0.25, 0.25))
    assert not again.panes.active.bars.scale_hint.isVisible()


def test_the_rule_of_pixel_sizes_is_in_sight_in_large_letters(
    shown: QMainWindow, qtbot: QtBot
) -> None:
    dialog = PixelSizeDialog("slide.svs", Optics(), shown)
    letters = dialog.font()
    letters.setPointSizeF(1.5 * letters.pointSizeF())
    dialog.setFont(letters)
    dialog.open()
    qtbot.waitExposed(dialog)
    labels = dialog.findChildren(QLabel)
    (rule,) = [each for each in labels if each.text().startswith("A scan at 20x")]
    wraps = Qt.TextFlag.TextWordWrap if rule.wordWrap() else Qt.TextFlag.TextSingleLine
    needed = rule.fontMetrics().boundingRect(rule.rect(), wraps, rule.text())
    assert rule.rect().adjusted(0, 0, 2, 2).contains(needed)


def test_copies_of_the_view(slide_window: MainWindow, qtbot: QtBot) -> None:
    clipboard = QGuiApplication.clipboard()
    press(qtbot, slide_window, Qt.Key.Key_C, CTRL | SHIFT)
    assert "CMU-1-Small-Region.svs: center 1110, 1484 px" in clipboard.text()
    press(qtbot, slide_window, Qt.Key.Key_C, CTRL)
    assert clipboard.image().size() == slide_window.panes.active.canvas.size()
