"""The page Batch: choose, start, pause, cancel, go on; compare, and travel to what is clicked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from inference_steps import make_bundle
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QAbstractItemView, QFileDialog, QLineEdit
from pytestqt.qtbot import QtBot
from ui_steps import open_dialog, show_slide

from viewer.cohort.batch import (
    Batch,
    BatchProgress,
    BatchSettings,
    BatchWhere,
    SlideRecord,
    kept_batches,
    open_batch,
)
from viewer.cohort.starting import begin_batch
from viewer.inference.cells.settings import changed
from viewer.inference.models.model_library import add_model
from viewer.studies.finding import project_slides
from viewer.studies.project import Project
from viewer.studies.project_file import create_project
from viewer.studies.stages import Stage
from viewer.ui.batch import contact_sheet
from viewer.ui.main_window import MainWindow
from viewer.ui.theme_colors import DARK, LIGHT

PATIENCE_MS = 60_000
SPOTS = {"few.tif": 3, "many.tif": 14}


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with slides of few and many dark squares, and a file that is none."""
    folder = tmp_path_factory.mktemp("batch") / "slides"
    folder.mkdir()
    for name, count in SPOTS.items():
        rng = np.random.default_rng(5)
        pixels = np.full((256, 256, 3), (220, 170, 200), np.uint8)
        pixels -= rng.integers(0, 20, pixels.shape, np.uint8)
        for number in range(count):
            x, y = 16 + number % 5 * 48, 16 + number // 5 * 48
            pixels[y : y + 10 + number, x : x + 10] = (60, 30, 90)
        tifffile.imwrite(
            folder / name, pixels, tile=(128, 128), photometric="rgb", resolution=(20000, 20000),
            resolutionunit=3,
        )  # fmt: skip
    (folder / "broken.tif").write_text("no slide")
    return folder


@pytest.fixture
def batch_window(make_window: Callable[[], MainWindow], tmp_path: Path, qtbot: QtBot) -> MainWindow:
    """A window whose page Batch is shown, with a small model at hand and chosen."""
    add_model(make_bundle(tmp_path / "model"))
    window = make_window()
    show_page(window, qtbot)
    panel = window.batch.panel
    panel.models.setCurrentIndex(panel.models.findText("Dark"))
    return window


def show_page(window: MainWindow, qtbot: QtBot) -> None:
    window.commands["panels.batch"].trigger()
    qtbot.waitUntil(lambda: window.batch.panel.models.count() > 0, timeout=PATIENCE_MS)


def add(window: MainWindow, folder: Path, qtbot: QtBot) -> None:
    window.batch.add([folder])
    qtbot.waitUntil(lambda: len(window.batch.slides.paths) == 3, timeout=PATIENCE_MS)


def states(window: MainWindow) -> dict[str, str]:
    model = window.batch.slides
    return {
        model.index(row, 0).data(): model.index(row, 1).data() for row in range(model.rowCount())
    }


def click_row(view: QAbstractItemView, row: int, qtbot: QtBot) -> None:
    at = view.visualRect(view.model().index(row, 0)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(at))


@pytest.mark.slow
def test_a_batch_runs_and_what_it_found_is_compared(
    batch_window: MainWindow, slides: Path, qtbot: QtBot
) -> None:
    window, panel, table = batch_window, batch_window.batch.panel, batch_window.batch.table
    assert not panel.start.isEnabled()
    add(window, slides, qtbot)
    assert set(states(window).values()) == {"Waiting"}
    qtbot.mouseClick(panel.start, Qt.MouseButton.LeftButton)
    assert panel.cancel.isVisible()
    qtbot.waitUntil(lambda: not window.batch.is_running, timeout=PATIENCE_MS)
    assert states(window) == {
        "broken.tif": "Failed", "few.tif": "3 objects", "many.tif": "14 objects",
    }  # fmt: skip
    assert panel.state.text() == "2 of 3 slides are done, 1 failed."
    assert panel.retry.isVisible()
    click_row(panel.slides, 0, qtbot)
    assert panel.why.text().startswith("broken.tif: unrecognized file format")

    window.commands["panels.batch_table"].trigger()
    qtbot.waitUntil(lambda: table.model.rowCount() == 2, timeout=PATIENCE_MS)
    table.value.setCurrentIndex(table.value.findData("objects"))
    qtbot.waitUntil(lambda: table.model.index(0, 1).data() in ("3", "14"), timeout=PATIENCE_MS)
    assert {table.model.index(row, 1).data() for row in (0, 1)} == {"3", "14"}
    assert table.about.text() == "2 slides, median 8.5."

    table.rows_of.setCurrentIndex(table.rows_of.findData("objects"))
    qtbot.waitUntil(lambda: table.model.rowCount() == 17, timeout=PATIENCE_MS)
    first = table.model.spread
    assert first is not None
    assert first.values[0] == first.values.max()  # the outlier first
    assert Path(first.slides[0]).name == "many.tif"
    click_row(table.view, 0, qtbot)
    pane = window.panes.active
    qtbot.waitUntil(
        lambda: pane.source is not None and pane.path == slides / "many.tif", timeout=PATIENCE_MS
    )
    x_px, y_px = first.places[0] if first.places is not None else (0, 0)

    def is_there() -> bool:
        center = pane.canvas.view.center
        return abs(center.x - x_px) < 1 and abs(center.y - y_px) < 1

    qtbot.waitUntil(is_there, timeout=PATIENCE_MS)


