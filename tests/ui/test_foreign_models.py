"""Models and features of other programs, dropped on the window as they come."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from inference_steps import make_bundle
from layout_steps import make_instanseg, make_wsinfer
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot
from test_slide_models import FirstNumber
from ui_steps import SHIFT, drop, press

from viewer.geometry import Point
from viewer.overlays.object_map import ObjectMap
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.attention_presenter import AttentionPresenter
from viewer.ui.overlays.heatmap_presenter import HeatmapPresenter
from viewer.ui.overlays.overlay import Overlay

_PATIENCE_MS = 60_000
_SIDE = 112 / 0.499
"""Of a tile of 224 px at 0.5 um/px on the sample slide, level-0 pixels."""


def _dropped(window: MainWindow, path: Path, qtbot: QtBot) -> Overlay:
    """Drop a model or file, and return its overlay once it is on."""
    drop(window, [path])
    pane = window.panes.active
    before = window.overlays.all_of(pane)
    qtbot.waitUntil(lambda: window.overlays.all_of(pane) != before, timeout=_PATIENCE_MS)
    (overlay,) = [each for each in window.overlays.all_of(pane) if each not in before]
    return overlay


@pytest.mark.slow
def test_an_instanseg_network_dropped_on_the_window_finds_objects(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    slide_window.panes.active.canvas.go_to(Point(1100, 1500), 1.0, animated=False)
    run = _dropped(slide_window, make_instanseg(tmp_path / "m"), qtbot)
    assert (run.origin.name, run.origin.task) == ("brightfield_discs", "instances")
    assert isinstance(run.found, ObjectMap)
    qtbot.waitUntil(lambda: run.found.count > 0, timeout=_PATIENCE_MS)


def test_a_zoo_model_that_contradicts_itself_is_refused_in_the_window(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    drop(slide_window, [make_wsinfer(tmp_path / "m", num_classes=3)])
    qtbot.waitUntil(slide_window.banner.isVisible, timeout=_PATIENCE_MS)
    sentence = slide_window.banner.findChild(QLabel)
    assert sentence is not None
    assert "num_classes 3 and names 2 classes" in sentence.text()
    assert slide_window.overlays.all_of(slide_window.panes.active) == []


@pytest.mark.slow
def test_features_of_a_file_serve_likeness_and_a_slide_model(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    ys, xs = np.arange(0, 2967, _SIDE), np.arange(0, 2220, _SIDE)
    places = np.array([[x, y] for y in ys for x in xs])
    features = np.random.default_rng(0).normal(0, 0.1, (len(places), 6))
    features[places[:, 1] < 1500, 0] += 5
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["features"] = features.astype(np.float32)
        file["coords"] = places.round()
        file["coords"].attrs["patch_size_level0"] = round(_SIDE)
    make_bundle(
        tmp_path / "m", FirstNumber(), name="Halves", task="slide", patch_px=224, margin_px=0,
        encoder={"name": "Any", "sha256": "a" * 64, "length": 6},
        classes=[{"name": name, "color": "#112233"} for name in ("Low", "High")],
    )  # fmt: skip
    asked = _dropped(slide_window, tmp_path / "features.h5", qtbot)
    assert isinstance(asked.shown, HeatmapPresenter)
    shown = asked.shown
    canvas = slide_window.panes.active.canvas
    canvas.go_to(Point(1000, 700), 1.0, animated=False)
    canvas.setFocus()
    press(qtbot, slide_window, Qt.Key.Key_F, SHIFT)
    qtbot.waitUntil(lambda: shown.heatmap is not None, timeout=_PATIENCE_MS)
    assert shown.heatmap is not None
    rows = shown.heatmap.values[:, 0]
    assert np.nanmin(rows[:5]) > 0.5 > np.nanmax(rows[8:])
    judged = _dropped(slide_window, tmp_path / "m", qtbot)
    presenter = judged.shown
    assert isinstance(presenter, AttentionPresenter)
    qtbot.waitUntil(lambda: presenter.judgment is not None, timeout=_PATIENCE_MS)
    assert presenter.judgment is not None
    assert presenter.judgment.count == len(places)
    assert judged.found is asked.found
