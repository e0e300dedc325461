"""Models and features of other programs, dropped on the window as they come."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest
from attack_steps import can_confine
from hostile_models import Endless, WritesThroughMap, make_model
from inference_steps import make_bundle
from layout_steps import make_instanseg, make_wsinfer
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot
from test_slide_models import FirstNumber
from ui_steps import SHIFT, drop, press

from viewer.geometry import Point
from viewer.inference.models.model_library import models_folder
from viewer.overlays.object_map import ObjectMap
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.overlay import Overlay
from viewer.ui.overlays.presenters.attention import AttentionPresenter
from viewer.ui.overlays.presenters.heatmap import HeatmapPresenter

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


def test_the_card_of_an_added_model_is_in_sight_until_the_model_is_removed(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    overlays, status = slide_window.overlays, slide_window.status
    run = _dropped(slide_window, make_wsinfer(tmp_path / "wide"), qtbot)
    card = overlays.panel.models.card(run.origin.key)
    assert card is not None
    qtbot.waitUntil(lambda: not card.switch.visibleRegion().isEmpty())
    (model,) = [each for each in overlays.bundles if each.key == run.origin.key]
    overlays.model_files.remove(model)
    assert status.currentMessage() == f"Removing {model.name} {model.version}..."
    qtbot.waitUntil(lambda: overlays.panel.models.card(model.key) is None, timeout=_PATIENCE_MS)
    assert overlays.all_of(slide_window.panes.active) == []
    assert status.currentMessage() == f"{model.name} {model.version} was removed."


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


@pytest.fixture
def unscanned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search for operators, a wall before the confined trial, is turned off."""
    if not can_confine:
        pytest.skip("Landlock and seccomp are not here")
    monkeypatch.setenv("COVERSLIP_MODEL_SCAN", "off")


def _added() -> list[str]:
    return [each.name for each in models_folder().iterdir() if not each.name.startswith(".")]


@pytest.mark.usefixtures("unscanned")
def test_a_hostile_model_is_tried_confined_before_the_window_adds_it(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    profile = tmp_path / "profile"
    profile.write_bytes(b"export PATH=/usr/bin\n")
    hostile = make_model(tmp_path / "foreign", WritesThroughMap(str(profile)))
    drop(slide_window, [hostile])
    sentence = slide_window.banner.sentence
    qtbot.waitUntil(lambda: "Foreign" in sentence.text(), timeout=_PATIENCE_MS)
    assert "failed" in sentence.text()
    assert "\n" not in sentence.text()
    assert profile.read_bytes() == b"export PATH=/usr/bin\n"
    assert _added() == []
    assert "Foreign" not in {each.name for each in slide_window.overlays.bundles}
    assert slide_window.overlays.all_of(slide_window.panes.active) == []
    assert slide_window.overlays.model_files.trying.isHidden()


def _process_ids() -> set[int]:
    return {each.pid for each in psutil.Process().children(recursive=True)}


@pytest.mark.usefixtures("unscanned")
def test_the_trial_of_a_model_that_never_answers_is_canceled(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    endless = make_model(tmp_path / "foreign", Endless())
    canvas = slide_window.panes.active.canvas
    drop(slide_window, [endless])
    bar = slide_window.overlays.model_files.trying
    qtbot.waitUntil(lambda: bar.isVisible() and "60 %" in bar.sentence.text(), timeout=_PATIENCE_MS)
    assert bar.sentence.text().startswith("Trying the model foreign...")
    during = _process_ids()
    before = canvas.view.downsample
    press(qtbot, slide_window, Qt.Key.Key_Plus)
    qtbot.waitUntil(lambda: canvas.view.downsample < before)  # the window goes on meanwhile
    bar.button.click()
    message = slide_window.status.currentMessage
    qtbot.waitUntil(lambda: message() == "Canceled: foreign was not added.")
    assert bar.isHidden()
    assert _added() == []
    qtbot.waitUntil(lambda: bool(during - _process_ids()))  # the process is gone


@pytest.mark.usefixtures("unscanned")
def test_a_window_closes_amid_the_trial_of_a_model(
    make_window: Callable[[], MainWindow], tmp_path: Path, qtbot: QtBot
) -> None:
    window = make_window()
    window.overlays.take_model(make_model(tmp_path / "foreign", Endless()))
    bar = window.overlays.model_files.trying
    qtbot.waitUntil(lambda: "60 %" in bar.sentence.text(), timeout=_PATIENCE_MS)
    begun_s = time.monotonic()
    window.close()
    assert time.monotonic() - begun_s < 20
    assert list(models_folder().iterdir()) == []
