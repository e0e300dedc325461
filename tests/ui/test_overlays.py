"""Overlays as a reader turns them on: real window, real model, real process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QInputDialog, QLabel
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, SHIFT, drop, press, show_slide

from viewer.geometry import Point
from viewer.inference.model_library import BUNDLED
from viewer.overlays.result_store import results_folder
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.overlay_run import OverlayRun
from viewer.ui.overlays.shown_heatmap import ShownHeatmap
from viewer.ui.overlays.shown_objects import ShownObjects

_PATIENCE_MS = 60_000


def _shown(window: MainWindow, qtbot: QtBot) -> OverlayRun:
    """Goes to a field full of nuclei and turns the overlay on by its key."""
    pane = window.panes.active
    qtbot.waitUntil(lambda: window.overlays.dock.models.chosen() is not None)
    pane.canvas.set_magnification(40.0)
    qtbot.waitUntil(lambda: not pane.canvas.is_moving)
    press(qtbot, window, Qt.Key.Key_D, SHIFT)
    run = window.overlays.run_of(pane)
    assert run is not None
    qtbot.waitUntil(lambda: _count_in_view(run) > 0, timeout=_PATIENCE_MS)
    return run


def _count_in_view(run: OverlayRun) -> int:
    assert isinstance(run.shown, ShownObjects)
    return run.shown.count_in(run.pane.canvas.view.box)


def _picture(window: MainWindow) -> bytes:
    image = window.panes.active.canvas.grab().toImage()
    return bytes(image.constBits())


def test_the_field_is_outlined_and_a_key_looks_under_it(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    run = _shown(slide_window, qtbot)
    qtbot.waitUntil(lambda: not run.progress.is_busy, timeout=_PATIENCE_MS)
    with_outlines = _picture(slide_window)
    slide_window.panes.active.focus()
    press(qtbot, slide_window, Qt.Key.Key_D)
    assert _picture(slide_window) != with_outlines
    press(qtbot, slide_window, Qt.Key.Key_D)
    assert _picture(slide_window) == with_outlines
    press(qtbot, slide_window, Qt.Key.Key_F)
    assert _picture(slide_window) != with_outlines
    press(qtbot, slide_window, Qt.Key.Key_F)
    assert _picture(slide_window) == with_outlines
    assert "in view" in slide_window.overlays.dock.figures.text()


def test_a_slide_that_is_opened_again_has_its_objects_at_once(
    make_window: Callable[[], MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    first = make_window()
    show_slide(first, sample_slide, qtbot)
    run = _shown(first, qtbot)
    qtbot.waitUntil(lambda: not run.progress.is_busy, timeout=_PATIENCE_MS)
    count, process = run.found.count, psutil.Process(run.process_id)
    first.close()
    qtbot.waitUntil(lambda: not process.is_running(), timeout=10_000)
    second = make_window()
    show_slide(second, sample_slide, qtbot)
    again = _shown(second, qtbot)
    qtbot.waitUntil(lambda: again.found.count == count, timeout=10_000)
    assert again.process_id is None


def test_the_whole_slide_runs_and_stops(slide_window: MainWindow, qtbot: QtBot) -> None:
    run = _shown(slide_window, qtbot)
    press(qtbot, slide_window, Qt.Key.Key_D, CTRL | SHIFT)
    dock = slide_window.overlays.dock
    qtbot.mouseClick(dock.run, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: run.progress.total > 0 and dock.stop.isEnabled())
    assert dock.progress.isVisible()
    qtbot.mouseClick(dock.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: run.progress.total == 0 and not dock.stop.isEnabled())
    assert run.found.count > 0


def test_a_model_dropped_on_the_window_is_added_and_runs(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    own = tmp_path / "own"
    shutil.copytree(BUNDLED / "nuclei", own)
    text = (own / "model.json").read_text().replace('"name": "Nuclei"', '"name": "Ours"')
    (own / "model.json").write_text(text)
    slide_window.panes.active.canvas.set_magnification(40.0)
    drop(slide_window, [own])
    pane = slide_window.panes.active
    qtbot.waitUntil(lambda: slide_window.overlays.run_of(pane) is not None, timeout=10_000)
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
    qtbot.waitUntil(slide_window.banner.isVisible, timeout=10_000)
    sentence = slide_window.banner.findChild(QLabel)
    assert sentence is not None
    assert sentence.text().endswith(".")
    assert slide_window.overlays.run_of(slide_window.panes.active) is None


def _choose(window: MainWindow, name: str, qtbot: QtBot) -> None:
    """Chooses a model in the list, as its arrow keys do, and checks it with the space bar."""
    models = window.overlays.dock.models
    qtbot.waitUntil(lambda: models.count() >= 3)
    window.overlays.dock.show()
    row = [bundle.description.name for bundle in models.models()].index(name)
    models.setFocus()
    press(qtbot, models, Qt.Key.Key_Home)
    for _ in range(row):
        press(qtbot, models, Qt.Key.Key_Down)
    press(qtbot, models, Qt.Key.Key_Space)


def _heatmap(window: MainWindow, name: str, qtbot: QtBot) -> tuple[OverlayRun, ShownHeatmap]:
    _choose(window, name, qtbot)
    run = window.overlays.run_of(window.panes.active)
    assert run is not None
    assert isinstance(run.shown, ShownHeatmap)
    qtbot.waitUntil(lambda: run.found.count > 20, timeout=_PATIENCE_MS)
    return run, run.shown


def _painted(shown: ShownHeatmap) -> int:
    heatmap = shown.heatmap
    return 0 if heatmap is None else int((heatmap.colours[..., 3] > 0).sum())


def _classes(shown: ShownHeatmap) -> set[int]:
    heatmap = shown.heatmap
    if heatmap is None or heatmap.classes is None:
        return set()
    return set(np.unique(heatmap.classes).tolist())


def test_classes_are_painted_and_a_slider_hides_the_unsure(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    _, shown = _heatmap(slide_window, "Colorectal tissue", qtbot)
    qtbot.waitUntil(lambda: shown.heatmap is not None)
    page = slide_window.overlays.dock.heatmap
    assert page.isVisible()
    qtbot.waitUntil(lambda: _painted(shown) > 20, timeout=_PATIENCE_MS)
    before = _painted(shown)
    page.range.setValue((1.0, 1.0))
    qtbot.waitUntil(lambda: shown.style.low == 1.0)
    qtbot.waitUntil(lambda: _painted(shown) < before)
    assert "mm2" in slide_window.overlays.dock.figures.text()


def test_fields_like_this_one_are_found_and_travelled_to(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    _, shown = _heatmap(slide_window, "Tissue likeness", qtbot)
    canvas = slide_window.panes.active.canvas
    canvas.set_magnification(20.0)
    qtbot.waitUntil(lambda: not canvas.is_moving)
    canvas.setFocus()
    press(qtbot, slide_window, Qt.Key.Key_F, SHIFT)
    qtbot.waitUntil(lambda: shown.heatmap is not None)
    gallery = slide_window.overlays.dock.gallery
    qtbot.waitUntil(lambda: gallery.count() > 3)
    item = gallery.item(2)
    before = canvas.view.center
    qtbot.mouseClick(
        gallery.viewport(),
        Qt.MouseButton.LeftButton,
        pos=gallery.visualItemRect(item).center(),
    )
    qtbot.waitUntil(lambda: not canvas.is_moving)
    box = item.data(Qt.ItemDataRole.UserRole).box
    assert canvas.view.center != before
    assert canvas.view.center.x == pytest.approx(box.center.x, abs=2)


def test_marks_paint_the_slide_and_are_there_again(
    make_window: Callable[[], MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    window = make_window()
    show_slide(window, sample_slide, qtbot)
    _, shown = _heatmap(window, "Tissue likeness", qtbot)
    page, canvas = window.overlays.dock.query, window.panes.active.canvas
    for name, x, y in (("Epithelium", 1300, 1300), ("Stroma", 1000, 2300)):
        qtbot.mouseClick(page.add, Qt.MouseButton.LeftButton)
        dialog = window.findChild(QInputDialog)
        assert dialog is not None
        dialog.setTextValue(name)
        dialog.accept()
        qtbot.waitUntil(lambda: window.findChild(QInputDialog) is None)
        canvas.go_to(Point(x, y), 1.0, animated=False)
        qtbot.mouseClick(page.mark, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: {0, 1} <= _classes(shown), timeout=_PATIENCE_MS)
    window.close()
    again = make_window()
    show_slide(again, sample_slide, qtbot)
    _, later = _heatmap(again, "Tissue likeness", qtbot)
    assert later.query.names == ["Epithelium", "Stroma"]
    qtbot.waitUntil(lambda: later.heatmap is not None)
    qtbot.mouseClick(again.overlays.dock.query.unmark, Qt.MouseButton.LeftButton)
    assert later.query.names == ["Epithelium"]


def test_two_overlays_lie_over_one_another(slide_window: MainWindow, qtbot: QtBot) -> None:
    nuclei = _shown(slide_window, qtbot)
    _, shown = _heatmap(slide_window, "Colorectal tissue", qtbot)
    canvas = slide_window.panes.active.canvas
    assert canvas.has_layer(nuclei.shown.layer)
    assert canvas.has_layer(shown.layer)
    canvas.setFocus()
    press(qtbot, slide_window, Qt.Key.Key_D)
    assert not canvas.has_layer(nuclei.shown.layer)
    assert not canvas.has_layer(shown.layer)


def test_nuclei_are_coloured_by_area_and_told_under_the_cursor(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    run = _shown(slide_window, qtbot)
    dock, canvas = slide_window.overlays.dock, slide_window.panes.active.canvas
    dock.show()
    qtbot.waitUntil(lambda: not run.progress.is_busy, timeout=_PATIENCE_MS)
    by_class = _picture(slide_window)
    box = dock.objects.measurement
    box.setFocus()
    press(qtbot, box, Qt.Key.Key_A)  # a list takes the first entry of that letter: Area um2
    assert isinstance(run.shown, ShownObjects)
    assert run.shown.style.measurement == "Area um2"
    assert dock.objects.bars.isVisible()
    by_area = _picture(slide_window)
    assert by_area != by_class
    low, high = dock.objects.range.value()
    dock.objects.range.setValue(((low + high) / 2, high))
    assert run.shown.style.low > low
    assert _picture(slide_window) != by_area
    (objects,) = [o for k, o in run.shown.found if k == run.found.grid.touching(canvas.view.box)[0]]
    inside = next(c for c in objects.centroids if canvas.view.box.grown(-20).contains(Point(*c)))
    screen = canvas.view.to_screen(Point(*inside.tolist()))
    qtbot.mouseMove(canvas, QPoint(round(screen.x), round(screen.y)))
    qtbot.waitUntil(lambda: slide_window.status.overlay.text().startswith("Nucleus, Area um2"))


def test_kept_results_can_be_removed(slide_window: MainWindow, qtbot: QtBot) -> None:
    run = _shown(slide_window, qtbot)
    qtbot.waitUntil(lambda: not run.progress.is_busy, timeout=_PATIENCE_MS)
    assert list(results_folder().glob("*/*.sqlite"))
    slide_window.commands["overlays.clear_results"].trigger()
    qtbot.waitUntil(lambda: not list(results_folder().glob("*/*.sqlite")))
    assert run.found.count > 0
