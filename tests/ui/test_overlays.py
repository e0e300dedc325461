"""Overlays as a reader turns them on: real window, real model, real process."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
import pytest
import shapely
from annotating_steps import finished_picture
from behavior_steps import write_slide
from inference_steps import Brightness, SeesNoDark, dark_is_unlike, make_bundle
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QInputDialog, QLabel, QLineEdit, QListWidget
from pytestqt.qtbot import QtBot
from session_lines import read_lines
from ui_steps import CTRL, SHIFT, drop, heatmap_page, open_dialog, press, show_slide

from viewer.cohort.features.embedding import encoder_of
from viewer.cohort.features.rows import features_of
from viewer.cohort.features.store import FeatureStore
from viewer.geometry import Box, Point
from viewer.inference.models.bundle import ModelBundle
from viewer.inference.models.model_library import BUNDLED, find_model
from viewer.inference.runs.known_blocks import KnownBlocks
from viewer.inference.runs.running import ModelRun, run_model
from viewer.overlays.area import blocks_of
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.result_at import ResultAt
from viewer.overlays.result_store import results_folder
from viewer.recording.events import AnyEvent, OverlayChanged, ResultViewed
from viewer.settings import Settings
from viewer.slides import open_slide
from viewer.slides.calibration import remember_mpp_um
from viewer.slides.region import read_region
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.density import DensityDialog
from viewer.ui.overlays.exporting import export_run
from viewer.ui.overlays.object_table_dialog import ObjectTableDialog
from viewer.ui.overlays.overlay import Overlay
from viewer.ui.overlays.overlay_run import OverlayRun
from viewer.ui.overlays.presenters.attention import AttentionPresenter
from viewer.ui.overlays.presenters.heatmap import HeatmapPresenter
from viewer.ui.overlays.presenters.objects import ObjectsPresenter
from viewer.ui.overlays.score_question import ScoreQuestion
from viewer.ui.overlays.settings_pages import QueryPage
from viewer.ui.slides.pixel_size_dialog import PixelSizeDialog

Kind = TypeVar("Kind")
_PATIENCE_MS = 60_000
_A_FIELD = Box(830, 1240, 1342, 1720)
"""Of the sample slide, level-0 pixels: a block of the nuclei model."""


@pytest.fixture(scope="module")
def field_slide(sample_slide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slide that is one field of the sample slide."""
    size = round(_A_FIELD.width), round(_A_FIELD.height)
    with closing(open_slide(sample_slide)) as source:
        pixels, mpp_um = read_region(source, _A_FIELD, *size), source.info.optics.mean_mpp_um
    assert mpp_um is not None
    return write_slide(tmp_path_factory.mktemp("field") / "field.tif", pixels, mpp_um)


