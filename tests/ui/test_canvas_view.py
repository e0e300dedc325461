"""What lies on the slide in a real window: layers, map buttons, menu, modes, microscope mode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile
from annotating_steps import click, finished_picture
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QMenu, QWidget
from pytestqt.qtbot import QtBot
from ui_steps import press, rest, show_slide

from viewer.annotations.annotation import Annotation
from viewer.annotations.bookmarks import note
from viewer.annotations.document import adding
from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.layer import LayerOrder
from viewer.canvas.outline_layer import OutlineLayer
from viewer.geometry import Point
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.main_window import MainWindow
from viewer.ui.view.layers_popover import LayersPopover
from viewer.ui.view.map_cluster import MapCluster
from viewer.ui.view.pane_overlay import PaneOverlay

LEFT = Qt.MouseButton.LeftButton
SIDE = 400.0


@pytest.fixture
def drawn(slide_window: MainWindow, qtbot: QtBot) -> PaneAnnotations:
    """A window with a square in the middle of the view."""
    window = slide_window
    qtbot.waitUntil(lambda: window.annotations.active is not None, timeout=20_000)
    here = window.annotations.active
    assert here is not None
    canvas = here.pane.canvas
    canvas.go_to(Point(1100, 1400), 2.0, animated=False)
    square = shapely.box(1100 - SIDE / 2, 1400 - SIDE / 2, 1100 + SIDE / 2, 1400 + SIDE / 2)
    here.document.do(adding("Draw", [Annotation(square)]))
    qtbot.waitUntil(lambda: canvas.is_sharp, timeout=20_000)
    return here


def _canvas(window: MainWindow) -> SlideCanvas:
    return window.panes.active.canvas


def _overlay(window: MainWindow) -> PaneOverlay:
    overlay = window.panes.active.findChild(PaneOverlay)
    assert isinstance(overlay, PaneOverlay)
    return overlay


def _layers(window: MainWindow, qtbot: QtBot) -> LayersPopover:
    button = _overlay(window).button
    qtbot.mouseClick(button, LEFT)
    assert button.popover is not None
    qtbot.waitUntil(button.popover.isVisible)
    return button.popover


def _ask_menu(window: MainWindow, at: QPoint, *, by_key: bool = False) -> list[str]:
    """Ask for the canvas's menu as Qt does, and return what it offers; it stays open."""
    reasons = QContextMenuEvent.Reason
    reason = reasons.Keyboard if by_key else reasons.Mouse
    canvas = _canvas(window)
    QApplication.sendEvent(canvas, QContextMenuEvent(reason, at, canvas.mapToGlobal(at)))
    menu = window.view.menu.menu
    assert menu is not None
    return [action.text().replace("&", "") for action in menu.actions() if action.text()]


def _choose(window: MainWindow, text: str) -> None:
    menu = window.view.menu.menu
    assert menu is not None
    next(each for each in menu.actions() if each.text().replace("&", "") == text).trigger()
    menu.close()


def test_the_eye_of_a_set_is_the_state_of_its_page(
    slide_window: MainWindow, drawn: PaneAnnotations, qtbot: QtBot
) -> None:
    window, canvas = slide_window, _canvas(slide_window)
    shown = finished_picture(canvas)
    popover = _layers(window, qtbot)
    row = popover.rows["set My annotations"]
    qtbot.mouseClick(row.eye, LEFT)
    sets = window.annotations.active_sets
    assert sets is not None
    assert not sets.current.is_shown
    assert drawn.desk.is_hidden
    assert finished_picture(canvas) != shown
    qtbot.waitUntil(lambda: not row.eye.isChecked())
    sets.set_shown(sets.current, True)
    qtbot.waitUntil(row.eye.isChecked)
    assert finished_picture(canvas) == shown
    row.opacity.setValue(0)
    assert finished_picture(canvas) != shown
    row.opacity.setValue(100)
    assert finished_picture(canvas) == shown
    popover.rows["slide"].opacity.setValue(30)
    faded = finished_picture(canvas)
    assert faded != shown
    assert "slide faded" in canvas.shown_layers


