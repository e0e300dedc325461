"""Two slides of the same tissue in the real window: aligned, then moved together."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QDialogButtonBox, QFileDialog
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, open_dialog, press, rest, show_slide

from viewer.geometry import Point
from viewer.slides.opener import open_slide
from viewer.slides.region import read_level
from viewer.ui.alignment.alignment_dialog import AlignmentDialog
from viewer.ui.main_window import MainWindow

LEFT = Qt.MouseButton.LeftButton
SIZE = (555, 742)
"""Of the copy before it is turned, at 1.996 µm per pixel."""


def on_copy(place: Point) -> Point:
    """Where a level-0 place of the sample slide lies on the copy: turned left and mirrored."""
    x, y = place.x * SIZE[0] / 2220, place.y * SIZE[1] / 2967
    return Point(y, x)


@pytest.fixture(scope="module")
def copy_path(sample_slide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small copy of the sample slide, mirrored and turned by a quarter."""
    source = open_slide(sample_slide)
    picture = Image.fromarray(read_level(source, 1))
    source.close()
    small = np.asarray(picture.resize(SIZE, Image.Resampling.BOX))
    path = tmp_path_factory.mktemp("copy") / "section.tif"
    per_cm = 1e4 / 1.996
    tifffile.imwrite(
        path, np.swapaxes(small, 0, 1), resolution=(per_cm, per_cm), resolutionunit="CENTIMETER"
    )
    return path


def show_beside(window: MainWindow, path: Path, qtbot: QtBot) -> None:
    """Splits the view and opens a slide in the new pane."""
    window.commands["panes.add"].trigger()
    pane = window.panes.active
    pane.open(path)
    qtbot.waitUntil(lambda: pane.path == path and pane.canvas.is_sharp, timeout=20_000)


@pytest.fixture
def pair(slide_window: MainWindow, copy_path: Path, qtbot: QtBot) -> MainWindow:
    """A window with the sample slide and its copy, the sample active."""
    first = slide_window.panes.active
    show_beside(slide_window, copy_path, qtbot)
    assert slide_window.panes.active.canvas.optics.mpp_um is not None
    slide_window.panes.activate(first)
    return slide_window


def aligning(window: MainWindow, qtbot: QtBot) -> AlignmentDialog:
    window.commands["panes.align"].trigger()
    dialog = open_dialog(window, AlignmentDialog, qtbot)
    assert isinstance(dialog, AlignmentDialog)
    return dialog


def mark(window: MainWindow, qtbot: QtBot, index: int, place: Point) -> None:
    """Brings a place to the middle of a pane and clicks it."""
    pane = window.panes.panes[index]
    window.panes.activate(pane)
    pane.canvas.go_to(place, animated=False)
    at = pane.canvas.view.to_screen(place)
    qtbot.mouseClick(pane.canvas, LEFT, pos=QPoint(round(at.x), round(at.y)))


def assert_together(window: MainWindow) -> None:
    """The middle of one pane is the same tissue as that of the other, turned as it lies there."""
    here, there = (pane.canvas for pane in window.panes.panes)
    middle = on_copy(here.view.center)
    assert math.dist(there.view.center, middle) * 1.996 < 20
    for dx, dy in ((100, 0), (0, 100)):
        corner = here.view.to_slide(Point(here.width() / 2 + dx, here.height() / 2 + dy))
        seen = there.view.to_screen(on_copy(corner))
        offset = seen.x - there.width() / 2, seen.y - there.height() / 2
        assert offset == pytest.approx((dx, dy), abs=3)


