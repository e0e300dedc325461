"""Why a tile is called what it is, shown on the slide by a real model process."""

from __future__ import annotations

from pytestqt.qtbot import QtBot

from viewer.geometry import Point
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.ui.main_window import MainWindow

_PATIENCE_MS = 60_000


def test_a_classified_tile_is_explained_on_the_slide(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    window, panel = slide_window, slide_window.overlays.panel
    explain, canvas = window.commands["overlays.explain"], window.panes.active.canvas
    assert not explain.isEnabled()
    panel.show()
    qtbot.waitUntil(lambda: panel.models.count() > 0, timeout=_PATIENCE_MS)
    panel.models.named("Colorectal tissue").switch.click()
    canvas.go_to(Point(1170, 1950), 2.0)
    qtbot.waitUntil(lambda: not canvas.is_moving, timeout=_PATIENCE_MS)
    qtbot.waitUntil(explain.isEnabled, timeout=_PATIENCE_MS)
    explain.trigger()
    layer = window.overlays.commands.explainer._layer
    qtbot.waitUntil(lambda: layer.shown_name == "Explanation", timeout=_PATIENCE_MS)
    assert "speak for it" in window.status.currentMessage()
    page = window.overlays.commands.explainer.page
    qtbot.waitUntil(lambda: not page.visibleRegion().isEmpty(), timeout=_PATIENCE_MS)
    assert page.outcome.text().startswith("Colorectal tissue: ")
    assert "of the score is left on average" in page.tested.text()
    assert "the network has no attention" in page.note.text()
    assert not page.way.isVisible(), "one map alone"
    page.end.click()
    assert not page.isVisible()
    assert not explain.isChecked()
    assert layer.shown_name == ""


def test_a_slide_model_is_explained_by_the_patches_it_knows(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    window, panel = slide_window, slide_window.overlays.panel
    explain, canvas = window.commands["overlays.explain"], window.panes.active.canvas
    panel.show()
    qtbot.waitUntil(lambda: panel.models.count() > 0, timeout=_PATIENCE_MS)
    canvas.go_to(Point(1170, 1950), 1.0)
    qtbot.waitUntil(lambda: not canvas.is_moving, timeout=_PATIENCE_MS)
    panel.models.named("Osteosarcoma").switch.click()
    run = window.overlays.run_of(window.panes.active)
    assert run is not None
    found = run.found
    assert isinstance(found, PatchFeatureMap)
    qtbot.waitUntil(lambda: found.count > 1, timeout=_PATIENCE_MS)
    explain.trigger()
    layer = window.overlays.commands.explainer._layer
    qtbot.waitUntil(lambda: layer.shown_name == "Explanation", timeout=_PATIENCE_MS)
    assert "warm patches speak for it" in window.status.currentMessage()
    page = window.overlays.commands.explainer.page
    before = page.tested.text()
    page.way.setCurrentIndex(1)
    assert "Attention" in page.way.currentText()
    assert page.tested.text() != before
    panel.models.named("Osteosarcoma").switch.click()  # turned off
    assert layer.shown_name == ""
    assert not page.isVisible()
    assert not explain.isChecked()
