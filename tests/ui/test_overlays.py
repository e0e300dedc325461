"""Overlays as a reader turns them on: real window, real model, real process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, SHIFT, drop, press, show_slide

from viewer.inference.model_library import BUNDLED
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.overlay_run import OverlayRun
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
    assert run.bundle.description.name == "Ours"
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