@pytest.fixture(scope="module")
def nuclei_at_hand(field_slide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the nuclei model on that slide, computed once."""
    home = tmp_path_factory.mktemp("nuclei")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COVERSLIP_HOME", str(home))
        run_model(field_slide, find_model("nuclei"))
        return results_folder()


@pytest.fixture
def field_window(window: MainWindow, field_slide: Path, qtbot: QtBot) -> MainWindow:
    """A window that shows that slide, sharp and with the keyboard on it."""
    show_slide(window, field_slide, qtbot)
    return window


@pytest.fixture
def known_nuclei(own_home: Path, nuclei_at_hand: Path) -> None:
    """A home that has these results: for tests of what is done with them, not of how they come."""
    shutil.copytree(nuclei_at_hand, results_folder(), dirs_exist_ok=True)


def _shown(window: MainWindow, qtbot: QtBot) -> OverlayRun:
    """Goes to a field full of nuclei and turns the overlay on by its key."""
    pane = window.panes.active
    qtbot.waitUntil(lambda: window.overlays.panel.models.chosen() is not None)
    pane.canvas.set_magnification(40.0)
    qtbot.waitUntil(lambda: not pane.canvas.is_moving)
    press(qtbot, window, Qt.Key.Key_D, SHIFT)
    run = window.overlays.run_of(pane)
    assert isinstance(run, OverlayRun)
    qtbot.waitUntil(lambda: _count_in_view(run) > 0, timeout=_PATIENCE_MS)
    return run


def _count_in_view(run: OverlayRun) -> int:
    assert isinstance(run.shown, ObjectsPresenter)
    return run.shown.count_in(run.pane.canvas.view.box)


def _picture(window: MainWindow) -> bytes:
    picture = finished_picture(window.panes.active.canvas)
    return bytes(picture.constBits())  # which does not keep the picture itself


@pytest.mark.usefixtures("known_nuclei")
def test_the_field_is_outlined_and_a_key_looks_under_it(
    field_window: MainWindow, qtbot: QtBot
) -> None:
    run = _shown(field_window, qtbot)
    qtbot.waitUntil(lambda: not run.progress.is_busy, timeout=_PATIENCE_MS)
    with_outlines = _picture(field_window)
    field_window.panes.active.focus()
    press(qtbot, field_window, Qt.Key.Key_D)
    assert _picture(field_window) != with_outlines
    press(qtbot, field_window, Qt.Key.Key_D)
    assert _picture(field_window) == with_outlines
    press(qtbot, field_window, Qt.Key.Key_F)
    assert _picture(field_window) != with_outlines
    press(qtbot, field_window, Qt.Key.Key_F)
    assert _picture(field_window) == with_outlines
    assert "in view" in field_window.overlays.panel.body.figures.text()


@pytest.mark.usefixtures("quick_nuclei")
def test_a_slide_that_is_opened_again_has_its_objects_at_once(
    make_window: Callable[[], MainWindow], field_slide: Path, qtbot: QtBot
) -> None:
    first = make_window()
    show_slide(first, field_slide, qtbot)
    run = _shown(first, qtbot)
    qtbot.waitUntil(lambda: not run.progress.is_busy, timeout=_PATIENCE_MS)
    count, process = run.found.count, psutil.Process(run.process_id)
    first.close()
    qtbot.waitUntil(lambda: not process.is_running())
    second = make_window()
    show_slide(second, field_slide, qtbot)
    again = _shown(second, qtbot)
    qtbot.waitUntil(lambda: again.found.count == count)
    assert again.process_id is None


@pytest.mark.usefixtures("quick_nuclei")
def test_the_whole_slide_runs_and_stops(slide_window: MainWindow, qtbot: QtBot) -> None:
    run = _shown(slide_window, qtbot)
    press(qtbot, slide_window, Qt.Key.Key_D, CTRL | SHIFT)
    panel = slide_window.overlays.panel
    qtbot.mouseClick(panel.body.run, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(
        lambda: run.progress.total > 0 and panel.body.stop.isEnabled(), timeout=_PATIENCE_MS
    )
    assert panel.body.progress.isVisible()
    qtbot.mouseClick(panel.body.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not panel.body.stop.isEnabled(), timeout=_PATIENCE_MS)
    assert run.progress.total == 0
    assert run.found.count > 0


@pytest.mark.usefixtures("quick_nuclei")
def test_a_run_that_ends_with_its_slide_is_said(
    slide_window: MainWindow, field_slide: Path, qtbot: QtBot
) -> None:
    run, slide = _shown(slide_window, qtbot), slide_window.panes.active.path
    assert slide is not None
    panel = slide_window.overlays.panel
    panel.show()
    qtbot.mouseClick(panel.body.run, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(panel.body.pause, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: run.progress.total > 0, timeout=_PATIENCE_MS)
    show_slide(slide_window, field_slide, qtbot)
    said = slide_window.status.currentMessage()
    assert said.startswith(f"{run.origin.name} ended on {slide.name} with ")
    assert "Run it there again to go on." in said


@pytest.mark.usefixtures("quick_nuclei")
def test_models_rest_while_paused(slide_window: MainWindow, qtbot: QtBot) -> None:
    run = _shown(slide_window, qtbot)
    panel = slide_window.overlays.panel
    panel.show()
    qtbot.waitUntil(panel.body.pause.isEnabled)
    qtbot.mouseClick(panel.body.run, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(panel.body.pause, Qt.MouseButton.LeftButton)
    assert slide_window.commands["overlays.pause"].isChecked()
    qtbot.waitUntil(lambda: "paused" in panel.body.progress_text.text())
    assert panel.body.pause.accessibleName() == "Resume models"
    # What was in hand is still finished.
    blocks = run._engine._agenda.blocks
    qtbot.waitUntil(lambda: blocks.under_way == 0, timeout=_PATIENCE_MS)
    done = blocks.whole_done
    qtbot.waitUntil(lambda: run.progress.done >= done, timeout=_PATIENCE_MS)
    assert done < run.progress.total
    qtbot.mouseClick(panel.body.pause, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: run.progress.done > done, timeout=_PATIENCE_MS)
    assert "paused" not in panel.body.progress_text.text()


@pytest.mark.usefixtures("quick_nuclei")
def test_a_run_that_is_asked_for_ends_a_pause(slide_window: MainWindow, qtbot: QtBot) -> None:
    run = _shown(slide_window, qtbot)
    panel = slide_window.overlays.panel
    panel.show()
    qtbot.waitUntil(panel.body.pause.isEnabled)
    qtbot.mouseClick(panel.body.pause, Qt.MouseButton.LeftButton)
    assert panel.body.pause.isChecked()
    qtbot.mouseClick(panel.body.run, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not panel.body.pause.isChecked())
    assert slide_window.status.currentMessage() == "Models go on."
    qtbot.waitUntil(lambda: run.progress.total > 0, timeout=_PATIENCE_MS)
    assert "paused" not in panel.body.progress_text.text()


@pytest.mark.usefixtures("quick_nuclei")
def test_what_was_drawn_is_worked_through(slide_window: MainWindow, qtbot: QtBot) -> None:
    pane = slide_window.panes.active
    qtbot.waitUntil(lambda: slide_window.overlays.panel.models.chosen() is not None)
    pane.canvas.go_to(Point(2200, 2950), 0.25, animated=False)
    drawn = shapely.Point(960, 960).buffer(60)
    slide_window.overlays.commands.run_over(drawn)
    run = slide_window.overlays.run_of(pane)
    assert run is not None
    qtbot.waitUntil(lambda: run.progress.total > 0, timeout=_PATIENCE_MS)
    qtbot.waitUntil(lambda: run.progress.done == run.progress.total, timeout=_PATIENCE_MS)
    assert isinstance(run.found, ObjectMap)
    assert set(blocks_of(run.found.grid, drawn)) <= run.found.done


@pytest.mark.usefixtures("quick_nuclei")
def test_a_field_is_finished_although_one_looks_elsewhere(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    run = _shown(slide_window, qtbot)
    canvas = slide_window.panes.active.canvas
    canvas.go_to(Point(1100, 1500), 0.25, animated=False)
    field = canvas.view.box.intersection(canvas.slide_box)
    slide_window.commands["overlays.run_field"].trigger()
    canvas.go_to(Point(1400, 200), 0.25, animated=False)
    found = run.found
    assert isinstance(found, ObjectMap)
    wanted = set(found.grid.covering(field))
    assert wanted
    qtbot.waitUntil(lambda: wanted <= found.done, timeout=_PATIENCE_MS)
    qtbot.waitUntil(lambda: run.progress.done == run.progress.total, timeout=_PATIENCE_MS)


def test_a_model_dropped_on_the_window_is_added_and_runs(
    slide_window: MainWindow, quick_models: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    own = tmp_path / "own"
    shutil.copytree(quick_models / "nuclei", own)
    text = (own / "model.json").read_text().replace('"name": "Nuclei"', '"name": "Ours"')
    (own / "model.json").write_text(text)
    slide_window.panes.active.canvas.set_magnification(40.0)
    drop(slide_window, [own])
    pane = slide_window.panes.active
    qtbot.waitUntil(lambda: slide_window.overlays.run_of(pane) is not None)
    run = slide_window.overlays.run_of(pane)
    assert run is not None
    assert run.origin.name == "Ours"
    qtbot.waitUntil(lambda: run.found.count > 0, timeout=_PATIENCE_MS)


@pytest.mark.parametrize("spoil", ["weights", "description"])
def test_a_spoilt_model_is_refused_in_a_sentence(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot, spoil: str
) -> None:
    own = tmp_path / "own"
    shutil.copytree(BUNDLED / "nuclei", own)
    name = "weights.safetensors" if spoil == "weights" else "model.json"
    with (own / name).open("r+b") as file:
        file.truncate(100)
    drop(slide_window, [own])
    qtbot.waitUntil(slide_window.banner.isVisible)
    sentence = slide_window.banner.findChild(QLabel)
    assert sentence is not None
    assert sentence.text().endswith(".")
    assert slide_window.overlays.run_of(slide_window.panes.active) is None


def _choose(window: MainWindow, name: str, qtbot: QtBot) -> None:
    """Turns a model on by the switch of its card, with the space bar."""
    models = window.overlays.panel.models
    qtbot.waitUntil(lambda: models.count() >= 3)
    window.overlays.panel.show()
    switch = models.named(name).switch
    switch.setFocus()
    press(qtbot, switch, Qt.Key.Key_Space)


def _heatmap(window: MainWindow, name: str, qtbot: QtBot) -> tuple[OverlayRun, HeatmapPresenter]:
    _choose(window, name, qtbot)
    run = window.overlays.run_of(window.panes.active)
    assert isinstance(run, OverlayRun)
    assert isinstance(run.shown, HeatmapPresenter)
    qtbot.waitUntil(lambda: run.found.count > 20, timeout=_PATIENCE_MS)
    return run, run.shown


def _query_page(window: MainWindow) -> QueryPage:
    page = window.overlays.panel.body.query
    assert page is not None
    return page


def _painted(shown: HeatmapPresenter) -> int:
    heatmap = shown.heatmap
    return 0 if heatmap is None else int((heatmap.colors[..., 3] > 0).sum())


def _classes(shown: HeatmapPresenter) -> set[int]:
    heatmap = shown.heatmap
    if heatmap is None or heatmap.classes is None:
        return set()
    return set(np.unique(heatmap.classes).tolist())


def test_classes_are_painted_and_a_slider_hides_the_unsure(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    _, shown = _heatmap(slide_window, "Colorectal tissue", qtbot)
    qtbot.waitUntil(lambda: shown.heatmap is not None)
    page = heatmap_page(slide_window)
    assert page.isVisible()
    qtbot.waitUntil(lambda: _painted(shown) > 20, timeout=_PATIENCE_MS)
    before = _painted(shown)
    page.range.setValue((1.0, 1.0))
    qtbot.waitUntil(lambda: shown.style.low == 1.0)
    qtbot.waitUntil(lambda: _painted(shown) < before)
    legend = slide_window.overlays.panel.body.legend
    assert [row.name for row in legend.rows] == [name for name, _ in shown.legend()]
    assert all("mm²" in row.about for row in legend.rows)
    numbers = [each for each in page.range.findChildren(QLineEdit) if each.isVisible()]
    page.range.setValue((0.0, 1.0))
    assert [each.text() for each in numbers] == ["0.000", "1.000"]
    assert all(page.range.rect().contains(each.geometry()) for each in numbers)
    # What colors values is offered once a value is chosen.
    assert not page.color_map.isVisible()
    assert not page.legend.isVisible()
    page.shown.setCurrentIndex(1)
    page.shown.activated.emit(1)
    qtbot.waitUntil(page.legend.isVisible)
    assert page.color_map.isVisible()


def test_fields_like_this_one_are_found_and_traveled_to(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    _, shown = _heatmap(slide_window, "Tissue likeness", qtbot)
    canvas = slide_window.panes.active.canvas
    canvas.set_magnification(20.0)
    qtbot.waitUntil(lambda: not canvas.is_moving)
    canvas.setFocus()
    press(qtbot, slide_window, Qt.Key.Key_F, SHIFT)
    qtbot.waitUntil(lambda: shown.heatmap is not None)
    gallery = slide_window.overlays.panel.body.gallery
    qtbot.waitUntil(lambda: gallery.count() > 3)
    item = gallery.item(2)
    box = item.data(Qt.ItemDataRole.UserRole).box  # what is found later fills the gallery anew
    before = canvas.view.center
    qtbot.mouseClick(
        gallery.viewport(),
        Qt.MouseButton.LeftButton,
        pos=gallery.visualItemRect(item).center(),
    )
    qtbot.waitUntil(lambda: not canvas.is_moving)
    assert canvas.view.center != before
    assert canvas.view.center.x == pytest.approx(box.center.x, abs=2)


def test_fields_like_what_was_drawn_are_found(slide_window: MainWindow, qtbot: QtBot) -> None:
    _, shown = _heatmap(slide_window, "Tissue likeness", qtbot)
    slide_window.panes.active.canvas.go_to(Point(1300, 1300), 1.0, animated=False)
    qtbot.waitUntil(lambda: run_known(slide_window, Point(1300, 1300)), timeout=_PATIENCE_MS)
    drawn = shapely.Polygon([(1200, 1200), (1400, 1200), (1300, 1420)])
    slide_window.overlays.commands.find_similar(drawn)
    qtbot.waitUntil(lambda: shown.heatmap is not None)
    assert shown.heatmap is not None
    liked = shown.heatmap.values[shown.found.cells_in(drawn)]
    assert liked.mean() > np.nanmean(shown.heatmap.values)


def test_marks_paint_the_slide_and_are_there_again(
    make_window: Callable[[], MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    window = make_window()
    show_slide(window, sample_slide, qtbot)
    _, shown = _heatmap(window, "Tissue likeness", qtbot)
    page, canvas = _query_page(window), window.panes.active.canvas
    for name, x, y in (("Epithelium", 1300, 1300), ("Stroma", 1000, 2300)):
        qtbot.mouseClick(page.add, Qt.MouseButton.LeftButton)
        dialog = window.findChild(QInputDialog)
        assert dialog is not None
        dialog.setTextValue(name)
        dialog.accept()
        qtbot.waitUntil(lambda: window.findChild(QInputDialog) is None)
        canvas.go_to(Point(x, y), 1.0, animated=False)
        qtbot.mouseClick(page.mark, Qt.MouseButton.LeftButton)
        if name == "Epithelium":  # alone it would be everywhere
            qtbot.waitUntil(lambda: "second class" in window.overlays.panel.body.figures.text())
            assert shown.heatmap is None
            assert "marked fields" in canvas.shown_layers
    qtbot.waitUntil(lambda: {0, 1} <= _classes(shown), timeout=_PATIENCE_MS)
    window.close()
    again = make_window()
    show_slide(again, sample_slide, qtbot)
    _, later = _heatmap(again, "Tissue likeness", qtbot)
    assert later.query.names == ["Epithelium", "Stroma"]
    qtbot.waitUntil(lambda: later.heatmap is not None)
    qtbot.mouseClick(_query_page(again).unmark, Qt.MouseButton.LeftButton)
    assert later.query.names == ["Epithelium"]


@pytest.mark.usefixtures("known_nuclei")
def test_two_overlays_lie_over_one_another(field_window: MainWindow, qtbot: QtBot) -> None:
    nuclei = _shown(field_window, qtbot)
    _, shown = _heatmap(field_window, "Colorectal tissue", qtbot)
    canvas = field_window.panes.active.canvas
    assert canvas.has_layer(nuclei.shown.painted)
    assert canvas.has_layer(shown.layer)
    canvas.setFocus()
    press(qtbot, field_window, Qt.Key.Key_D)
    assert not canvas.has_layer(nuclei.shown.painted)
    assert not canvas.has_layer(shown.layer)


@pytest.mark.usefixtures("known_nuclei")
def test_nuclei_are_colored_by_area_and_told_under_the_cursor(
    field_window: MainWindow, qtbot: QtBot
) -> None:
    run = _shown(field_window, qtbot)
    panel, canvas = field_window.overlays.panel, field_window.panes.active.canvas
    panel.show()
    qtbot.waitUntil(lambda: not run.progress.is_busy, timeout=_PATIENCE_MS)
    by_class = _picture(field_window)
    page = panel.body.objects
    assert page is not None
    box = page.measurement
    qtbot.waitUntil(lambda: box.findText("Area µm²") > 0)
    box.setFocus()
    press(qtbot, box, Qt.Key.Key_A)  # a list takes the first entry of that letter: Area µm²
    assert isinstance(run.shown, ObjectsPresenter)
    assert run.shown.style.measurement == "Area um2"
    assert page.bars.isVisible()
    by_area = _picture(field_window)
    assert by_area != by_class
    low, high = page.range.value()
    page.range.setValue(((low + high) / 2, high))
    assert run.shown.style.low > low
    assert _picture(field_window) != by_area
    (objects,) = [o for k, o in run.shown.found if k == run.found.grid.touching(canvas.view.box)[0]]
    inside = next(c for c in objects.centroids if canvas.view.box.grown(-20).contains(Point(*c)))
    screen = canvas.view.to_screen(Point(*inside.tolist()))
    qtbot.mouseMove(canvas, QPoint(round(screen.x), round(screen.y)))
    shown, size = field_window.status.overlay, field_window.size()
    qtbot.waitUntil(lambda: shown.text().startswith("Nucleus, Area µm²"))
    told = shown.text()
    with qtbot.waitSignal(field_window.overlays.figures_changed):
        page.range.setValue((low, high))
    assert shown.text() == told, "the mouse rests"
    assert field_window.size() == size, "a long text moves no slide"


@pytest.mark.usefixtures("known_nuclei")
def test_the_table_lists_the_objects_also_beside_a_heatmap(
    field_window: MainWindow, qtbot: QtBot
) -> None:
    _shown(field_window, qtbot)
    _heatmap(field_window, "Tissue likeness", qtbot)
    assert len(field_window.overlays.all_of(field_window.panes.active)) == 2
    field_window.commands["overlays.table"].trigger()
    table = open_dialog(field_window, ObjectTableDialog, qtbot)
    assert "Nuclei" in table.windowTitle()
    field_window.commands["overlays.density"].trigger()
    density = open_dialog(field_window, DensityDialog, qtbot)
    assert "Objects of Nuclei" in density.findChildren(QLabel)[0].text()


def test_a_model_waits_on_a_slide_without_pixel_size_until_it_is_set(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    _heatmap(slide_window, "Tissue likeness", qtbot)
    plain = tmp_path / "plain.png"
    Image.new("RGB", (900, 900), (200, 60, 160)).save(plain)
    show_slide(slide_window, plain, qtbot)
    pane, overlays = slide_window.panes.active, slide_window.overlays
    assert "Tissue likeness will go on once" in slide_window.status.currentMessage()
    assert overlays.all_of(pane) == []
    qtbot.mouseClick(pane.bars.scale_hint.button, Qt.MouseButton.LeftButton)
    dialog = open_dialog(slide_window, PixelSizeDialog, qtbot)
    qtbot.keyClicks(dialog.size_um, "0.5")
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: [r.origin.name for r in overlays.all_of(pane)] == ["Tissue likeness"])


@pytest.mark.usefixtures("known_nuclei")
def test_kept_results_can_be_removed(field_window: MainWindow, qtbot: QtBot) -> None:
    run = _shown(field_window, qtbot)
    qtbot.waitUntil(lambda: not run.progress.is_busy, timeout=_PATIENCE_MS)
    kept = list(results_folder().glob("*/*.sqlite"))
    assert kept
    field_window.commands["overlays.clear_results"].trigger()
    qtbot.waitUntil(lambda: not any(path.exists() for path in kept), timeout=_PATIENCE_MS)
    assert run.found.count > 0


def test_a_slide_model_tells_its_judgment_and_where_it_looked(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    run, shown = _heatmap(slide_window, "Osteosarcoma", qtbot)
    assert isinstance(shown, AttentionPresenter)
    qtbot.waitUntil(lambda: shown.judgment is not None, timeout=_PATIENCE_MS)
    qtbot.waitUntil(lambda: _painted(shown) > 10)
    panel = slide_window.overlays.panel
    qtbot.waitUntil(lambda: "Viable tumor" in panel.body.legend.text)
    assert heatmap_page(slide_window).isVisible()
    assert heatmap_page(slide_window).percentiles.isChecked()
    qtbot.waitUntil(lambda: panel.body.gallery.count() > 3)
    assert run.origin.name == "Osteosarcoma"


def test_results_dropped_on_the_slide_are_shown_until_another_slide_comes(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    pane = slide_window.panes.active
    tiles = [(256 * c, 256 * r, (c + r) / 20) for r in range(11) for c in range(8)]
    path = tmp_path / "scores.csv"
    path.write_text("x,y,score\n" + "\n".join(f"{x},{y},{s}" for x, y, s in tiles))
    drop(slide_window, [path])
    qtbot.waitUntil(lambda: slide_window.overlays.run_of(pane) is not None)
    overlay = slide_window.overlays.run_of(pane)
    assert overlay is not None
    shown = overlay.shown
    assert isinstance(shown, HeatmapPresenter)
    qtbot.waitUntil(lambda: shown.heatmap is not None)
    assert _painted(shown) == len(tiles)
    panel = slide_window.overlays.panel
    assert panel.models.models()[0].name == "scores.csv"
    assert not panel.body.run.isVisibleTo(panel)
    told = shown.result_at(Point(7 * 256 + 9, 10 * 256 + 9))
    assert told == ResultAt("scores.csv 0.85", Box(1792, 2560, 2048, 2816))
    pane.close_slide()
    assert "scores.csv" not in [each.name for each in panel.models.models()]


def test_a_file_that_holds_no_results_is_refused_in_a_sentence(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "other.csv").write_text("name,age\na,3\n")
    drop(slide_window, [tmp_path / "other.csv"])
    qtbot.waitUntil(slide_window.banner.isVisible)
    sentence = slide_window.banner.findChild(QLabel)
    assert sentence is not None
    assert "needs columns x, y" in sentence.text()
    assert slide_window.overlays.run_of(slide_window.panes.active) is None


def _dropped(window: MainWindow, path: Path, qtbot: QtBot) -> Overlay:
    drop(window, [path])
    overlays, pane = window.overlays, window.panes.active
    qtbot.waitUntil(lambda: path.name in [each.origin.name for each in overlays.all_of(pane)])
    run = next(each for each in overlays.all_of(pane) if each.origin.name == path.name)
    shown = run.shown
    assert isinstance(shown, HeatmapPresenter)
    qtbot.waitUntil(lambda: shown.heatmap is not None, timeout=_PATIENCE_MS)
    return run


def test_tissue_is_shown_and_hidden(slide_window: MainWindow, qtbot: QtBot) -> None:
    pane, command = slide_window.panes.active, slide_window.commands["overlays.tissue"]
    command.trigger()
    qtbot.waitUntil(lambda: "tissue" in pane.canvas.shown_layers, timeout=_PATIENCE_MS)
    assert command.isChecked()
    command.trigger()
    qtbot.waitUntil(lambda: "tissue" not in pane.canvas.shown_layers)
    command.trigger()
    qtbot.waitUntil(lambda: "tissue" in pane.canvas.shown_layers, timeout=_PATIENCE_MS)
    pane.close_slide()
    qtbot.waitUntil(lambda: not command.isChecked())


def test_one_heatmap_is_painted_at_a_time(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x,y,width,score\n0,0,256,0.001\n512,256,256,0.004\n")
    first = _dropped(slide_window, tmp_path / "a.csv", qtbot)
    second = _dropped(slide_window, tmp_path / "b.csv", qtbot)
    assert (first.is_visible, second.is_visible) == (False, True)
    panel = slide_window.overlays.panel
    panel.show()
    card = panel.models.named("a.csv")
    assert card.body.covered.isVisibleTo(card)
    qtbot.mouseClick(card.body.uncover, Qt.MouseButton.LeftButton)
    assert (first.is_visible, second.is_visible) == (True, False)
    assert not card.body.covered.isVisibleTo(card)
    qtbot.mouseClick(card.switch, Qt.MouseButton.LeftButton)
    assert second.is_visible


def test_legend_and_read_out_say_what_the_colors_say(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{256 * n},0,256,{value}" for n, value in enumerate((0.001, 0.002, 0.002, 0.007))]
    path.write_text("\n".join(["x,y,width,score", *rows]))
    run = _dropped(slide_window, path, qtbot)
    page = heatmap_page(slide_window)
    qtbot.waitUntil(lambda: page.legend.texts == ("0.001", "0.004", "0.007"))
    told = run.result_at(Point(300, 10))
    assert told is not None
    assert told.text == "a.csv 0.0020"
    qtbot.mouseClick(page.percentiles, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.legend.texts == ("0 %", "50 %", "100 %"))
    told = run.result_at(Point(300, 10))
    assert told is not None
    assert told.text == "a.csv 0.0020 (percentile 50)"
    qtbot.mouseClick(page.percentiles, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.legend.texts == ("0.001", "0.004", "0.007"))
    page.range.setValue((0.0015, 0.007))
    shown = run.shown
    assert isinstance(shown, HeatmapPresenter)
    qtbot.waitUntil(lambda: _painted(shown) == 3)


def test_what_is_the_score_is_asked_where_a_table_does_not_say(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "genes.csv"
    path.write_text("x,y,width,KRT7,CD3\n0,0,256,1,30\n512,256,256,5,10\n")
    run = _dropped(slide_window, path, qtbot)
    question = slide_window.findChild(ScoreQuestion)
    assert question is not None
    assert [question.columns.item(row).text() for row in range(2)] == [
        "KRT7: 1 to 5, median 3",
        "CD3: 10 to 30, median 20",
    ]
    question.columns.setCurrentRow(1)
    page = heatmap_page(slide_window)
    qtbot.waitUntil(lambda: page.legend.texts == ("10", "20", "30"))
    assert page.shown.currentText() == "CD3"
    assert [page.shown.itemText(row) for row in range(page.shown.count())] == ["KRT7", "CD3"]
    told = run.result_at(Point(600, 300))
    assert told is not None
    assert told.text == "genes.csv, CD3 10"
    question.close()


def test_tiles_without_an_answer_are_hatched(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    classes = [{"name": name, "color": "#112233"} for name in ("A", "B")]
    model = make_bundle(
        tmp_path / "m", SeesNoDark(0.65), task="classification", classes=classes, patch_px=64,
        margin_px=0, head="probabilities",
    )  # fmt: skip
    drop(slide_window, [model])
    pane, overlays = slide_window.panes.active, slide_window.overlays
    qtbot.waitUntil(lambda: overlays.run_of(pane) is not None, timeout=_PATIENCE_MS)
    run = overlays.run_of(pane)
    assert isinstance(run, OverlayRun)
    qtbot.waitUntil(lambda: run.found.unanswered.count > 3, timeout=_PATIENCE_MS)
    qtbot.waitUntil(lambda: "hatched" in overlays.panel.body.warnings.text())
    qtbot.waitUntil(lambda: "no answer" in pane.canvas.shown_layers)
    hole = run.found.unanswered.boxes(1)[0]
    told = run.result_at(hole.center)
    assert told is not None
    assert "no answer" in told.text


def test_tiles_unlike_the_training_data_are_hatched(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    classes = [{"name": name, "colour": "#112233"} for name in ("A", "B")]
    model = make_bundle(
        tmp_path / "m", Brightness(), task="classification", classes=classes, patch_px=64,
        margin_px=0, head="probabilities", training=dark_is_unlike(),
    )  # fmt: skip
    drop(slide_window, [model])
    pane, overlays = slide_window.panes.active, slide_window.overlays
    qtbot.waitUntil(lambda: overlays.run_of(pane) is not None, timeout=_PATIENCE_MS)
    run = overlays.run_of(pane)
    assert run is not None
    qtbot.waitUntil(lambda: run.found.unlike.count > 3, timeout=_PATIENCE_MS)
    qtbot.waitUntil(lambda: "unlike the training data" in overlays.panel.body.warnings.text())
    qtbot.waitUntil(lambda: "unlike the training data" in pane.canvas.shown_layers)
    result = run.result_at(run.found.unlike.boxes(1)[0].center)
    assert result is not None
    assert "unlike the training data" in result.text


@pytest.mark.usefixtures("known_nuclei")
def test_a_row_of_the_table_travels_to_its_object(
    field_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    run = _shown(field_window, qtbot)
    qtbot.waitUntil(lambda: not run.progress.is_busy, timeout=_PATIENCE_MS)
    field_window.overlays.panel.show()
    field_window.commands["overlays.table"].trigger()
    dialog = field_window.findChild(ObjectTableDialog)
    assert dialog is not None
    qtbot.waitUntil(lambda: dialog.model.rowCount() == run.found.count)
    view, canvas = dialog.view, field_window.panes.active.canvas
    areas = [float(dialog.model.index(row, 3).data().replace(",", "")) for row in range(50)]
    assert areas == sorted(areas, reverse=True)
    header = view.horizontalHeader()
    place = QPoint(header.sectionViewportPosition(3) + 9, header.height() // 2)
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: float(dialog.model.index(0, 3).data()) < areas[-1])
    before = _picture(field_window)
    cell = view.visualRect(dialog.model.index(2, 3)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    qtbot.waitUntil(lambda: not canvas.is_moving)
    table = dialog.model.table
    assert table is not None
    x, y = table.objects.centroids[int(table.rows[2])].tolist()
    assert (canvas.view.center.x, canvas.view.center.y) == pytest.approx((x, y), abs=1)
    assert _picture(field_window) != before
    dialog.close()


def test_fields_alike_on_another_slide_are_found_and_opened(
    slide_window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    other = tmp_path / "other.png"
    with closing(open_slide(sample_slide)) as source:
        Image.fromarray(read_region(source, Box(900, 900, 1460, 1460), 560, 560)).save(other)
    with closing(open_slide(other)) as source:
        remember_mpp_um(source.info.identity, (0.499, 0.499))
    encoder = find_model("tissue-likeness")
    embedded = run_model(other, encoder, mpp_um=0.499)
    canvas, panel = slide_window.panes.active.canvas, slide_window.overlays.panel
    canvas.go_to(Point(1300, 1300), 1.0, animated=False)
    _heatmap(slide_window, "Tissue likeness", qtbot)
    qtbot.waitUntil(lambda: run_known(slide_window, Point(1300, 1300)), timeout=_PATIENCE_MS)
    far = _store_of(tmp_path / "cohort", encoder, embedded)
    slide_window.change_settings(result_stores=[str(tmp_path / "cohort")])
    qtbot.mouseClick(_query_page(slide_window).everywhere, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: _first_slide(panel.body.elsewhere) == far, timeout=_PATIENCE_MS)
    slide_window.change_settings(result_stores=[])
    qtbot.mouseClick(_query_page(slide_window).everywhere, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: _first_slide(panel.body.elsewhere) == other, timeout=_PATIENCE_MS)
    assert panel.body.elsewhere.count() > 2
    assert panel.body.elsewhere_label.isVisible()
    item = panel.body.elsewhere.item(0)
    field = item.data(Qt.ItemDataRole.UserRole)
    assert field.slide == other
    panel.body.elsewhere.scrollToItem(item)
    panel.body.elsewhere.itemClicked.emit(item)
    pane = slide_window.panes.active
    qtbot.waitUntil(lambda: pane.path == other)
    qtbot.waitUntil(lambda: not canvas.is_moving)
    assert canvas.view.center.x == pytest.approx(field.box.center.x, abs=2)
    # The model is on there, too, with what was found still at hand, and the way back.
    body = panel.body
    qtbot.waitUntil(lambda: body.back.isVisible(), timeout=_PATIENCE_MS)
    assert body.elsewhere.isVisible()
    assert body.back.text() == f"Back to {sample_slide.name}"
    qtbot.mouseClick(body.back, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: pane.path == sample_slide, timeout=_PATIENCE_MS)
    qtbot.waitUntil(lambda: not body.back.isVisible(), timeout=_PATIENCE_MS)
    qtbot.waitUntil(lambda: canvas.view.center.x == pytest.approx(1300, abs=2))
    # Another slide lies there by now: nothing of it is shown as the field that was found.
    Image.new("RGB", (900, 900), (200, 60, 60)).save(other)
    body.elsewhere.itemClicked.emit(body.elsewhere.item(0))
    qtbot.waitUntil(lambda: pane.path == other, timeout=_PATIENCE_MS)
    assert "Another slide lies in the place of other.png" in slide_window.status.currentMessage()
    assert canvas.destination.center.x == pytest.approx(450, abs=2)


def test_a_model_that_is_on_is_on_the_next_slide_too(
    slide_window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    other = tmp_path / "other.svs"
    other.write_bytes(sample_slide.read_bytes())
    overlays, pane = slide_window.overlays, slide_window.panes.active
    run, _ = _heatmap(slide_window, "Tissue likeness", qtbot)
    show_slide(slide_window, other, qtbot)
    qtbot.waitUntil(lambda: len(overlays.all_of(pane)) == 1, timeout=_PATIENCE_MS)
    there = overlays.all_of(pane)[0]
    assert there is not run
    assert there.origin.name == "Tissue likeness"
    slide_window.commands["file.close"].trigger()
    show_slide(slide_window, sample_slide, qtbot)
    assert overlays.all_of(pane) == []


def _store_of(place: Path, encoder: ModelBundle, run: ModelRun) -> Path:
    """Keep what an encoder said of a slide as that of another one, and return where that lies."""
    far = place.parent / "far.svs"
    assert isinstance(run.found, PatchFeatureMap)
    features = features_of(run.found, "s1-far", str(far), far.name)
    store = FeatureStore(place, writes=True)
    store.add_slide(encoder_of(encoder, features.vectors.shape[1]), features)
    return far


def _first_slide(gallery: QListWidget) -> Path | None:
    item = gallery.item(0)
    return None if item is None else item.data(Qt.ItemDataRole.UserRole).slide


def run_known(window: MainWindow, point: Point) -> bool:
    """Whether the overlay knows the field at a point."""
    run = window.overlays.run_of(window.panes.active)
    assert isinstance(run, OverlayRun)
    assert isinstance(run.shown, HeatmapPresenter)
    here = Box(point.x, point.y, point.x, point.y)
    return bool(run.shown.found.cells_in(here).any())


def _logged(window: MainWindow) -> list[AnyEvent]:
    recording = window.recording.control.recording_of(window.panes.active)
    assert recording is not None
    folder = recording.recorder.folder
    is_begun = (folder / "events.jsonl").exists()
    return [line.event for line in read_lines(folder)] if is_begun else []


@pytest.mark.usefixtures("known_nuclei")
def test_the_log_tells_what_was_on_and_which_results_were_looked_at(
    make_window: Callable[[Settings], MainWindow], field_slide: Path, qtbot: QtBot
) -> None:
    window = make_window(Settings(reader="r", consent_utc="2026-11-24T08:00:00+00:00"))
    show_slide(window, field_slide, qtbot)
    run = _shown(window, qtbot)
    qtbot.waitUntil(lambda: not run.progress.is_busy, timeout=_PATIENCE_MS)
    version = find_model("nuclei").version
    control, canvas = window.recording.control, window.panes.active.canvas
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    qtbot.waitUntil(lambda: control.recording_of(window.panes.active) is not None)

    def of(kind: type[Kind]) -> list[Kind]:
        return [event for event in _logged(window) if isinstance(event, kind)]

    assert isinstance(run.found, ObjectMap)
    middle = next(
        Point(*place)
        for _, objects in run.found.inside(canvas.view.box)
        for place in objects.centroids.tolist()
        if canvas.view.box.grown(-20).contains(Point(*place))
    )

    def is_viewed() -> bool:
        # The indicator of the recording may still be making room for itself.
        at = canvas.view.to_screen(middle)
        qtbot.mouseMove(canvas, QPoint(round(at.x), round(at.y)))
        return bool(of(ResultViewed))

    qtbot.waitUntil(is_viewed)
    (viewed,) = of(ResultViewed)
    assert isinstance(viewed, ResultViewed)
    assert viewed.overlay == "Nuclei"
    assert viewed.item.startswith("Nucleus, Area µm² ")
    assert Box(*viewed.box).contains(middle)

    def changes() -> list[OverlayChanged]:
        # Where the field is unlike the training data, that overlay is on too.
        return [each for each in of(OverlayChanged) if each.name == "Nuclei"]

    window.overlays.panel.body.opacity.setValue(60)
    window.overlays.panel.body.opacity.setValue(40)
    qtbot.waitUntil(lambda: len(changes()) == 2)
    press(qtbot, window, Qt.Key.Key_D)
    press(qtbot, window, Qt.Key.Key_D)
    press(qtbot, window, Qt.Key.Key_D, SHIFT)
    wanted = [(True, 1.0), (True, 0.4), (False, 0.4), (True, 0.4), (False, 0.4)]
    qtbot.waitUntil(lambda: len(changes()) == len(wanted))
    assert changes() == [OverlayChanged("Nuclei", *told, version) for told in wanted]


@pytest.mark.usefixtures("known_nuclei")
def test_turning_an_overlay_off_waits_for_nothing_that_is_still_being_kept(
    field_window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    _shown(field_window, qtbot)
    may_keep, has_kept, close = threading.Event(), threading.Event(), KnownBlocks.close

    def slow(known: KnownBlocks) -> None:
        assert may_keep.wait(60)
        close(known)
        has_kept.set()

    monkeypatch.setattr(KnownBlocks, "close", slow)
    press(qtbot, field_window, Qt.Key.Key_D, SHIFT)
    assert field_window.overlays.run_of(field_window.panes.active) is None
    assert not has_kept.is_set()
    press(qtbot, field_window, Qt.Key.Key_D, SHIFT)
    again = field_window.overlays.run_of(field_window.panes.active)
    assert isinstance(again, OverlayRun)
    assert not has_kept.is_set()
    may_keep.set()
    qtbot.waitUntil(lambda: _count_in_view(again) > 0, timeout=_PATIENCE_MS)
    assert has_kept.is_set(), "the next one reads what is kept"


@pytest.mark.usefixtures("known_nuclei")
def test_a_new_pixel_size_ends_what_was_made_with_the_former(
    field_window: MainWindow, qtbot: QtBot
) -> None:
    _shown(field_window, qtbot)
    pane = field_window.panes.active
    pane.set_mpp_um(0.25)
    assert field_window.overlays.run_of(pane) is None
    assert "The pixel size changed: Nuclei ended." in field_window.status.currentMessage()
    assert not field_window.commands["overlays.on"].isChecked()
    press(qtbot, field_window, Qt.Key.Key_D, SHIFT)
    again = field_window.overlays.run_of(pane)
    assert again is not None
    assert again.mpp_um == 0.25


@pytest.mark.usefixtures("quick_nuclei")
def test_an_export_of_a_part_says_so(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    run = _shown(slide_window, qtbot)
    slide_window.commands["overlays.pause"].setChecked(True)
    path = tmp_path / "part.geojson"
    export_run(slide_window, slide_window.overlays._background, run, path)
    qtbot.waitUntil(path.exists)
    qtbot.waitUntil(lambda: "were written" in slide_window.status.currentMessage())
    assert "% of the slide were written" in slide_window.status.currentMessage()
    assert "colors" not in slide_window.status.currentMessage()
    table = tmp_path / "part.csv"
    export_run(slide_window, slide_window.overlays._background, run, table)
    qtbot.waitUntil(
        lambda: "This format keeps no colors." in slide_window.status.currentMessage(),
        timeout=10_000,
    )
    assert (tmp_path / "part.csv.about.json").exists()
    about = json.loads(path.read_text())["coverslip"]
    assert 0 < about["share"] < 1
    assert about["model"] == "Nuclei"
    assert isinstance(run.origin, ModelBundle)
    assert about["version"] == run.origin.version
    source = run.pane.source
    assert source is not None
    base = source.levels[0]
    assert about["region_px"] == [0, 0, base.width_px, base.height_px]


@pytest.mark.usefixtures("known_nuclei")
def test_a_device_that_is_not_there_is_said_on_the_card(
    make_window: Callable[[Settings], MainWindow],
    field_slide: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("viewer.ui.overlays.overlay_run.cuda_devices", list)
    window = make_window(Settings(device="cuda"))
    show_slide(window, field_slide, qtbot)
    run = _shown(window, qtbot)
    sentence = "Running on CPU: no CUDA device found."
    qtbot.waitUntil(lambda: sentence in window.overlays.panel.body.figures.text(), timeout=20_000)
    assert run.found.count > 0