def test_any_layer_can_be_hidden_and_moved_in_the_list(
    slide_window: MainWindow, drawn: PaneAnnotations, qtbot: QtBot
) -> None:
    window, canvas = slide_window, _canvas(slide_window)
    other = OutlineLayer("#0000ff", width_px=8, name="regions of the agent")
    region = next(iter(drawn.document)).geometry
    assert isinstance(region, shapely.Polygon)
    other.show_regions(shapely.MultiPolygon([region]))
    canvas.add_layer(other, LayerOrder.TOOLS)
    drawn.document.do(adding("Note", [note(Point(1100, 1400), "text", "A")]))
    popover = _layers(window, qtbot)
    key = next(key for key in popover.rows if key.startswith("regions"))
    names = [row.name.text() for row in popover.rows.values()]
    assert names == ["Regions of the agent", "Notes", "My annotations", "Slide"]
    shown = finished_picture(canvas)
    qtbot.mouseClick(popover.rows[key].down, LEFT)
    qtbot.mouseClick(popover.rows[key].down, LEFT)
    names = [row.name.text() for row in popover.rows.values()]
    assert names == ["Notes", "My annotations", "Regions of the agent", "Slide"]
    assert finished_picture(canvas) != shown
    before = finished_picture(canvas)
    qtbot.mouseClick(popover.rows[key].eye, LEFT)
    assert canvas.has_layer(other)
    assert finished_picture(canvas) != before
    assert "regions of the agent" not in canvas.shown_layers
    qtbot.mouseClick(popover.rows[key].eye, LEFT)
    assert finished_picture(canvas) == before


def test_a_right_click_selects_the_shape_under_it_and_runs_its_commands(
    slide_window: MainWindow, drawn: PaneAnnotations, qtbot: QtBot
) -> None:
    window, canvas = slide_window, _canvas(slide_window)
    middle = canvas.rect().center()
    press(qtbot, window, Qt.Key.Key_R)  # a tool in hand does not keep the menu away
    offered = _ask_menu(window, middle)
    for text in ("Set class", "Measurements", "Delete annotations", "Duplicate annotations"):
        assert text in offered
    assert "Copy coordinates" in offered
    (square,) = drawn.document
    assert list(drawn.selection) == [square.id]
    menu = window.view.menu.menu
    assert menu is not None
    measures = next(m for m in menu.findChildren(QMenu) if "easurements" in m.title())
    assert any("µm²" in action.text() for action in measures.actions())
    _choose(window, "Lock or unlock")
    assert next(iter(drawn.document)).is_locked
    _ask_menu(window, middle)
    _choose(window, "Lock or unlock")
    _ask_menu(window, middle)
    sets = window.annotations.active_sets
    assert sets is not None
    second = sets.new("Second", "drawn")
    qtbot.waitUntil(lambda: second.is_open, timeout=20_000)
    assert "Copy to set" in _ask_menu(window, middle)
    menu = window.view.menu.menu
    assert menu is not None
    copying = next(
        m for m in menu.findChildren(QMenu) if m.title().replace("&", "") == "Copy to set"
    )
    copying.actions()[0].trigger()
    assert second.annotations is not None
    assert len(second.annotations.document) == 1
    _choose(window, "Delete annotations")
    assert len(drawn.document) == 0


def test_the_menu_of_the_slide_acts_where_it_was_asked_for(
    slide_window: MainWindow, drawn: PaneAnnotations, qtbot: QtBot
) -> None:
    window, canvas = slide_window, _canvas(slide_window)
    at = QPoint(40, 60)
    offered = _ask_menu(window, at)
    assert "Set class" not in offered
    for text in ("Bookmark this view", "Stick a note here...", "Paste annotations"):
        assert text in offered
    _choose(window, "Copy coordinates")
    place = canvas.view.to_slide(Point(40, 60))
    assert f"{place.x:.0f}, {place.y:.0f} px" in QGuiApplication.clipboard().text()
    _ask_menu(window, at)
    _choose(window, "Bookmark this view")
    assert len(drawn.document) == 2


