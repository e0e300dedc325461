"""A file that is dropped lands on the slide that it is for, and what is there already is asked."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import shapely
import tifffile
from cli_steps import invoke
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QPushButton
from pytestqt.qtbot import QtBot
from scn_slide import write_scn
from ui_steps import active_annotations, drop, set_document, show_slide

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import Change, Edit
from viewer.annotations.formats.exchange import FORMATS
from viewer.annotations.formats.imagescope import write_imagescope
from viewer.ui.dropped_files import named_slides
from viewer.ui.main_window import MainWindow


def make_slide(path: Path, shade: int) -> Path:
    pixels = np.full((600, 800, 3), 235, np.uint8)
    pixels[100:400, 200:500] = (shade, 90, 160)
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", compression="deflate")
    return path


def make_geojson(path: Path, name: str = "Tumor", color: tuple[int, int, int] = (1, 2, 3)) -> Path:
    ring = [[10, 10], [60, 10], [60, 60], [10, 60], [10, 10]]
    properties = {
        "objectType": "annotation", "classification": {"name": name, "color": list(color)}
    }  # fmt: skip
    feature = {
        "type": "Feature", "id": str(uuid4()), "properties": properties,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }  # fmt: skip
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def count(window: MainWindow) -> int:
    """How many annotations the sets of the active slide hold; -1 before they are there."""
    sets = window.annotations.active_sets
    if window.annotations.active is None or sets is None:
        return -1
    return sum(len(each.annotations.document) for each in sets.entries if each.annotations)


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("T.geojson", ["T.svs"]),
        ("T.svs.geojson", ["T.svs"]),
        ("t_2.coco.json", ["T_2.tiff"]),
        ("T_2 annotations.csv", ["T_2.tiff"]),
        ("U.geojson", []),
        ("Tumor.geojson", []),
    ],
)
def test_a_file_names_a_slide(file: str, named: list[str]) -> None:
    slides = [Path("T.svs"), Path("T_2.tiff")]
    assert [slide.name for slide in named_slides(Path(file), slides)] == named


def test_a_file_dropped_with_a_slide_lands_on_it(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    window = slide_window
    qtbot.waitUntil(lambda: count(window) == 0)
    before = active_annotations(window).document
    slide, file = make_slide(tmp_path / "T.tif", 180), make_geojson(tmp_path / "T.geojson")
    drop(window, [slide, file])
    qtbot.waitUntil(lambda: window.panes.active.path == slide, timeout=20_000)
    qtbot.waitUntil(lambda: count(window) == 1)
    assert "T.tif" in window.status.currentMessage()
    assert len(before) == 0
    assert len(active_annotations(window).document) == 0


def test_a_table_of_the_second_slide_waits_for_it(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    first, second = make_slide(tmp_path / "A.tif", 180), make_slide(tmp_path / "B.tif", 120)
    table = tmp_path / "B.csv"
    table.write_text("x,y,width,height,class\n10,10,40,40,Tumor\n")
    window.open_paths([first, second, table])
    waits = "B.csv is for B.tif: it is added when that is opened."
    qtbot.waitUntil(lambda: waits in window.status.currentMessage(), timeout=20_000)
    qtbot.waitUntil(lambda: count(window) == 0, timeout=20_000)
    show_slide(window, second, qtbot)
    qtbot.waitUntil(lambda: count(window) == 1)


def test_what_is_unclear_is_asked(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    first, second = make_slide(tmp_path / "A.tif", 180), make_slide(tmp_path / "B.tif", 120)
    window.open_paths([first, second, make_geojson(tmp_path / "regions.geojson")])
    qtbot.waitUntil(lambda: "Which slide" in _asked(window))
    assert "regions.geojson" in _asked(window)


def test_dicom_annotations_go_out_and_come_in(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    window, file = slide_window, tmp_path / "regions.dcm"
    qtbot.waitUntil(lambda: count(window) == 0, timeout=20_000)
    active = active_annotations(window)
    square, nucleus = shapely.box(10, 10, 60, 60), shapely.box(100, 100, 120, 120)
    for annotation in (Annotation(square), Annotation(nucleus, kind="detection")):
        active.do(Edit("Draw", (Change(None, annotation),)))
    window.annotations.files.write(file, FORMATS["dicom-ann"], active)
    qtbot.waitUntil(file.is_file, timeout=20_000)
    for annotation in list(active.document):
        active.do(Edit("Remove", (Change(annotation, None),)))
    drop(window, [file])
    qtbot.waitUntil(lambda: count(window) == 1, timeout=20_000)
    (found,) = set_document(window, qtbot, "regions.dcm")
    assert found.geometry.equals(square)
    pane = window.panes.active
    qtbot.waitUntil(lambda: bool(window.overlays.all_of(pane)), timeout=20_000)


def _asked(window: MainWindow) -> str:
    from PySide6.QtWidgets import QInputDialog

    dialogs = [each for each in window.findChildren(QInputDialog) if each.isVisible()]
    return dialogs[-1].labelText() if dialogs else ""


@pytest.mark.parametrize(
    ("button", "left"), [("From the &bounds (QuPath)", 3010), ("From the &corner (OpenSlide)", 10)]
)
def test_from_where_a_file_counts_is_asked_on_a_slide_with_bounds(
    window: MainWindow, tmp_path: Path, qtbot: QtBot, button: str, left: int
) -> None:
    show_slide(window, write_scn(tmp_path / "s.scn"), qtbot)
    path = tmp_path / "q.geojson"
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[[10, 10], [99, 10], [99, 80], [10, 10]]]},
        "properties": {"objectType": "annotation"},
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    drop(window, [path])
    qtbot.waitUntil(lambda: _box(window) is not None, timeout=20_000)
    box = _box(window)
    assert box is not None
    choice = next(each for each in box.findChildren(QPushButton) if each.text() == button)
    qtbot.mouseClick(choice, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: count(window) == 1, timeout=20_000)
    assert next(iter(set_document(window, qtbot, "q.geojson"))).geometry.bounds[0] == left


def test_the_same_file_again_is_asked_and_classes_keep_their_color(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    window = slide_window
    qtbot.waitUntil(lambda: count(window) == 0)
    file = make_geojson(tmp_path / "regions.geojson")
    window.open_paths([file])
    qtbot.waitUntil(lambda: count(window) == 1)
    (annotation,) = set_document(window, qtbot, "regions.geojson")
    qtbot.waitUntil(lambda: "click it under Sets" in window.status.currentMessage())
    assert annotation.shown_as is not None
    assert annotation.shown_as.color == "#c80000"
    for text, expected in (("&Skip", 1), ("&Replace", 1), ("Keep &both", 2)):
        window.open_paths([file])
        qtbot.waitUntil(lambda: _box(window) is not None)
        box = _box(window)
        assert box is not None
        (button,) = [each for each in box.findChildren(QPushButton) if each.text() == text]
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: _box(window) is None)
        qtbot.waitUntil(lambda: not window.status.currentMessage().startswith("Reading"))
        assert count(window) == expected


def test_a_file_without_ids_is_asked_again_too(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    window, file = slide_window, tmp_path / "regions.xml"
    square = Annotation(shapely.box(10, 20, 110, 220), shown_as=AnnotationClass("Tumor", "#c80000"))
    write_imagescope(file, [square])
    window.open_paths([file])
    qtbot.waitUntil(lambda: count(window) == 1)
    window.open_paths([file])
    qtbot.waitUntil(lambda: _box(window) is not None)
    box = _box(window)
    assert box is not None
    assert "The annotation of regions.xml is on this slide already" in box.text()
    (button,) = [each for each in box.findChildren(QPushButton) if each.text() == "&Skip"]
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "has all of regions.xml already" in window.status.currentMessage())
    assert count(window) == 1


def _box(window: MainWindow) -> QMessageBox | None:
    boxes = [each for each in window.findChildren(QMessageBox) if each.isVisible()]
    return boxes[-1] if boxes else None


def test_what_is_kept_of_a_slide_is_exported(
    slide_window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    window, out = slide_window, tmp_path / "out.geojson"
    arguments = ["annotations", "export", str(sample_slide), "-o", str(out)]
    result = invoke(arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text())["features"] == []
    window.open_paths([make_geojson(tmp_path / "regions.geojson")])
    qtbot.waitUntil(lambda: count(window) == 1 and window.annotations.is_saved)
    assert invoke(arguments).exit_code == 0
    assert len(json.loads(out.read_text())["features"]) == 1
    coco = tmp_path / "out.coco.json"
    assert invoke([*arguments[:-1], str(coco)]).exit_code == 0
    (image,) = json.loads(coco.read_text())["images"]
    assert (image["width"], image["height"]) == (2220, 2967)
    assert image["file_name"] == sample_slide.name
