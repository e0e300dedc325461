"""A predictor of where readers look, dropped on the window."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot
from ui_steps import drop, heatmap_page, press

from viewer.inference.models.model_library import BUNDLED, find_model
from viewer.ui.figures.shot import Shot, take_shot
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.presenters.expected import ExpectedPicture, ExpectedPresenter

_PATIENCE_MS = 60_000


def test_a_dropped_predictor_shows_a_heatmap_and_boxes(
    slide_window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(BUNDLED / "where-to-look", folder)
    about = msgspec.json.decode((folder / "model.json").read_bytes())
    about["name"] = "Mine"
    (folder / "model.json").write_bytes(msgspec.json.encode(about))
    pane = slide_window.panes.active
    before = pane.canvas.grab().toImage()
    drop(slide_window, [folder])
    qtbot.waitUntil(lambda: slide_window.overlays.run_of(pane) is not None, timeout=_PATIENCE_MS)
    run = slide_window.overlays.run_of(pane)
    assert run is not None
    assert run.origin.name == "Mine"
    shown = run.shown
    assert isinstance(shown, ExpectedPresenter)
    qtbot.waitUntil(
        lambda: not run.progress.is_busy and isinstance(shown.heatmap, ExpectedPicture),
        timeout=_PATIENCE_MS,
    )
    panel = slide_window.overlays.panel
    qtbot.waitUntil(lambda: any(row.name == "20x" for row in panel.body.legend.rows))
    picture = shown.heatmap
    assert isinstance(picture, ExpectedPicture)
    assert picture.proposals
    assert pane.canvas.grab().toImage() != before
    page = heatmap_page(slide_window)
    assert page.shown.itemText(0) == "All magnifications"
    assert [page.shown.itemText(i) for i in range(1, page.shown.count())][-2:] == ["20x", "40x"]
    assert page.color_map.isEnabled()
    page.shown.setCurrentIndex(page.shown.count() - 1)
    page.shown.activated.emit(page.shown.count() - 1)
    qtbot.waitUntil(lambda: shown.style.shown == page.shown.count() - 2)
    assert page.color_map.isEnabled()
    slide_window.panes.active.focus()
    press(qtbot, slide_window, Qt.Key.Key_D)
    assert not run.is_visible


def test_a_picture_shows_where_to_look(qtbot: QtBot, tmp_path: Path, sample_slide: Path) -> None:
    whole = Shot(None, None, None, (300, 400))
    take_shot(sample_slide, whole, tmp_path / "plain.png")
    told = Shot(None, None, None, (300, 400), model=find_model("where-to-look"))
    take_shot(sample_slide, told, tmp_path / "told.png")
    assert QImage(str(tmp_path / "plain.png")) != QImage(str(tmp_path / "told.png"))
    assert QImage(str(tmp_path / "plain.png")).text("Description") == "Overlays shown: none"
    text = QImage(str(tmp_path / "told.png")).text("Description")
    assert text == f"Overlays shown: Where to look {find_model('where-to-look').version}"