def test_a_paused_and_a_canceled_batch_go_on_even_in_another_window(
    batch_window: MainWindow, make_window: Callable[[], MainWindow], slides: Path, qtbot: QtBot
) -> None:
    window, panel = batch_window, batch_window.batch.panel
    add(window, slides, qtbot)
    qtbot.mouseClick(panel.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: any("Running" in each for each in states(window).values()),
                    timeout=PATIENCE_MS)  # fmt: skip
    qtbot.mouseClick(panel.pause, Qt.MouseButton.LeftButton)
    assert panel.pause.text() == "Go on"
    qtbot.waitUntil(lambda: not any("Running" in each for each in states(window).values()),
                    timeout=PATIENCE_MS)  # fmt: skip
    qtbot.mouseClick(panel.cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not window.batch.is_running, timeout=PATIENCE_MS)
    assert "Waiting" in states(window).values()
    window.close()
    later = make_window()
    show_page(later, qtbot)
    qtbot.waitUntil(lambda: later.batch.slides.rowCount() == 3, timeout=PATIENCE_MS)
    assert later.batch.panel.models.currentText() == "Dark"
    assert later.batch.panel.start.isEnabled()


def test_what_failed_is_tried_again_and_nothing_else(
    make_window: Callable[[], MainWindow], slides: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    model = add_model(make_bundle(tmp_path / "model"))
    named = [(slides / name, name) for name in SPOTS]
    batch = begin_batch(str(model.folder), named, {})
    batch.note(SlideRecord(slide=str(slides / "few.tif"), state="failed", error="It was away."))
    window = make_window()
    show_page(window, qtbot)
    panel = window.batch.panel
    qtbot.waitUntil(panel.retry.isVisible, timeout=PATIENCE_MS)
    assert states(window) == {"few.tif": "Failed", "many.tif": "Waiting"}
    qtbot.mouseClick(panel.retry, Qt.MouseButton.LeftButton)
    assert window.batch.is_running
    qtbot.waitUntil(lambda: not window.batch.is_running, timeout=PATIENCE_MS)
    assert states(window) == {"few.tif": "3 objects", "many.tif": "Waiting"}
    assert not panel.retry.isVisible()
    assert panel.state.text() == "1 of 2 slides are done; Start goes on."


def test_without_an_open_slide_it_is_said_what_to_add(window: MainWindow, qtbot: QtBot) -> None:
    show_page(window, qtbot)
    panel = window.batch.panel
    panel.open_slides_requested.emit()
    assert "No slide is open" in panel.why.text()
    assert panel.empty.isVisible()


def test_slides_are_compared_outliers_first_and_a_click_opens_one(
    window: MainWindow, slides: Path, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    counts = {str(slides / f"{number}.tif"): 100 + number for number in range(9)}
    counts[str(sample_slide)] = 900
    settings = BatchSettings(model="m", name="M", version="1", key="M 1 abc")
    batch = open_batch(settings, [(Path(path), Path(path).name) for path in counts])
    for path, count in counts.items():
        batch.note(SlideRecord(slide=path, state="done", record={"objects": count}))
    window.commands["panels.batch_table"].trigger()
    table = window.batch.table
    qtbot.waitUntil(lambda: table.model.rowCount() == 10, timeout=PATIENCE_MS)
    assert table.about.text() == "10 slides, median 104.5."
    assert [table.model.index(0, column).data() for column in (0, 1)] == [sample_slide.name, "900"]
    qtbot.mouseClick(table.save, Qt.MouseButton.LeftButton)
    chooser = open_dialog(window, QFileDialog, qtbot)
    (tmp_path / "taken.csv").mkdir()
    chooser.fileSelected.emit(str(tmp_path / "taken.csv"))
    chooser.reject()
    qtbot.waitUntil(window.banner.isVisible)
    assert "taken.csv cannot be written" in window.banner.sentence.text()
    table.view.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert table.model.index(0, 1).data() == "100"
    click_row(table.view, 9, qtbot)
    qtbot.waitUntil(lambda: window.panes.active.path == sample_slide, timeout=PATIENCE_MS)


def test_one_slide_and_its_tiles_are_called_what_they_are(
    window: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    settings = BatchSettings(model="m", name="M", version="1", key="M 1 abc")
    batch = open_batch(settings, [(sample_slide, sample_slide.name)])
    record = SlideRecord(slide=str(sample_slide), state="done", record={"cells": 49})
    batch.note(record)
    window.commands["panels.batch_table"].trigger()
    table = window.batch.table
    qtbot.waitUntil(lambda: table.model.rowCount() == 1, timeout=PATIENCE_MS)
    assert table.value.currentText() == "tiles"
    assert table.about.text() == "1 slide, median 49."


def test_values_of_slides_are_not_offered_for_objects_that_lie_in_a_store(
    window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    store = str(tmp_path / "store")
    settings = BatchSettings(model="m", name="M", version="1", key="M 1 abc", store=store)
    batch = open_batch(settings, [(sample_slide, sample_slide.name)])
    record = {"objects": 3194, "tissue_mm2": 0.5, "results": "r"}
    batch.note(SlideRecord(slide=str(sample_slide), state="done", record=record))
    window.commands["panels.batch_table"].trigger()
    table = window.batch.table
    qtbot.waitUntil(lambda: table.model.rowCount() == 1, timeout=PATIENCE_MS)
    assert table.about.text() == "1 slide, median 6,388."
    table.rows_of.setFocus()
    qtbot.keyClick(table.rows_of, Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: "lie in the store" in table.about.text(), timeout=PATIENCE_MS)
    assert table.value.count() == 0


def test_that_slides_are_looked_for_is_said_at_once(
    window: MainWindow, slides: Path, qtbot: QtBot
) -> None:
    window.commands["panels.batch"].trigger()
    panel = window.batch.panel
    qtbot.waitUntil(panel.isVisible)
    window.batch.add([slides])
    assert panel.state.text() == "Looking for slides..."
    assert panel.state.isVisible()
    qtbot.waitUntil(lambda: len(window.batch.slides.paths) == 3, timeout=PATIENCE_MS)
    assert not panel.state.isVisible()


def test_a_study_that_hides_models_hides_what_they_found_on_its_slides(
    window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    path = folder / "a.svs"
    path.write_bytes(sample_slide.read_bytes())
    slides = tuple(project_slides([folder], folder, []))
    stages = (Stage(name="Without AI", hides=("ai",)), Stage(name="With AI"))
    create_project(folder, Project(title="Study", slides=slides, stages=stages))
    settings = BatchSettings(model="m", name="M", version="1", key="M 1 abc")
    batch = open_batch(settings, [(path, path.name), (sample_slide, sample_slide.name)])
    for each in (path, sample_slide):
        batch.note(SlideRecord(slide=str(each), state="done", record={"objects": 7}))
    show_page(window, qtbot)
    qtbot.waitUntil(lambda: states(window).get("a.svs") == "7 objects", timeout=PATIENCE_MS)
    window.commands["panels.batch_table"].trigger()
    table = window.batch.table
    qtbot.waitUntil(lambda: table.model.rowCount() == 2, timeout=PATIENCE_MS)
    window.projects.open(folder)
    qtbot.waitUntil(lambda: table.about.text().startswith("The study hides"), timeout=PATIENCE_MS)
    assert table.view.isHidden()
    assert not table.save.isEnabled()
    assert states(window) == {
        "a.svs": "Done, hidden by the study", sample_slide.name: "7 objects",
    }  # fmt: skip
    window.commands["project.close"].trigger()
    qtbot.waitUntil(lambda: table.model.rowCount() == 2, timeout=PATIENCE_MS)
    assert states(window)["a.svs"] == "7 objects"


def test_settings_of_cells_on_screen_hold_for_all_slides(
    window: MainWindow, slides: Path, qtbot: QtBot
) -> None:
    show_slide(window, slides / "few.tif", qtbot)
    show_page(window, qtbot)
    panel, pane = window.batch.panel, window.panes.active
    panel.models.setCurrentIndex(panel.models.findText("Nuclei"))
    assert not panel.settings.isVisible()
    panel.models.setCurrentIndex(panel.models.findText("Cells"))
    assert "usual settings" in panel.settings.text()
    cells = next(each for each in window.overlays.bundles if each.description.decoder == "cells")
    settings = window.cells.settings_of(pane, cells)
    window.cells._on_changed(cells, changed(settings, {"threshold": 0.25}))
    window.batch.show_settings()
    assert "With the settings of few.tif: threshold 0.25;" in panel.settings.text()


def choose_cluster(window: MainWindow, address: str, store: str, qtbot: QtBot) -> None:
    where = window.batch.panel.where
    assert not where.address.isVisible()
    where.kind.setCurrentText("A Ray cluster")
    assert where.address.isVisible()
    where.address.clear()
    where.store.clear()
    qtbot.keyClicks(where.address, address)
    qtbot.keyClicks(where.store, store)


def test_what_is_wrong_with_a_cluster_is_said_and_nothing_runs(
    batch_window: MainWindow, slides: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    window, panel = batch_window, batch_window.batch.panel
    add(window, slides, qtbot)
    (tmp_path / "file").touch()
    for address, store, sentence in (
        ("ray://127.0.0.1:1", str(tmp_path / "store"), "There is no Ray cluster at ray://127"),
        ("127.0.0.1", str(tmp_path / "store"), "the address of a Ray cluster such as"),
        ("ray://127.0.0.1:1", "", "A cluster needs a place for results"),
        ("ray://127.0.0.1:1", str(tmp_path / "file"), "is a file: --store takes a folder"),
    ):
        panel.where.kind.setCurrentText("This computer")
        choose_cluster(window, address, store, qtbot)
        qtbot.mouseClick(panel.start, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: not window.batch.is_running, timeout=PATIENCE_MS)
        assert sentence in panel.why.text()
        assert panel.start.isVisible()
    assert kept_batches() == []


def test_where_an_earlier_batch_ran_is_shown(
    batch_window: MainWindow, make_window: Callable[[], MainWindow], slides: Path, qtbot: QtBot
) -> None:
    batch_window.close()
    settings = BatchSettings(model="m", name="Dark", version="1", key="k", store="s3://b/c")
    where = BatchWhere(on="ray://head:10001", gpus_per_task=0.25)
    open_batch(settings, [(path, path.name) for path in sorted(slides.iterdir())], where=where)
    later = make_window()
    show_page(later, qtbot)
    fields = later.batch.panel.where
    qtbot.waitUntil(lambda: fields.is_cluster, timeout=PATIENCE_MS)
    assert (fields.place, fields.store_name) == (where, "s3://b/c")


def test_the_contact_sheet_of_an_empty_folder_says_so(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    window.batch.show_quality(tmp_path)
    (sheet,) = window.batch._sheets
    qtbot.waitUntil(
        lambda: "no slides in the folder yet" in sheet.state.text(), timeout=PATIENCE_MS
    )
    sheet.close()


def test_what_teaches_cannot_be_pressed_without_a_slide(window: MainWindow) -> None:
    panel = window.overlays.panel
    buttons = (panel.teach_cells, panel.teach_pixels, panel.teach_outlines)
    names = ("teach.cells", "teach.pixels", "teach.outlines")
    assert [each.isEnabled() for each in buttons] == [False] * 3
    for name in names:
        window.commands[name].setEnabled(True)
    assert [each.isEnabled() for each in buttons] == [True] * 3


def test_the_contact_sheet_of_a_folder_has_the_worst_first_and_opens_slides(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "arrived"
    folder.mkdir()
    rng = np.random.default_rng(0)
    pixels = np.clip(rng.normal((190, 110, 170), 25, (300, 400, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "tissue.png")
    (folder / "torn.svs").write_text("no slide")
    show_page(window, qtbot)
    window.batch.show_quality(folder)
    (sheet,) = window.batch._sheets
    qtbot.waitUntil(lambda: "2 slides" in sheet.state.text(), timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: sheet.sheet.count() == 2, timeout=PATIENCE_MS)
    said = [sheet.sheet.item(row).text() for row in (0, 1)]
    assert said[0].startswith("torn.svs\nunrecognized file format")
    assert said[1] == "tissue.png\npixel size unknown"
    for theme in (LIGHT, DARK):
        window.change_settings(theme=theme.name)
        pixels = sheet.sheet.item(0).icon().pixmap(120, 120).toImage()
        middle = [pixels.pixelColor(x, 60) for x in range(pixels.width())]
        assert theme.disabled_text in {each.name() for each in middle if each.alpha() == 255}
    at = sheet.sheet.visualItemRect(sheet.sheet.item(1)).center()
    qtbot.mouseClick(sheet.sheet.viewport(), Qt.MouseButton.LeftButton, pos=at)
    pane = window.panes.active
    qtbot.waitUntil(lambda: pane.path == folder / "tissue.png", timeout=PATIENCE_MS)
    sheet.close()
    assert window.batch._sheets == []
    assert sorted(each.name for each in folder.iterdir()) == ["tissue.png", "torn.svs"]


def test_the_contact_sheet_stays_where_it_was_scrolled_to(
    window: MainWindow, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_sheet, "_EVERY_S", 0.2)
    folder = tmp_path / "arrived"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02}.svs").write_text("no slide")
    show_page(window, qtbot)
    qtbot.mouseClick(window.batch.panel.quality, Qt.MouseButton.LeftButton)
    chooser = open_dialog(window, QFileDialog, qtbot)
    name = chooser.findChild(QLineEdit, "fileNameEdit")
    assert name is not None
    name.setText(str(folder))  # typed, a list of completions takes Enter
    qtbot.keyClick(name, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(window.batch._sheets) == 1)
    (sheet,) = window.batch._sheets
    bar = sheet.sheet.verticalScrollBar()
    qtbot.waitUntil(lambda: sheet.sheet.count() == 30 and bar.maximum() > 0, timeout=PATIENCE_MS)
    qtbot.keyClick(bar, Qt.Key.Key_End)
    before = bar.value()
    assert before > 0
    (folder / "30.svs").write_text("no slide")
    qtbot.waitUntil(lambda: sheet.sheet.count() == 31, timeout=PATIENCE_MS)
    assert bar.value() == before
    sheet.close()


def test_a_run_of_another_program_is_followed_and_ended(
    batch_window: MainWindow, slides: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked: list[str] = []
    records = Batch.records

    def walk(batch: Batch) -> list[SlideRecord]:
        walked.append(threading.current_thread().name)
        return records(batch)

    monkeypatch.setattr(Batch, "records", walk)
    window, panel = batch_window, batch_window.batch.panel
    settings = BatchSettings(model="m", name="Dark", version="1", key="k", store="s3://b/c")
    paths = sorted(slides.iterdir())
    batch = open_batch(settings, [(path, path.name) for path in paths])
    with batch:
        batch.note(SlideRecord(slide=str(paths[0]), state="failed", error="It is torn."))
        batch.keep_progress(BatchProgress(0, 1, 3, 0.5, 600.0, str(paths[1]), 0.5, 1))
        qtbot.waitUntil(lambda: "10 min left" in panel.state.text(), timeout=PATIENCE_MS)
        assert panel.state.text() == "1 of 3 slides, 1 failed, 10 min left"
        assert states(window)["broken.tif"] == "Failed"
        assert (panel.pause.isVisible(), panel.start.isVisible()) == (False, False)
        walked.clear()
        batch.note(SlideRecord(slide=str(paths[1]), state="done", record={"objects": 3}))
        qtbot.waitUntil(lambda: "3 objects" in states(window).values(), timeout=PATIENCE_MS)
        assert states(window)["broken.tif"] == "Failed"
        assert set(walked) == {"batch page"}, "the window's thread walks through no slides"
        assert not batch.take_cancel_request()
        qtbot.mouseClick(panel.cancel, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(batch.take_cancel_request, timeout=PATIENCE_MS)
    ended = "1 of 3 slides are done, 1 failed; Start goes on."
    qtbot.waitUntil(lambda: panel.state.text() == ended, timeout=PATIENCE_MS)
    assert panel.start.isVisible()