def test_the_menu_key_asks_at_what_is_selected(
    slide_window: MainWindow, drawn: PaneAnnotations
) -> None:
    (square,) = drawn.document
    assert "Set class" not in _ask_menu(slide_window, QPoint(3, 3), by_key=True)
    drawn.selection.choose([square.id])
    assert "Set class" in _ask_menu(slide_window, QPoint(3, 3), by_key=True)
    assert list(drawn.selection) == [square.id]


def test_the_buttons_beside_the_map_move_the_view_and_fold_it(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    window, canvas = slide_window, _canvas(slide_window)
    overlay = _overlay(window)
    before = canvas.view.downsample
    for button in overlay.cluster.buttons.values():
        assert button.accessibleName()
        assert button.toolTip()
    qtbot.mouseClick(overlay.cluster.buttons["view.zoom_in"], LEFT)
    rest(window, qtbot)
    assert canvas.view.downsample < before
    qtbot.mouseClick(overlay.cluster.buttons["view.flip_horizontally"], LEFT)
    rest(window, qtbot)
    assert canvas.view.mirrored
    qtbot.mouseClick(overlay.cluster.buttons["view.overview"], LEFT)
    assert canvas.overview_rect is None
    assert not window.settings.show_overview
    assert overlay.grip.isHidden()
    qtbot.mouseClick(overlay.cluster.buttons["view.overview"], LEFT)
    small = canvas.overview_rect
    assert small is not None
    overlay.grip.setFocus()
    for _ in range(3):
        qtbot.keyClick(overlay.grip, Qt.Key.Key_Left)
    large = canvas.overview_rect
    assert large is not None
    assert large.height() > small.height()
    assert large.right() == small.right()
    kept = window.settings.overview_px
    assert kept == pytest.approx(large.height())
    # A drag of the corner away from the map makes it larger still, and is kept when let go.
    corner = overlay.grip.rect().center()
    qtbot.mousePress(overlay.grip, LEFT, pos=corner)
    qtbot.mouseMove(overlay.grip, corner + QPoint(-15, 2))
    qtbot.mouseRelease(overlay.grip, LEFT, pos=corner)
    assert window.settings.overview_px != kept or canvas.overview_rect == large


def test_f11_shows_the_slide_alone_and_brings_all_back(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    window = slide_window
    window.commands["panels.annotations"].trigger()
    pane, overlay = window.panes.active, _overlay(window)
    pane.bars.notice.tell("A sentence.", "info")
    chrome: list[QWidget] = [
        window.menuBar(), window.status, window.frame.top_bar, window.frame.tool_strip,
        window.frame.inspector, window.frame.inspector.rail, pane.bars.notice, overlay.cluster,
        overlay.button,
    ]  # fmt: skip
    assert all(each.isVisible() for each in chrome)
    pane.focus()
    press(qtbot, window, Qt.Key.Key_F11)
    qtbot.waitUntil(window.isFullScreen)
    assert not any(each.isVisible() for each in chrome)
    assert pane.canvas.overview_rect is not None
    press(qtbot, window, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not window.isFullScreen())
    assert all(each.isVisible() for each in chrome)
    assert window.commands["panels.annotations"].isChecked()


def test_a_mode_hides_other_layers_and_leaves_them_as_they_were(
    slide_window: MainWindow, drawn: PaneAnnotations, qtbot: QtBot
) -> None:
    window, pane, canvas = slide_window, slide_window.panes.active, _canvas(slide_window)
    own = OutlineLayer("#2f9bff", name="field of the replay")
    own.show_field([(900, 1200), (1300, 1200), (1300, 1600), (900, 1600)])
    before = finished_picture(canvas)
    canvas.add_layer(own, LayerOrder.TOOLS)
    left: list[str] = []

    def leave() -> None:
        left.append("Replay")
        canvas.remove_layer(own)
        pane.modes.leave("Replay")

    pane.modes.enter("Replay", "reader-1", leave, [own])
    assert pane.mode_bar.isVisible()
    assert pane.mode_bar.name.text() == "Replay"
    assert canvas.paints(own)
    assert not canvas.paints(drawn.layer)
    assert drawn.desk.is_hidden
    # What is drawn meanwhile is not drawn unseen.
    press(qtbot, window, Qt.Key.Key_P)
    click(canvas, QPoint(50, 50))
    assert canvas.paints(drawn.layer)
    assert pane.mode_bar.others.isChecked()
    press(qtbot, window, Qt.Key.Key_Escape)
    press(qtbot, window, Qt.Key.Key_M)
    qtbot.mouseClick(pane.mode_bar.exit_button, LEFT)
    assert left == ["Replay"]
    assert pane.mode_bar.isHidden()
    assert not drawn.desk.is_hidden
    assert finished_picture(canvas) == before


def test_a_slide_whose_every_tile_fails_says_so_and_what_to_do(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, sample_slide: Path
) -> None:
    path = tmp_path / "cut.tif"
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 255, (600, 600, 3), np.uint8)
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(128, 128), compression="jpeg")
    with tifffile.TiffFile(path) as tiff:
        places = zip(tiff.pages[0].dataoffsets, tiff.pages[0].databytecounts, strict=True)
    damaged = bytearray(path.read_bytes())
    for start, count in places:
        damaged[start : start + count] = bytes(count)
    path.write_bytes(bytes(damaged))
    pane = window.panes.active
    window.open_paths([path])
    qtbot.waitUntil(lambda: pane.bars.unreadable.isVisible(), timeout=20_000)
    sentence = pane.bars.unreadable.sentence.text()
    assert "damaged" in sentence
    assert pane.bars.unreadable.button.isVisible()
    qtbot.waitUntil(lambda: pane.source is not None, timeout=20_000)
    show_slide(window, sample_slide, qtbot)
    assert pane.bars.unreadable.isHidden()


