"""Two readers' annotations compared in the window."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import shapely
from PySide6.QtCore import Qt
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QFileDialog, QWidget
from pytestqt.qtbot import QtBot
from ui_steps import open_dialog, show_slide

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.comparison import compare
from viewer.annotations.document import adding
from viewer.ui.main_window import MainWindow
from viewer.ui.projects.comparison_panel import ComparisonPanel


def region(name: str, author: str, x0: float, y0: float, x1: float, y1: float) -> Annotation:
    box = shapely.box(x0, y0, x1, y1)
    return Annotation(box, shown_as=AnnotationClass(name)).noted("Author", author)


def draw(window: MainWindow, qtbot: QtBot, *annotations: Annotation) -> None:
    qtbot.waitUntil(lambda: window.annotations.can_annotate)
    assert window.annotations.active is not None
    window.annotations.active.document.do(adding("Draw", annotations))


def figures(window: MainWindow) -> dict[str, list[str]]:
    table = window.projects.comparison.panel.classes
    rows = [table.topLevelItem(row) for row in range(table.topLevelItemCount())]
    return {row.text(0): [row.text(c) for c in range(1, 7)] for row in rows if row is not None}


def test_two_authors_on_one_slide(slide_window: MainWindow, qtbot: QtBot) -> None:
    draw(
        slide_window,
        qtbot,
        region("Tumor", "Anna", 400, 400, 800, 800),
        region("Tumor", "Béla", 400, 400, 800, 600),
        region("Stroma", "Béla", 400, 600, 800, 800),
    )
    slide_window.commands["panels.comparison"].trigger()
    part = slide_window.projects.comparison
    panel, canvas = part.panel, slide_window.panes.active.canvas
    panel.a.setCurrentText("On this slide, by Anna")
    panel.b.setCurrentText("On this slide, by Béla")
    qtbot.mouseClick(panel.compare, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Tumor" in figures(slide_window))
    assert figures(slide_window)["Tumor"][:4] == ["1", "1", "0.67", "0.50"]
    assert figures(slide_window)["Stroma"][2] == "0.00"
    assert "They differ in 1 region: click one below" in panel.summary.text()
    (only,) = panel.model.rows
    assert (only.class_a, only.class_b, only.area_px2) == ("Tumor", "Stroma", 80_000)
    # A click travels there, and the region is drawn.
    before = canvas.grab().toImage()
    at = panel.regions.visualRect(panel.model.index(0, 0)).center()
    qtbot.mouseClick(panel.regions.viewport(), Qt.MouseButton.LeftButton, pos=at)
    qtbot.waitUntil(lambda: not canvas.is_moving)
    assert canvas.view.center == (600, 700)
    assert canvas.grab().toImage() != before
    layers = (part._all, part._one)
    assert all(canvas.has_layer(layer) for layer in layers)
    slide_window.commands["panels.comparison"].trigger()
    qtbot.waitUntil(lambda: not any(canvas.has_layer(layer) for layer in layers))


@pytest.mark.parametrize(
    ("drawn", "sentence"),
    [
        ([region("Tumor", "Anna", 0, 0, 9, 9)], "Their regions are the same."),
        ([], "Neither holds a region."),
    ],
)
def test_sets_that_agree_are_said_to_be_the_same(
    drawn: list[Annotation], sentence: str, qtbot: QtBot
) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    panel = ComparisonPanel(parent)
    panel.show_comparison(compare(drawn, drawn, reference=shapely.box(0, 0, 99, 99)), None)
    assert panel.summary.text().endswith(sentence)


def test_one_set_alone_is_not_offered_against_itself(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    qtbot.waitUntil(lambda: slide_window.annotations.can_annotate)
    slide_window.commands["panels.comparison"].trigger()
    panel = slide_window.projects.comparison.panel
    assert (panel.a.currentText(), panel.b.currentText()) == ("On this slide, all", "")
    assert "one set so far" in panel.summary.text()
    assert not panel.compare.isEnabled()


def test_a_file_within_the_regions_of_a_class(
    slide_window: MainWindow, tmp_path: Path, sample_slide: Path, qtbot: QtBot
) -> None:
    ring = [[0, 0], [100, 0], [100, 50], [0, 50], [0, 0]]
    told = {"classification": {"name": "Tumor", "color": [200, 0, 0]}}
    feature = {
        "type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": told,
    }  # fmt: skip
    (tmp_path / "b.geojson").write_text(json.dumps(feature))
    (tmp_path / "bad.geojson").write_text("{")
    draw(
        slide_window,
        qtbot,
        region("Tumor", "", 0, 0, 100, 100),
        region("Region", "", 0, 0, 200, 100),
    )
    slide_window.commands["panels.comparison"].trigger()
    panel = slide_window.projects.comparison.panel
    for name in ("bad.geojson", "b.geojson"):
        qtbot.mouseClick(panel.add_file, Qt.MouseButton.LeftButton)
        dialog = open_dialog(slide_window, QFileDialog, qtbot)
        assert isinstance(dialog, QFileDialog)
        dialog.fileSelected.emit(str(tmp_path / name))
        dialog.reject()
        assert panel.b.currentText() == name
        panel.reference.setCurrentText("Regions of Region")
        qtbot.mouseClick(panel.compare, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: panel.summary.text() != "Comparing...")
        if name == "bad.geojson":
            assert "bad.geojson" in panel.summary.text()
    assert figures(slide_window) == {"Tumor": ["1", "1", "0.67", "0.50", "0.50", "1.00"]}
    # Another slide: nothing of it is left on screen.
    show_slide(slide_window, sample_slide, qtbot)
    rows = panel.b.model()
    assert isinstance(rows, QStandardItemModel)
    for row in range(panel.a.count()):
        panel.a.setCurrentIndex(row)
        assert panel.b.currentIndex() != row
        assert not rows.item(row).isEnabled()
