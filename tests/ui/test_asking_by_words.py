"""Phrases typed on the card of a model that takes words: real window, real model process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from behavior_steps import write_slide
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from ui_steps import show_slide
from word_steps import SIDE, make_towers, stained_squares

from viewer.cohort.features.embedding import EmbedOptions, SlideOutcome, embed_slides
from viewer.cohort.features.store import FeatureStore
from viewer.geometry import Box
from viewer.inference.models.model_library import add_model
from viewer.inference.runs.run_clock import Progress
from viewer.recording.events import AnyEvent, WordsAsked
from viewer.slides import open_slide
from viewer.slides.region import read_region
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.overlay import Overlay
from viewer.ui.overlays.presenters.heatmap import HeatmapPresenter

_PATIENCE_MS = 60_000


def _on(window: MainWindow, name: str, qtbot: QtBot) -> Overlay:
    """Turn a model on by the switch of its card."""
    models = window.overlays.panel.models
    qtbot.waitUntil(lambda: models.count() >= 3)
    window.overlays.panel.show()
    switch = models.named(name).switch
    switch.setFocus()
    QTest.keyClick(switch, Qt.Key.Key_Space)
    run = window.overlays.run_of(window.panes.active)
    assert run is not None
    return run


def test_typed_phrases_paint_the_slide(
    make_window: Callable[[], MainWindow],
    tmp_path: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    towers = make_towers(tmp_path)
    add_model(tmp_path)
    window = make_window()
    logged: list[AnyEvent] = []
    monkeypatch.setattr(
        window.recording.control, "record", lambda event, _pane: logged.append(event)
    )
    pixels = stained_squares()
    slide = write_slide(tmp_path / "squares.tif", pixels, 0.5)
    show_slide(window, slide, qtbot)
    run = _on(window, "Towers", qtbot)
    shown, page = run.shown, window.overlays.panel.body.query
    assert isinstance(shown, HeatmapPresenter)
    assert page is not None
    qtbot.waitUntil(lambda: shown.found.count == (len(pixels) // SIDE) ** 2, timeout=_PATIENCE_MS)
    assert not page.words.isHidden()
    QTest.keyClicks(page.words, "tumor")
    QTest.keyClick(page.words, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: shown.heatmap is not None, timeout=_PATIENCE_MS)
    one = shown.heatmap
    assert one is not None
    assert one.classes is None
    with closing(open_slide(slide)) as source:
        seen = read_region(source, Box(0, 0, SIDE, SIDE), SIDE, SIDE)
    (own,) = towers.similarities(seen, ["tumor"])
    assert float(one.values[0, 0]) == pytest.approx(float(own), abs=1e-3)
    at = shown.result_at(shown.found.cell_box(0, 0).center)
    assert at is not None
    assert "tumor" in at.text
    page.words.clear()
    QTest.keyClicks(page.words, "tumor; image of stroma")
    QTest.keyClick(page.words, Qt.Key.Key_Return)
    qtbot.waitUntil(
        lambda: shown.heatmap is not None and shown.heatmap.classes is not None,
        timeout=_PATIENCE_MS,
    )
    assert [name for name, _ in shown.color_key()] == ["tumor", "image of stroma"]
    assert shown.heatmap is not None
    assert sum(shown.heatmap.counts) == shown.found.count
    page.similar.click()
    qtbot.waitUntil(lambda: shown.heatmap is not None and shown.heatmap.classes is None)
    assert shown.query.words is None
    QTest.keyClick(page.words, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: shown.query.words is not None, timeout=_PATIENCE_MS)
    page.words.clear()
    QTest.keyClick(page.words, Qt.Key.Key_Return)
    assert shown.query.words is None
    asked = [each for each in logged if isinstance(each, WordsAsked)]
    assert [(each.overlay, each.count) for each in asked] == [
        ("Towers", 1), ("Towers", 2), ("Towers", 2), ("Towers", 0),
    ]  # fmt: skip
    assert asked[0].phrases == ["tumor"]


def test_models_without_words_are_not_asked_by_them(slide_window: MainWindow, qtbot: QtBot) -> None:
    _on(slide_window, "Tissue likeness", qtbot)
    page = slide_window.overlays.panel.body.query
    assert page is not None
    assert page.words.isHidden()
    assert not page.similar.isHidden()


class _Unheard:
    """Hears nothing of an embedding."""

    def on_begin(self, name: str) -> None: ...

    def on_progress(self, progress: Progress) -> None: ...

    def on_slide(self, outcome: SlideOutcome) -> None: ...


def test_what_words_fit_is_found_on_other_slides(
    make_window: Callable[[], MainWindow], tmp_path: Path, qtbot: QtBot
) -> None:
    towers = make_towers(tmp_path)
    bundle = add_model(tmp_path)
    pixels = stained_squares()
    slide = write_slide(tmp_path / "squares.tif", pixels, 0.5)
    other = write_slide(tmp_path / "other.tif", np.ascontiguousarray(pixels[::-1, ::-1]), 0.5)
    store = FeatureStore(tmp_path / "cohort", writes=True)
    options = EmbedOptions(device="cpu", measures_quality=False)
    (outcome,) = embed_slides(bundle, [(other, other.name)], store, options, _Unheard())
    assert outcome.state == "done"
    window = make_window()
    window.change_settings(result_stores=[str(tmp_path / "cohort")])
    show_slide(window, slide, qtbot)
    run = _on(window, "Towers", qtbot)
    shown, body = run.shown, window.overlays.panel.body
    page, gallery = body.query, body.elsewhere
    assert isinstance(shown, HeatmapPresenter)
    assert page is not None
    qtbot.waitUntil(lambda: shown.found.count == outcome.patches, timeout=_PATIENCE_MS)
    QTest.keyClicks(page.words, "tumor")
    QTest.keyClick(page.words, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: shown.query.words is not None, timeout=_PATIENCE_MS)
    qtbot.mouseClick(page.everywhere, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: gallery.count() > 0, timeout=_PATIENCE_MS)
    fields = [gallery.item(row).data(Qt.ItemDataRole.UserRole) for row in range(gallery.count())]
    assert {field.slide for field in fields} == {other}
    with closing(open_slide(other)) as source:
        fit = [
            float(towers.similarities(read_region(source, field.box, SIDE, SIDE), ["tumor"])[0])
            for field in fields
        ]
    np.testing.assert_allclose(fit, sorted(fit, reverse=True), atol=2e-3)
    told = [float(gallery.item(row).text().split()[0]) for row in range(gallery.count())]
    np.testing.assert_allclose(told, fit, atol=6e-3)
    gallery.itemClicked.emit(gallery.item(0))
    pane = window.panes.active
    qtbot.waitUntil(lambda: pane.path == other, timeout=_PATIENCE_MS)
    middle = fields[0].box.center
    qtbot.waitUntil(lambda: abs(pane.canvas.view.center.x - middle.x) < 2, timeout=_PATIENCE_MS)