def test_three_pairs_of_clicks_make_the_panes_move_together(pair: MainWindow, qtbot: QtBot) -> None:
    dialog = aligning(pair, qtbot)
    assert dialog.says.text() == "Not aligned."
    assert not dialog.write.isEnabled()
    qtbot.mouseClick(dialog.landmarks, LEFT)
    places = [Point(400, 500), Point(1800, 700), Point(1000, 2600)]
    for place in places:
        mark(pair, qtbot, 0, place)
        mark(pair, qtbot, 1, on_copy(place))
    assert dialog.says.text().startswith("Aligned by 3 pairs of landmarks, residual ")
    assert pair.panes.is_linked
    pair.panes.activate(pair.panes.panes[0])
    canvas = pair.panes.active.canvas
    canvas.go_to(Point(1000, 1200), 3.0)
    rest(pair, qtbot)
    canvas.rotate_by(40)
    canvas.flip_horizontally()
    rest(pair, qtbot)
    assert_together(pair)

    press(qtbot, pair, Qt.Key.Key_Z, CTRL)
    assert "3 and 2 are marked" in dialog.says.text()
    press(qtbot, pair, Qt.Key.Key_Y, CTRL)
    assert dialog.says.text().startswith("Aligned by 3 pairs")
    press(qtbot, pair, Qt.Key.Key_Escape)
    assert not dialog.landmarks.isChecked()
    dialog.close()


def test_an_automatic_alignment_is_kept_exchanged_and_removed(
    pair: MainWindow,
    make_window: Callable[[], MainWindow],
    sample_slide: Path,
    copy_path: Path,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    dialog = aligning(pair, qtbot)
    qtbot.mouseClick(dialog.automatic, LEFT)
    assert dialog.cancel.isVisible()
    qtbot.waitUntil(lambda: "Aligned automatically" in dialog.says.text(), timeout=100_000)
    assert "µm" in dialog.says.text()
    pair.panes.active.canvas.go_to(Point(900, 1900), 4.0)
    rest(pair, qtbot)
    assert_together(pair)
    path = tmp_path / "alignment.json"
    qtbot.mouseClick(dialog.write, LEFT)
    files = open_dialog(pair, QFileDialog, qtbot)
    assert isinstance(files, QFileDialog)
    files.fileSelected.emit(str(path))
    files.close()
    qtbot.waitUntil(path.exists, timeout=20_000)
    pair.close()

    again = make_window()
    show_slide(again, sample_slide, qtbot)
    first = again.panes.active
    show_beside(again, copy_path, qtbot)
    panes = again.panes.panes
    qtbot.waitUntil(
        lambda: again.alignment.alignment_of(panes[0], panes[1]) is not None, timeout=20_000
    )
    again.panes.activate(first)
    again.commands["panes.link"].trigger()
    assert_together(again)
    dialog = aligning(again, qtbot)
    qtbot.mouseClick(dialog.remove, LEFT)
    assert again.alignment.alignment_of(panes[0], panes[1]) is None
    qtbot.mouseClick(dialog.bring, LEFT)
    files = open_dialog(again, QFileDialog, qtbot)
    assert isinstance(files, QFileDialog)
    files.fileSelected.emit(str(path))
    files.close()
    qtbot.waitUntil(
        lambda: again.alignment.alignment_of(panes[1], panes[0]) is not None, timeout=20_000
    )
    assert "Aligned automatically" in dialog.says.text()
    dialog.close()


def test_a_button_closes_the_alignment(pair: MainWindow, qtbot: QtBot) -> None:
    dialog = aligning(pair, qtbot)
    qtbot.mouseClick(dialog.landmarks, LEFT)
    close = dialog.close_box.button(QDialogButtonBox.StandardButton.Close)
    assert close.isVisible()
    qtbot.mouseClick(close, LEFT)
    qtbot.waitUntil(lambda: not pair.findChildren(AlignmentDialog))
    assert aligning(pair, qtbot).isVisible()


def test_alone_there_is_nothing_to_align(slide_window: MainWindow) -> None:
    assert not slide_window.commands["panes.align"].isEnabled()
    slide_window.commands["panes.add"].trigger()
    slide_window.commands["panes.align"].trigger()
    assert "two different slides side by side" in slide_window.status.currentMessage()
    assert not slide_window.findChildren(AlignmentDialog)