def test_a_slide_that_does_not_open_leaves_the_list_at_the_one_that_is_shown(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, sample_slide: Path
) -> None:
    (tmp_path / "a.svs").write_bytes(sample_slide.read_bytes())
    (tmp_path / "b.svs").write_bytes(b"no slide")
    pane, slides = window.panes.active, window.slides
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        window.open_paths([tmp_path])
    qtbot.waitUntil(lambda: len(slides.model.keys) == 2, timeout=20_000)
    shown = slides.chosen()
    assert len(shown) == 1
    other = next(key for key in slides.model.keys if key not in shown)
    slides.view.setCurrentIndex(slides.model.index(slides.model.row_of(other)))
    with qtbot.waitSignal(pane.failed, timeout=20_000):
        slides.view.activated.emit(slides.view.currentIndex())
    assert pane.bars.notice.isVisible()
    assert "b.svs" in pane.bars.notice.sentence.text()
    assert pane.path is not None
    assert pane.path.name == "a.svs"
    assert slides.chosen() == shown


def test_a_tool_can_be_taken_up_before_a_slide_is_open(
    window: MainWindow, qtbot: QtBot, sample_slide: Path
) -> None:
    window.activateWindow()
    press(qtbot, window, Qt.Key.Key_P)
    assert window.commands["annotate.polygon"].isChecked()
    assert window.commands["annotate.polygon"].isEnabled()
    show_slide(window, sample_slide, qtbot)
    pane = window.panes.active
    qtbot.waitUntil(lambda: window.toolbox.tool_of(pane) is not None, timeout=20_000)
    assert pane.canvas.cursor().shape() == Qt.CursorShape.CrossCursor


@pytest.mark.parametrize("wide_px", [1000, 1100, 1500])
def test_the_bar_of_a_mode_leaves_the_buttons_beside_the_map_free(
    slide_window: MainWindow, wide_px: int
) -> None:
    pane = slide_window.panes.active
    slide_window.resize(wide_px, 700)
    slide_window.commands["panels.display"].trigger()
    pane.modes.enter("Replay", "Reader ada-lovelace, 2026-11-26 21:42", lambda: None, [])
    QApplication.processEvents()
    cluster, bar = pane.findChild(MapCluster), pane.mode_bar
    assert cluster is not None
    assert cluster.isVisible()
    assert bar.isVisible()
    assert not bar.geometry().intersects(cluster.geometry())
    assert bar.sentence.text() == "Reader ada-lovelace, 2026-11-26 21:42"
    needed_px = bar.sentence.heightForWidth(bar.sentence.width())
    assert bar.sentence.height() >= needed_px, "no line of it is cut"
    pane.modes.leave("Replay")
