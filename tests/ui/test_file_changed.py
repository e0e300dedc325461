"""A slide whose file changes while it is open: said in the window, and opened again by a click."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import tifffile
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from ui_steps import show_slide

from viewer.canvas.canvas import SlideCanvas
from viewer.geometry import Point
from viewer.ui.main_window import MainWindow


def _write(path: Path, value: int) -> None:
    picture = np.full((2048, 2048, 3), value, np.uint8)
    tifffile.imwrite(path, picture, tile=(256, 256), photometric="rgb", compression="zlib")


def test_it_is_said_and_opened_again(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    path, other = tmp_path / "S-1.tif", tmp_path / "other.tif"
    _write(path, 200)
    _write(other, 50)
    show_slide(window, path, qtbot)
    pane = window.panes.active
    assert not pane.bars.notice.isVisible()
    before = pane.source
    assert before is not None
    identity = before.info.identity
    shutil.move(other, path)
    for x, y in ((150, 150), (1900, 150), (1900, 1900), (150, 1900), (1000, 1000)):
        # Some tiles there were not read ahead.
        pane.canvas.go_to(Point(x, y), 1.0, animated=False)
        qtbot.waitUntil(lambda: pane.canvas.is_sharp, timeout=10_000)
    qtbot.waitUntil(pane.bars.notice.isVisible, timeout=10_000)
    assert "S-1.tif was changed on the disk while it was open" in pane.bars.notice.sentence.text()
    qtbot.waitUntil(lambda: pane.canvas.is_sharp, timeout=10_000)
    colors = np.unique(_pixels(pane.canvas))
    assert 50 not in colors  # nothing of the other slide is shown in this one's name
    with qtbot.waitSignal(pane.opened, timeout=10_000):
        qtbot.mouseClick(pane.bars.notice.button, Qt.MouseButton.LeftButton)
    assert not pane.bars.notice.isVisible()
    assert pane.source is not None
    assert pane.source.info.identity != identity
    qtbot.waitUntil(lambda: pane.canvas.is_sharp, timeout=10_000)
    assert 50 in np.unique(_pixels(pane.canvas))


def _pixels(canvas: SlideCanvas) -> np.ndarray:
    image = canvas.grab().toImage()
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    pixels = rows[:, : image.width() * 4].reshape(image.height(), image.width(), 4)
    return pixels[100:-100, 100:-100, 0]


def test_what_is_drawn_on_one_slide_is_never_seen_on_the_next(
    window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    """The next slide is on the canvas before it is known which one it is."""
    show_slide(window, sample_slide, qtbot)
    pane = window.panes.active
    left: list[bool] = []
    pane.slide_changed.connect(lambda each: left.append(each.source is None))
    other = tmp_path / "next.tif"
    _write(other, 90)
    show_slide(window, other, qtbot)
    assert left == [True, False]
