"""Dense networks and detectors dropped on the window: what is painted, told and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_networks import Net, classes, onnx_bundle
from pytestqt.qtbot import QtBot
from test_foreign_models import _dropped

from viewer.geometry import Point
from viewer.overlays.object_map import ObjectMap
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.presenters.heatmap import HeatmapPresenter

_PATIENCE_MS = 60_000


@pytest.mark.slow
def test_a_dense_network_paints_its_classes_and_tells_their_areas(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    net = Net(("n", 3, 128, 128))
    colors = np.array([(243, 243, 243), (190, 120, 170)]) / 255
    net.output("y", net.mixed(60 * colors, -30 * (colors**2).sum(1)), ["n", 2, 128, 128])
    about = {"task": "segmentation", "classes": classes("Background", "Tissue")}
    canvas = slide_window.panes.active.canvas
    canvas.go_to(Point(1100, 1500), 1.0, animated=False)
    run = _dropped(slide_window, onnx_bundle(tmp_path / "m", net, **about), qtbot)
    shown = run.shown
    assert isinstance(shown, HeatmapPresenter)
    qtbot.waitUntil(
        lambda: shown.heatmap is not None and bool(shown.heatmap.colors[..., 3].any()),
        timeout=_PATIENCE_MS,
    )
    heatmap = shown.heatmap
    assert heatmap is not None
    assert heatmap.classes is not None
    painted = heatmap.colors[..., 3] > 0
    np.testing.assert_array_equal(painted, heatmap.classes == 1)
    (row,) = shown.legend_rows()
    assert row.name == "Tissue"
    assert row.figures[0].endswith(" mm²")
    body = slide_window.overlays.panel.body
    assert body.heatmap is not None
    assert body.heatmap.isVisibleTo(slide_window.overlays.panel)
    assert body.objects is None


@pytest.mark.slow
def test_a_detector_paints_its_boxes_as_objects(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    net = Net((1, 3, 128, 128))
    boxes = np.tile(np.array([[64], [64], [20], [30], [0.9]], np.float32), (1, 8))[None]
    nothing = net.op("Mul", net.op("ReduceMean", "x", keepdims=0), net.constant(0.0))
    net.output("y", net.op("Add", net.constant(boxes), nothing), [1, 5, 8])
    about = {"task": "detection", "margin_px": 32, "classes": classes("Figure")}
    slide_window.panes.active.canvas.go_to(Point(1100, 1500), 1.0, animated=False)
    run = _dropped(slide_window, onnx_bundle(tmp_path / "m", net, **about), qtbot)
    found = run.found
    assert isinstance(found, ObjectMap)
    qtbot.waitUntil(lambda: found.count > 0, timeout=_PATIENCE_MS)
    objects = found.all_objects()
    sides = objects.boxes[:, 2:] - objects.boxes[:, :2]
    wanted = np.broadcast_to(np.array([20, 30]) * 0.5 / 0.499, sides.shape)
    np.testing.assert_allclose(sides, wanted, rtol=2e-3)
    at = Point(*objects.centroids[0].tolist())
    result = run.result_at(at)
    assert result is not None
    assert result.text.startswith("Figure, Area um2 150")
    body = slide_window.overlays.panel.body
    assert body.objects is not None
    assert body.objects.isVisibleTo(slide_window.overlays.panel)
