"""Label masks, training tiles and COCO files of several pictures in the real window."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import shapely
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QInputDialog, QLineEdit, QPushButton
from pytestqt.qtbot import QtBot
from test_drawing import wait_for_annotations
from ui_steps import active_annotations, open_dialog, set_document

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import adding
from viewer.annotations.masks.training_tiles import TileOptions
from viewer.ui.annotations.training_dialogs import MaskDialog, TilesDialog
from viewer.ui.main_window import MainWindow

REGION = shapely.box(400, 400, 1200, 1400)


@pytest.fixture
def drawn(slide_window: MainWindow, qtbot: QtBot) -> MainWindow:
    """Two regions of one class on the slide."""
    wait_for_annotations(slide_window, qtbot)
    tumor = AnnotationClass("Tumor", "#c80000")
    shapes = REGION, shapely.box(1500, 400, 1700, 600)
    each = [Annotation(shape, shown_as=tumor) for shape in shapes]
    active_annotations(slide_window).do(adding("Draw", each))
    return slide_window


def _said(window: MainWindow, qtbot: QtBot, words: str) -> None:
    qtbot.waitUntil(lambda: words in window.status.currentMessage(), timeout=20_000)


def test_a_mask_is_written_as_asked_and_read_again(
    drawn: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "regions.ome.tif"
    drawn.annotations.training.ask_mask(path, active_annotations(drawn))
    dialog = open_dialog(drawn, MaskDialog, qtbot)
    assert isinstance(dialog, MaskDialog)
    dialog.scale.setValue(2.0)
    dialog.values.setCurrentText("each annotation")
    dialog.accept()
    _said(drawn, qtbot, "2 annotations written to regions.ome.tif")
    assert drawn.annotations.training.tasks == []
    drawn.annotations.files.take(path, drawn.panes.active)
    document = set_document(drawn, qtbot, "regions.ome.tif")
    assert len(document) == 2
    read = next(iter(document)).geometry
    assert read.intersection(REGION).area / read.union(REGION).area > 0.95


def test_annotations_are_exported_where_asked(
    drawn: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    drawn.commands["annotate.export"].trigger()
    dialog = open_dialog(drawn, QFileDialog, qtbot)
    name = dialog.findChild(QLineEdit, "fileNameEdit")
    assert name is not None
    name.setText(str(tmp_path / "mine.geojson"))
    qtbot.keyClick(name, Qt.Key.Key_Return)
    _said(drawn, qtbot, "2 annotations written to mine.geojson")
    written = json.loads((tmp_path / "mine.geojson").read_text())
    shapes = [shapely.geometry.shape(each["geometry"]) for each in written["features"]]
    assert [shape.equals(REGION) for shape in shapes] == [True, False]


def test_tiles_are_cut_where_asked(drawn: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    drawn.commands["annotate.export_tiles"].trigger()
    dialog = open_dialog(drawn, TilesDialog, qtbot)
    assert isinstance(dialog, TilesDialog)
    dialog.scale.setValue(1.0)
    dialog.side.setValue(64)
    dialog.overlap.setValue(16)
    dialog.accept()
    where = open_dialog(drawn, QFileDialog, qtbot)
    assert isinstance(where, QFileDialog)
    where.fileSelected.emit(str(tmp_path))
    where.reject()
    _said(drawn, qtbot, "tiles with masks are in")
    assert drawn.panes.active.path is not None
    folder = tmp_path / f"{drawn.panes.active.path.stem} tiles"
    with (folder / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(list((folder / "images").iterdir())) > 20
    assert {row["classes"].split("=")[0] for row in rows} == {"Tumor"}


def test_tiles_that_were_canceled_are_gone_on_with(
    drawn: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    training, folder = drawn.annotations.training, tmp_path / "tiles"
    options = TileOptions(tile_px=16, threads=1)
    training.cut_tiles(folder, options, active_annotations(drawn))
    (task,) = training.tasks
    qtbot.waitUntil(
        lambda: task.dialog.isVisible() and any(folder.glob("images/*.png")), timeout=20_000
    )
    (cancel,) = task.dialog.findChildren(QPushButton)
    qtbot.mouseClick(cancel, Qt.MouseButton.LeftButton)
    _said(drawn, qtbot, "tiles was not finished")
    assert training.tasks == []
    assert not (folder / "manifest.csv").exists()
    assert any((folder / "images").iterdir())
    training.cut_tiles(folder, TileOptions(tile_px=32), active_annotations(drawn))
    qtbot.waitUntil(lambda: "other settings" in drawn.banner.sentence.text(), timeout=20_000)


def test_of_a_file_of_several_pictures_it_is_asked_which_is_meant(
    drawn: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    own = drawn.panes.active.path
    assert own is not None
    images = [{"id": 1, "file_name": "other.png"}, {"id": 2, "file_name": f"{own.stem}.png"}]
    boxes = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10]},
        {"id": 2, "image_id": 2, "category_id": 1, "bbox": [50, 50, 20, 20]},
    ]
    told = {"images": images, "categories": [{"id": 1, "name": "A"}], "annotations": boxes}
    path = tmp_path / "several.json"
    path.write_text(json.dumps(told))
    drawn.annotations.files.take(path, drawn.panes.active)
    dialog = open_dialog(drawn, QInputDialog, qtbot)
    assert isinstance(dialog, QInputDialog)
    assert dialog.comboBoxItems() == ["other.png", f"{own.stem}.png"]
    assert dialog.textValue() == f"{own.stem}.png"
    dialog.accept()
    (read,) = set_document(drawn, qtbot, "several.json")
    assert read.geometry.bounds == (50, 50, 70, 70)
