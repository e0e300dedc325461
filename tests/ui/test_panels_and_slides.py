"""The panels beside the slide, and the tray of thumbnails."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot
from ui_steps import (
    CTRL,
    SHIFT,
    drop,
    largest_difference,
    press,
    settled_picture,
    show_slide,
)

from viewer.slides.channels import Axes
from viewer.tiles.display import DisplaySettings
from viewer.tiles.stains import Stain
from viewer.ui.main_window import MainWindow
from viewer.ui.status_bar import shown_look


@pytest.fixture
def folder(tmp_path: Path, sample_slide: Path) -> Path:
    """Two good slides, a bad one between them, and a file that is none."""
    folder = tmp_path / "case 7"
    folder.mkdir()
    shutil.copy(sample_slide, folder / "slide 2.svs")
    shutil.copy(sample_slide, folder / "slide 10.svs")
    (folder / "slide 3.svs").write_text("no slide")
    (folder / "report.txt").write_text("text")
    return folder


def test_a_folder_becomes_a_tray_with_thumbnails_and_reasons(
    window: MainWindow, folder: Path, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(window.panes.active.opened, timeout=20_000):
        drop(window, [folder])
    assert window.panes.active.path == folder / "slide 2.svs"
    model = window.slides.model
    assert [Path(key).name for key in model.keys] == ["slide 2.svs", "slide 3.svs", "slide 10.svs"]
    assert window.slides.isVisible()
    qtbot.waitUntil(lambda: model.reason(1) != "")
    assert "slide 3.svs" in model.index(1).data(Qt.ItemDataRole.ToolTipRole)

    def has_picture() -> bool:
        image = model.index(0).data(Qt.ItemDataRole.DecorationRole).toImage()
        return image.pixelColor(image.width() // 2, image.height() // 2).alpha() == 255

    qtbot.waitUntil(has_picture)


def test_the_tray_is_traveled_and_opened_by_keyboard(
    window: MainWindow, folder: Path, qtbot: QtBot
) -> None:
    pane, model = window.panes.active, window.slides.model
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        window.open_paths([folder])
    press(qtbot, window, Qt.Key.Key_T, CTRL)
    press(qtbot, window, Qt.Key.Key_T, CTRL)
    view = window.slides.view
    assert window.focusWidget() is view
    qtbot.keyClick(view, Qt.Key.Key_End)
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        qtbot.keyClick(view, Qt.Key.Key_Return)
    assert pane.path == folder / "slide 10.svs"
    assert window.focusWidget() is pane.canvas
    # The mark stays on what is shown where the next one does not open, and the keys go on.
    with qtbot.waitSignal(pane.failed, timeout=20_000):
        press(qtbot, window, Qt.Key.Key_PageUp)
    assert pane.path == folder / "slide 10.svs"
    assert Path(model.current) == pane.path
    assert [Path(key) for key in window.slides.chosen()] == [pane.path]
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        press(qtbot, window, Qt.Key.Key_PageUp)
    assert Path(model.current) == pane.path == folder / "slide 2.svs"


def test_a_double_click_in_the_tray_opens(window: MainWindow, folder: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.panes.active.opened, timeout=20_000):
        window.open_paths([folder])
    view = window.slides.view
    at = view.visualRect(window.slides.model.index(2)).center()
    with qtbot.waitSignal(window.panes.active.opened, timeout=20_000):
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
        qtbot.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)


def test_a_folder_with_one_slide_opens_it(
    window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    shutil.copy(sample_slide, tmp_path / "only.svs")
    with qtbot.waitSignal(window.panes.active.opened):
        window.open_paths([tmp_path])
    assert window.panes.active.path == tmp_path / "only.svs"


def test_a_dropped_slide_opens(window: MainWindow, sample_slide: Path, qtbot: QtBot) -> None:
    pane = window.panes.active
    with qtbot.waitSignal(pane.opened):
        assert drop(window, [sample_slide]).isAccepted()
    assert window.windowTitle().startswith("CMU-1-Small-Region.svs")


def test_several_dropped_slides_fill_the_tray(
    window: MainWindow, folder: Path, qtbot: QtBot
) -> None:
    slides = [folder / "slide 10.svs", folder / "slide 2.svs"]
    with qtbot.waitSignal(window.panes.active.opened):
        drop(window, slides)
    assert window.folder.paths == slides
    assert window.panes.active.path == slides[0]


def test_properties_are_filtered_and_copied(slide_window: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, slide_window, Qt.Key.Key_I, CTRL)
    panel = slide_window.properties
    assert panel.isVisible()
    assert slide_window.focusWidget() is panel.filter
    qtbot.keyClicks(panel.filter, "pixel size")
    shown = [
        row for row in panel.table.findItems("", Qt.MatchFlag.MatchContains) if not row.isHidden()
    ]
    assert [row.text(0) for row in shown] == ["Pixel size"]
    panel.table.setCurrentItem(shown[0])
    panel.table.setFocus()
    press(qtbot, slide_window, Qt.Key.Key_C, CTRL)
    assert QGuiApplication.clipboard().text() == "Pixel size\t0.499 x 0.499 µm, from the file"


def test_levels_that_are_computed_are_told_from_those_of_the_file(
    slide_window: MainWindow,
) -> None:
    def levels() -> str:
        (row,) = panel.table.findItems("Levels", Qt.MatchFlag.MatchExactly)
        return row.text(1)

    panel = slide_window.properties
    panel.show()
    assert levels() == "1 in the file; 2, 4, 8 computed"


def test_the_display_is_called_raw_only_where_it_is() -> None:
    axes = Axes()
    assert shown_look(DisplaySettings(), axes=axes) == "Display: raw"
    assert shown_look(DisplaySettings(gamma=2.0), axes=axes) == "Display: adjusted"
    single = DisplaySettings(stain=Stain.HEMATOXYLIN)
    assert shown_look(single, axes=axes) == "Display: Hematoxylin"
    both = replace(single, icc=True, contrast=2.0)
    assert shown_look(both, axes=axes) == "Display: ICC, Hematoxylin, adjusted"


def test_the_label_is_hidden_until_asked_for(
    slide_window: MainWindow, folder: Path, qtbot: QtBot
) -> None:
    press(qtbot, slide_window, Qt.Key.Key_L, CTRL | SHIFT)
    panel = slide_window.associated
    qtbot.waitUntil(lambda: panel.pictures["macro"].image is not None)
    label = panel.pictures["label"]
    assert not label.isVisible()
    assert label.image is None
    qtbot.mouseClick(panel.show_label_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: label.image is not None)
    assert label.isVisible()
    # The next slide's label is hidden again.
    show_slide(slide_window, folder / "slide 2.svs", qtbot)
    assert not panel.pictures["label"].isVisible()
    assert panel.pictures["label"].image is None


def test_brightness_changes_the_picture_and_reset_brings_it_back(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    canvas = slide_window.panes.active.canvas
    width_px = canvas.width()
    press(qtbot, slide_window, Qt.Key.Key_C, SHIFT)
    panel = slide_window.display
    assert slide_window.focusWidget() is panel.brightness.slider
    # The panel takes its room from the slide a moment later.
    qtbot.waitUntil(lambda: canvas.width() < width_px)
    before = settled_picture(canvas, qtbot)
    qtbot.keyClick(panel.brightness.slider, Qt.Key.Key_PageUp)
    assert canvas.look.brightness == pytest.approx(panel.brightness.box.value())
    assert canvas.look.brightness != 0.0
    qtbot.waitUntil(lambda: canvas.is_sharp and canvas.grab().toImage() != before)
    qtbot.mouseClick(panel.reset_button, Qt.MouseButton.LeftButton)
    assert canvas.look.is_plain
    assert panel.brightness.box.value() == 0.0
    qtbot.waitUntil(lambda: largest_difference(canvas.grab().toImage(), before) <= 1)


def test_the_profile_is_offered_only_where_there_is_one(
    slide_window: MainWindow, shared_slide: Callable[[str], Path], qtbot: QtBot
) -> None:
    press(qtbot, slide_window, Qt.Key.Key_C, SHIFT)
    assert not slide_window.display.icc.isVisible()
    assert slide_window.status.display.text() == "Display: raw"
    show_slide(slide_window, shared_slide("slides/TCGA-CR-7395-01A-01-TS1.svs"), qtbot)
    assert slide_window.display.icc.isVisible()
    assert slide_window.status.display.text() == "Display: ICC"
    slide_window.display.icc.click()
    assert slide_window.status.display.text() == "Display: raw"


def test_the_mouse_reaches_the_canvas_under_the_furniture(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    canvas = slide_window.panes.active.canvas
    slide_window.status.magnification.setFocus()
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(20, 20))
    assert slide_window.focusWidget() is canvas


def test_the_top_bar_says_case_and_slide(
    window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "consults"
    folder.mkdir()
    for name in ("S23-1234 A1 HE.svs", "liver.svs"):
        shutil.copy(sample_slide, folder / name)
    pane, name = window.panes.active, window.frame.top_bar.name
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        window.open_paths([folder])
    said = {name.accessibleName()}
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        press(qtbot, window, Qt.Key.Key_PageDown)
    said.add(name.accessibleName())
    assert said == {"Slide S23-1234 / A1 HE", "Slide consults / liver.svs"}


def test_keys_alone_filter_the_list_of_slides_and_open_one(
    window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "consults"
    folder.mkdir()
    for name in ("S23-1 A1 HE.svs", "liver.svs"):
        shutil.copy(sample_slide, folder / name)
    pane, slides = window.panes.active, window.slides
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        window.open_paths([folder])
    qtbot.waitUntil(slides.search.isVisible)
    assert pane.path == folder / "liver.svs"
    slides.search.setFocus()
    qtbot.keyClicks(slides.search, "s23")
    qtbot.keyClick(slides.search, Qt.Key.Key_Down)
    assert slides.view.hasFocus()
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        qtbot.keyClick(slides.view, Qt.Key.Key_Return)
    assert pane.path == folder / "S23-1 A1 HE.svs"


def test_the_title_is_never_that_of_no_slide_while_the_next_opens(
    window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    for name in ("S23-1 A1 HE.svs", "S23-2 A1 HE.svs"):
        shutil.copy(sample_slide, tmp_path / name)
    top_bar, pane = window.frame.top_bar, window.panes.active
    show_slide(window, tmp_path / "S23-1 A1 HE.svs", qtbot)
    said: list[tuple[str, str]] = []
    pane.slide_changed.connect(
        lambda _: said.append((window.windowTitle(), top_bar.name.accessibleName()))
    )
    show_slide(window, tmp_path / "S23-2 A1 HE.svs", qtbot)
    assert len(said) > 1, "the first leaves before the second is recognized"
    assert set(said) == {("S23-2 A1 HE.svs - Coverslip", "Slide S23-2 / A1 HE")}
    window.commands["file.close"].trigger()
    assert (window.windowTitle(), top_bar.name.accessibleName()) == ("Coverslip", "Slide No slide")


def test_the_next_slide_opens_where_the_first_of_a_folder_does_not(
    window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "1.svs").write_text("no slide")
    shutil.copy(sample_slide, folder / "2.svs")
    pane = window.panes.active
    with qtbot.waitSignal(pane.failed, timeout=20_000):
        window.open_paths([folder])
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        press(qtbot, window, Qt.Key.Key_PageDown)
    assert pane.path == folder / "2.svs"


def test_a_message_has_the_room_of_what_overlays_tell_and_gives_it_back(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    status = slide_window.status
    qtbot.waitUntil(lambda: slide_window.annotations.can_annotate, timeout=20_000)
    slide_window.resize(1024, 700)
    told = "Colorectal tissue: Stroma 0.89"
    status.show_overlay(told)
    qtbot.mouseMove(slide_window.panes.active.canvas, QPoint(300, 200))
    qtbot.waitUntil(lambda: bool(status.cursor_label.text()))
    status.show_overlay(told)
    qtbot.waitUntil(lambda: status.overlay.shown_text == told)
    press(qtbot, slide_window, Qt.Key.Key_W)
    assert "sensitivity" in status.currentMessage()
    qtbot.waitUntil(lambda: status.shown_message == status.currentMessage())
    assert "sensitivity" in status.shown_message
    assert status.overlay.shown_text != told
    press(qtbot, slide_window, Qt.Key.Key_M)
    assert not status.currentMessage()
    qtbot.waitUntil(lambda: status.overlay.shown_text == told)
    assert status.cursor_label.isVisible()


def test_a_message_may_run_over_what_is_empty(slide_window: MainWindow, qtbot: QtBot) -> None:
    status = slide_window.status
    slide_window.resize(1024, 700)
    status.show_drawing("")
    qtbot.waitUntil(lambda: not (status.cursor_label.text() or status.overlay.text()))
    sentence = "Tissue (green): 0.693 mm², 42 % of the slide. Models skip what is gray, 1 %."
    status.say(sentence)
    assert status.fontMetrics().horizontalAdvance(sentence) > status.cursor_label.x()
    assert status.shown_message == sentence


def test_a_message_that_does_not_fit_ends_with_an_ellipsis_and_is_whole_in_the_tool_tip(
    window: MainWindow,
) -> None:
    status = window.status
    status.say("Short.")
    assert status.shown_message == "Short."
    sentence = "9 annotations " + "W" * 200
    status.say(sentence)
    assert status.shown_message.startswith("9 annotations ")
    assert status.shown_message.endswith("W…")
    assert "".join(status.toolTip().split()) == "".join(sentence.split())
    picture = status.grab().toImage()
    scale, end = status.devicePixelRatioF(), status.magnification.x()
    beside = {
        picture.pixelColor(round(x * scale), y).name()
        for x in range(end - 4, end)
        for y in range(picture.height())
    }
    said = {picture.pixelColor(round(20 * scale), y).name() for y in range(picture.height())}
    assert len(beside) < len(said)  # no letter is cut off there
    status.clearMessage()
    assert status.toolTip() == ""
