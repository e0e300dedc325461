"""Annotations and models in the real window: counting, regions of overlays, running on regions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import shapely
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot
from ui_steps import (
    ALT,
    CTRL,
    back_to_slide,
    drop,
    heatmap_page,
    open_dialog,
    opened_annotations,
    press,
    set_document,
)

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import adding, changing
from viewer.annotations.formats.exchange import FORMATS
from viewer.annotations.formats.qupath import read_qupath
from viewer.geometry import Box
from viewer.overlays.object_map import ObjectMap
from viewer.recording.events import AnnotationChanged, AnyEvent, Bookmarked
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.annotations.simple_dialogs import CountDialog
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.overlay import Overlay
from viewer.ui.overlays.overlay_run import OverlayRun
from viewer.ui.overlays.presenters.heatmap import HeatmapPresenter

_PATIENCE_MS = 60_000


def _region(active: PaneAnnotations, x0: float, y0: float, x1: float, y1: float) -> Annotation:
    drawn = Annotation(shapely.box(x0, y0, x1, y1), shown_as=AnnotationClass("Tumor"))
    active.do(adding("Rectangle", [drawn]))
    active.selection.choose([drawn.id])
    return drawn


def _cells(path: Path, places: list[tuple[int, int, float]]) -> None:
    """Squares of 10 pixels as QuPath writes cells, each with a measurement of DAB."""
    features = [
        {
            "type": "Feature",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[x, y], [x + 10, y], [x + 10, y + 10], [x, y + 10], [x, y]]],
            },
            "properties": {
                "objectType": "cell",
                "classification": {"name": "Nucleus", "color": [200, 0, 0]},
                "measurements": {"Nucleus: DAB OD mean": dab},
            },
        }
        for x, y, dab in places
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


@pytest.fixture
def with_cells(slide_window: MainWindow, tmp_path: Path, qtbot: QtBot) -> MainWindow:
    """Ten cells in a row at the top left, every other one brown."""
    path = tmp_path / "cells.geojson"
    _cells(path, [(100 + 50 * n, 100, 0.1 + 0.4 * (n % 2)) for n in range(10)])
    drop(slide_window, [path])
    pane = slide_window.panes.active
    qtbot.waitUntil(lambda: slide_window.overlays.run_of(pane) is not None)
    slide_window.commands["panels.annotations"].trigger()
    return slide_window


def test_positive_cells_are_counted_kept_and_exported(
    with_cells: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    active, panel = opened_annotations(with_cells, qtbot), with_cells.annotations.panel
    region = _region(active, 0, 0, 400, 400)
    qtbot.waitUntil(lambda: "6 objects" in panel.figures.text())
    with_cells.panes.active.focus()
    press(qtbot, with_cells, Qt.Key.Key_O, CTRL | ALT)
    dialog = open_dialog(with_cells, CountDialog, qtbot)
    assert isinstance(dialog, CountDialog)
    assert dialog.measurement.currentText() == "Nucleus: DAB OD mean"
    assert not dialog.threshold.isEnabled()
    dialog.is_asked.click()
    dialog.threshold.setValue(0.3)
    dialog.accept()
    qtbot.waitUntil(lambda: bool(active.document[region.id].measurements))
    told = active.document[region.id].measurements
    assert (told["Objects"], told["Positive objects"], told["Positive %"]) == (6, 3, 50)
    mpp_um = active.mpp_um
    assert mpp_um is not None
    area_mm2 = region.geometry.area * mpp_um**2 / 1e6
    assert told["Objects per mm2"] == pytest.approx(6 / area_mm2, rel=1e-4)
    path = tmp_path / "counted.geojson"
    with_cells.annotations.files.write(path, FORMATS["qupath"], active)
    qtbot.waitUntil(path.exists)
    (read,) = read_qupath(path, [])
    assert read.measurements["Positive %"] == 50
    back_to_slide(with_cells, qtbot)
    press(qtbot, with_cells, Qt.Key.Key_Z, CTRL)
    assert not active.document[region.id].measurements


def test_a_count_is_outdated_once_its_region_is_reshaped(
    with_cells: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    active, panel = opened_annotations(with_cells, qtbot), with_cells.annotations.panel
    region = _region(active, 0, 0, 400, 400)
    with_cells.panes.active.focus()
    press(qtbot, with_cells, Qt.Key.Key_O, CTRL | ALT)
    open_dialog(with_cells, CountDialog, qtbot).accept()
    qtbot.waitUntil(lambda: bool(active.document[region.id].measurements))
    qtbot.waitUntil(lambda: "Saved: Objects 6" in panel.figures.text())
    counted = active.document[region.id]
    wider = replace(counted, geometry=shapely.box(0, 0, 600, 400))
    active.do(changing("Reshape", [(counted, wider)]))
    qtbot.waitUntil(lambda: "Outdated, of another shape" in panel.figures.text())
    path = tmp_path / "reshaped.geojson"
    with_cells.annotations.files.write(path, FORMATS["qupath"], active)
    qtbot.waitUntil(path.exists)
    (read,) = read_qupath(path, [])
    assert "Objects" not in read.measurements


def test_objects_in_a_region_become_a_set_of_annotations(
    with_cells: MainWindow, qtbot: QtBot
) -> None:
    active = opened_annotations(with_cells, qtbot)
    _region(active, 0, 0, 240, 400)
    with_cells.panes.active.focus()
    press(qtbot, with_cells, Qt.Key.Key_R, CTRL | ALT)
    overlay = with_cells.overlays.active
    assert overlay is not None
    made = list(set_document(with_cells, qtbot, overlay.origin.name))
    assert [each.class_name for each in made] == ["Nucleus"] * 3
    assert made[0].geometry.area == pytest.approx(100)
    assert "Nucleus: DAB OD mean" in made[0].measurements
    assert len(active.document) == 1


def test_the_colors_of_a_heatmap_become_regions_as_the_thresholds_leave_them(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "scores.csv"
    tiles = [(256 * c, 256 * r, c / 10) for r in range(4) for c in range(8)]
    path.write_text("x,y,score\n" + "\n".join(f"{x},{y},{s}" for x, y, s in tiles))
    drop(slide_window, [path])
    pane = slide_window.panes.active
    qtbot.waitUntil(lambda: slide_window.overlays.run_of(pane) is not None)
    active = opened_annotations(slide_window, qtbot)
    overlay = slide_window.overlays.run_of(pane)
    assert overlay is not None
    page = heatmap_page(slide_window)
    qtbot.waitUntil(lambda: page.legend.texts[-1:] == ("0.7",))
    page.range.setValue((0.45, 0.7))
    qtbot.waitUntil(lambda: _painted(overlay) == 4 * 3)
    slide_window.commands["annotate.from_overlay"].trigger()
    (made,) = set_document(slide_window, qtbot, "scores.csv")
    assert len(active.document) == 0
    assert made.geometry.bounds == pytest.approx((5 * 256, 0, 8 * 256, 4 * 256))
    assert made.class_name == "scores.csv"
    sets = slide_window.annotations.active_sets
    assert sets is not None
    slide_window.commands["edit.undo"].trigger()
    assert sets.named("scores.csv") is None
    slide_window.commands["edit.redo"].trigger()
    assert list(set_document(slide_window, qtbot, "scores.csv")) == [made]


def _painted(overlay: Overlay) -> int:
    assert isinstance(overlay.shown, HeatmapPresenter)
    heatmap = overlay.shown.heatmap
    return -1 if heatmap is None else int((heatmap.colors[..., 3] > 0).sum())


@pytest.mark.slow
def test_a_model_runs_on_the_chosen_region(slide_window: MainWindow, qtbot: QtBot) -> None:
    active = opened_annotations(slide_window, qtbot)
    qtbot.waitUntil(lambda: slide_window.overlays.panel.models.chosen() is not None)
    slide_window.panes.active.canvas.set_magnification(40.0)
    slide_window.commands["overlays.on"].trigger()
    run = slide_window.overlays.active
    assert isinstance(run, OverlayRun)
    region = _region(active, 900, 1400, 1300, 1800)
    slide_window.commands["annotate.run_model"].trigger()
    found = run.found
    assert isinstance(found, ObjectMap)
    wanted = set(found.grid.covering(Box(*region.geometry.bounds)))
    qtbot.waitUntil(lambda: wanted <= found.done, timeout=_PATIENCE_MS)


def test_without_an_overlay_each_command_says_what_to_do(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    active = opened_annotations(slide_window, qtbot)
    _region(active, 0, 0, 100, 100)
    for command in ("annotate.count", "annotate.from_overlay", "annotate.run_model"):
        slide_window.say("")
        slide_window.commands[command].trigger()
        assert "on the page AI" in slide_window.status.currentMessage()


def test_what_is_drawn_reaches_the_recording(
    slide_window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    active = opened_annotations(slide_window, qtbot)
    slide_window.change_settings(reader="ada", consent_utc="2026-01-01T00:00:00Z")
    control = slide_window.recording.control
    qtbot.waitUntil(lambda: control._folder is not None)
    control.start()
    recording = control.recording_of(slide_window.panes.active)
    assert recording is not None
    told: list[object] = []
    record = recording.recorder.record

    def told_first(event: AnyEvent) -> None:
        told.append(event)
        record(event)

    monkeypatch.setattr(recording.recorder, "record", told_first)
    drawn = _region(active, 10, 20, 110, 120)
    slide_window.commands["edit.delete"].trigger()
    slide_window.commands["edit.undo"].trigger()
    slide_window.commands["annotate.bookmark"].trigger()
    changes = [each for each in told if isinstance(each, AnnotationChanged)]
    assert [each.change for each in changes] == ["made", "removed", "made", "made"]
    assert (changes[0].id, changes[0].kind) == (str(drawn.id), "rectangle")
    assert changes[0].box == (10, 20, 110, 120)
    assert any(isinstance(each, Bookmarked) for each in told)
    assert active.document[drawn.id].author == ""
    assert active.author == "ada"


def test_count_says_what_is_missing_and_leads_there(slide_window: MainWindow, qtbot: QtBot) -> None:
    active = opened_annotations(slide_window, qtbot)
    panel = slide_window.annotations.panel
    panel.show()

    def missing() -> QMessageBox:
        qtbot.mouseClick(panel.count, Qt.MouseButton.LeftButton)
        box = open_dialog(slide_window, QMessageBox, qtbot)
        assert isinstance(box, QMessageBox)
        return box

    box = missing()
    assert "Select the region" in box.text()
    assert "Turn on a model" in box.text()
    ways = {each.text().replace("&", ""): each for each in box.buttons()}
    assert all(each.width() >= each.sizeHint().width() for each in box.buttons())
    qtbot.mouseClick(ways["Draw a region"], Qt.MouseButton.LeftButton)
    assert slide_window.toolbox.name == "rectangle"
    region = _region(active, 0, 0, 100, 100)
    active.selection.choose([region.id])
    box = missing()
    assert "Select the region" not in box.text()
    ways = {each.text().replace("&", ""): each for each in box.buttons()}
    qtbot.mouseClick(ways["Open AI"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(slide_window.overlays.panel.isVisible)


@pytest.mark.slow
def test_a_region_that_was_not_analyzed_gets_no_count_and_can_be_run(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    active = opened_annotations(slide_window, qtbot)
    qtbot.waitUntil(lambda: slide_window.overlays.panel.models.chosen() is not None)
    # What is on screen is computed first: close, it is a block or two.
    slide_window.panes.active.canvas.set_magnification(160.0)
    slide_window.commands["overlays.on"].trigger()
    run = slide_window.overlays.active
    assert isinstance(run, OverlayRun)
    region = _region(active, 100, 2700, 300, 2900)
    slide_window.commands["annotate.count"].trigger()
    dialog = open_dialog(slide_window, CountDialog, qtbot)
    dialog.accept()
    box = open_dialog(slide_window, QMessageBox, qtbot)
    assert isinstance(box, QMessageBox)
    assert "has not analyzed the selected region: nothing is counted there." in box.text()
    assert "Objects" not in active.document[region.id].measurements
    there = next(each for each in box.buttons() if each.text().startswith("&Run"))
    qtbot.mouseClick(there, Qt.MouseButton.LeftButton)
    found = run.found
    assert isinstance(found, ObjectMap)
    wanted = set(found.grid.covering(Box(*region.geometry.bounds)))
    qtbot.waitUntil(lambda: wanted <= found.done, timeout=_PATIENCE_MS)
