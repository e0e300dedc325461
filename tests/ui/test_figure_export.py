"""Figures and copies from the real window: what is saved and pasted is what was asked for."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QProgressDialog, QPushButton
from pytestqt.qtbot import QtBot
from ui_steps import ALT, CTRL, SHIFT, back_to_slide, open_dialog, press, rest, type_over

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import adding
from viewer.geometry import Box, Point, Size, View
from viewer.ui.figures.figure_choice import FigureChoice, figure_size_px, figure_view, region_view
from viewer.ui.figures.figure_dialog import FigureDialog
from viewer.ui.main_window import MainWindow

GREEN = AnnotationClass("=Tumor & <b>", "#00ff00")


def test_a_figure_has_the_field_of_its_view_at_any_resolution() -> None:
    view = View(Point(500, 700), 4.0, Size(1000, 600), 30.0, True)
    for dpi, width_cm in ((96.0, 10.0), (300.0, 17.0), (600.0, 2.0)):
        choice = FigureChoice(dpi=dpi, width_cm=width_cm)
        figure = figure_view(view, choice)
        width_px, height_px = figure_size_px(view.size, choice)
        assert width_px == pytest.approx(width_cm / 2.54 * dpi, abs=1)
        assert height_px == pytest.approx(width_px * 0.6, abs=1)
        for here, there in zip(view.field, figure.field, strict=True):
            assert here == pytest.approx(there, abs=4.0 * 1000 / width_px)


def test_a_region_is_as_large_as_in_the_view_and_turned_with_it() -> None:
    view = View(Point(0, 0), 2.0, Size(1000, 600), 90.0, True)
    region = region_view(view, Box(100, 200, 500, 300))
    assert region.size == pytest.approx((50, 200))
    assert region.box.width == pytest.approx(400)
    assert (region.box.x0, region.box.y0) == pytest.approx((100, 200))
    assert (region.rotation_deg, region.mirrored) == (90.0, True)


@pytest.fixture
def drawn(slide_window: MainWindow, qtbot: QtBot) -> MainWindow:
    """A window with a filled green box of 400 x 300 pixels, which is selected."""
    qtbot.waitUntil(lambda: slide_window.annotations.can_annotate, timeout=20_000)
    active = slide_window.annotations.active
    assert active is not None
    box = Annotation(shapely.box(800, 1000, 1200, 1300), shown_as=GREEN, name="1\t2")
    active.do(adding("Rectangle", [box]))
    active.selection.choose([box.id])
    return slide_window


def exporting(window: MainWindow, qtbot: QtBot) -> FigureDialog:
    back_to_slide(window, qtbot)
    press(qtbot, window, Qt.Key.Key_S, CTRL | SHIFT)
    dialog = open_dialog(window, FigureDialog, qtbot)
    assert isinstance(dialog, FigureDialog)
    return dialog


def save(window: MainWindow, dialog: FigureDialog, path: Path, qtbot: QtBot) -> None:
    qtbot.mouseClick(dialog.save, Qt.MouseButton.LeftButton)
    files = open_dialog(window, QFileDialog, qtbot)
    assert isinstance(files, QFileDialog)
    files.fileSelected.emit(str(path))
    files.close()


def greens(pixels: np.ndarray) -> int:
    return int(((pixels[..., 1] > 200) & (pixels[..., 0] < 90) & (pixels[..., 2] < 90)).sum())


def test_the_view_is_saved_at_its_dpi_with_scale_bar_legend_and_overlays(
    drawn: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    dialog = exporting(drawn, qtbot)
    dialog.dpi.setEditText("none")
    assert not dialog.save.isEnabled()
    type_over(dialog.dpi, "30", qtbot)
    assert dialog.dpi.currentText() == "30"  # not completed to one of the list, 300
    dialog.dpi.setEditText("150")
    dialog.width_cm.setValue(12.7)
    assert dialog.says.text().startswith("750 × ")
    path = tmp_path / "figure.tif"
    save(drawn, dialog, path, qtbot)
    qtbot.waitUntil(path.exists, timeout=60_000)
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0].aspage()
        assert page.tags["XResolution"].value == (150, 1)
        assert page.description == "Overlays shown: none"
        pixels = page.asarray()
    assert pixels.shape[1] == 750
    assert greens(pixels) > 300  # outline and square of the legend
    corner = pixels[-70:-20, 25:60]
    assert (corner > 220).all(2).any()  # the box of the scale bar, and its line
    assert (corner < 60).all(2).any()
    no_yellow = (pixels[..., 0] > 240) & (pixels[..., 1] > 210) & (pixels[..., 2] < 60)
    assert not no_yellow.any()  # nothing is marked as selected
    qtbot.waitUntil(lambda: "Wrote figure.tif" in drawn.status.currentMessage(), timeout=20_000)

    dialog = exporting(drawn, qtbot)
    assert dialog.dpi.currentText() == "150"
    for box in (dialog.overlays, dialog.legend, dialog.scale_bar):
        box.setChecked(False)
    plain = tmp_path / "plain.png"
    save(drawn, dialog, plain, qtbot)
    qtbot.waitUntil(plain.exists, timeout=60_000)
    with Image.open(plain) as picture:
        assert picture.info["Description"] == "Overlays shown: none"
        assert picture.info["dpi"][0] == pytest.approx(150, abs=0.1)
        assert greens(np.asarray(picture.convert("RGB"))) == 0


def test_the_selected_region_is_saved_and_a_pdf_is_one(
    drawn: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    dialog = exporting(drawn, qtbot)
    dialog.region.click()
    dialog.width_cm.setValue(5.0)
    assert dialog.says.text() == "591 × 443 px, 5.0 × 3.8 cm"
    path = tmp_path / "region.pdf"
    save(drawn, dialog, path, qtbot)
    qtbot.waitUntil(path.exists, timeout=60_000)
    assert path.read_bytes().startswith(b"%PDF")


def test_a_figure_is_given_up_and_leaves_nothing(
    drawn: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    dialog = exporting(drawn, qtbot)
    dialog.dpi.setEditText("1200")
    path = tmp_path / "large.png"
    save(drawn, dialog, path, qtbot)
    (cancel,) = drawn.findChildren(QProgressDialog)[0].findChildren(QPushButton)
    cancel.click()
    qtbot.waitUntil(lambda: "canceled" in drawn.status.currentMessage(), timeout=20_000)
    assert list(tmp_path.iterdir()) == []
    dialog = exporting(drawn, qtbot)
    dialog.dpi.setEditText("2400")
    dialog.width_cm.setValue(200)
    save(drawn, dialog, path, qtbot)
    assert "choose fewer dpi" in drawn.banner.sentence.text()


def test_view_and_region_are_copied_as_images(drawn: MainWindow, qtbot: QtBot) -> None:
    clipboard = QGuiApplication.clipboard()
    canvas = drawn.panes.active.canvas
    canvas.set_magnification(10)
    rest(drawn, qtbot)
    clipboard.clear()
    drawn.commands["edit.copy_region"].trigger()
    qtbot.waitUntil(lambda: not clipboard.image().isNull(), timeout=60_000)
    assert (clipboard.image().width(), clipboard.image().height()) == (200, 150)
    dialog = exporting(drawn, qtbot)
    clipboard.clear()
    qtbot.mouseClick(dialog.copy, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not clipboard.image().isNull(), timeout=60_000)
    assert clipboard.image().width() == round(17 / 2.54 * 300)


def test_measurements_are_pasted_as_a_table(drawn: MainWindow, qtbot: QtBot) -> None:
    clipboard = QGuiApplication.clipboard()
    clipboard.clear()
    press(qtbot, drawn, Qt.Key.Key_T, CTRL | ALT)
    qtbot.waitUntil(lambda: bool(clipboard.text()), timeout=20_000)
    header, row = [line.split("\t") for line in clipboard.text().splitlines()]
    cells = dict(zip(header, row, strict=True))
    assert cells["Class"] == "'=Tumor & <b>"  # no formula for a spreadsheet
    assert cells["Name"] == "1 2"
    assert float(cells["Area µm^2"]) == pytest.approx(400 * 300 * 0.499**2, rel=1e-3)
    assert float(cells["Centroid X µm"]) == pytest.approx(1000 * 0.499, rel=1e-3)
    page = clipboard.mimeData().html()
    assert "<th>Area µm^2</th>" in page
    assert "&lt;b&gt;" in page


def test_coordinates_are_cells_and_text(drawn: MainWindow, qtbot: QtBot) -> None:
    canvas = drawn.panes.active.canvas
    at = canvas.rect().center() + QPoint(40, 30)
    qtbot.mouseMove(canvas, at)
    place = canvas.view.to_slide(Point(at.x(), at.y()))
    qtbot.waitUntil(lambda: drawn.panes.active.status.cursor is not None)
    press(qtbot, drawn, Qt.Key.Key_K, CTRL | ALT)
    page = QGuiApplication.clipboard().mimeData().html()
    cells = [float(each) for each in re.findall(r"<td>([^<]+)</td>", page)]
    assert cells[:2] == pytest.approx(tuple(place), abs=0.1)
    assert cells[2:] == pytest.approx((0.499 * place.x, 0.499 * place.y), abs=0.1)
    assert "px" in QGuiApplication.clipboard().text()  # as "Go to coordinate" takes it
