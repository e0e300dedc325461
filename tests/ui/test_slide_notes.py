"""The window says what of a slide is not shown, and opens its other images by one click."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from ui_steps import show_slide

from viewer.ui.main_window import MainWindow


def _two_images(path: Path) -> Path:
    with tifffile.TiffWriter(path, ome=True) as out:
        for name, value, shape in (("R&D", 60, (200, 300)), ("section", 160, (600, 500))):
            pixels = np.full((*shape, 3), value, np.uint8)
            out.write(pixels, photometric="rgb", metadata={"Name": name}, tile=(128, 128))
    return path


def test_stretched_values_are_said(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, sample_slide: Path
) -> None:
    path = tmp_path / "a.ome.tif"
    plane = np.zeros((300, 400), np.uint16)
    plane[50:100] = 900
    tifffile.imwrite(path, plane, photometric="minisblack", metadata={"axes": "YX"})
    show_slide(window, path, qtbot)
    pane = window.panes.active
    assert pane.bars.slide_notes.isVisible()
    expected = "Stretched for display: 16-bit values from 0 to 900."
    assert pane.bars.slide_notes.sentence.text() == expected
    assert not pane.bars.image_bar.isVisible()
    show_slide(window, sample_slide, qtbot)
    assert not pane.bars.slide_notes.isVisible()


def test_one_click_opens_another_image(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    path = _two_images(tmp_path / "two.ome.tif")
    show_slide(window, path, qtbot)
    pane = window.panes.active
    assert pane.source is not None
    section = pane.source.info.identity
    assert pane.bars.image_bar.isVisible()
    spot_button, section_button = pane.bars.image_bar.buttons
    assert section_button.isChecked()
    assert spot_button.text() == "R&&D"
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        qtbot.mouseClick(spot_button, Qt.MouseButton.LeftButton)
    assert pane.source is not None
    assert pane.source.levels[0].width_px == 300
    assert pane.source.info.identity != section
    assert pane.bars.image_bar.buttons[0].isChecked()
    assert not pane.bars.image_bar.buttons[1].isChecked()


def test_a_doubtful_pixel_size_is_a_warning(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    pixels = np.full((300, 400, 3), 200, np.uint8)
    text = "AppMag = 40|MPP = 2.5"
    tifffile.imwrite(path, pixels, photometric="rgb", description=text, metadata=None)
    show_slide(window, path, qtbot)
    notes = window.panes.active.bars.slide_notes
    assert notes.sentence.text().startswith("Doubtful pixel size: 2.5 µm per pixel")
    assert notes.property("notice") == "warning"


def test_a_slide_without_stains_offers_no_stain_views(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, sample_slide: Path
) -> None:
    path = tmp_path / "dark.tif"
    pixels = np.zeros((400, 600, 3), np.uint8)
    pixels[100:130, 200:230, 2] = 220
    tifffile.imwrite(path, pixels, photometric="rgb", metadata=None)
    show_slide(window, path, qtbot)
    eosin = window.commands["stain.eosin"]
    assert not eosin.isEnabled()
    assert "fluorescence" in eosin.toolTip()
    assert not window.display.stain.isEnabled()
    assert "fluorescence" in window.display.stain_problem.text()
    show_slide(window, sample_slide, qtbot)
    assert eosin.isEnabled()
    assert "fluorescence" not in eosin.toolTip()
    assert window.display.stain.isEnabled()
