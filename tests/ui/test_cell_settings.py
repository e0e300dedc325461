"""Cell detection tuned in the window: previews, runs, stains and scores, by real processes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import shapely
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot
from stained_slides import write_stained_slide
from ui_steps import overlay_run, show_slide

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import adding
from viewer.geometry import Box
from viewer.inference.cells.kept_settings import kept_settings
from viewer.inference.cells.settings import CellSettings
from viewer.inference.models.model_library import find_model
from viewer.ui.cells.cell_page import CellPage
from viewer.ui.cells.field_preview import preview_field
from viewer.ui.cells.score_page import ScorePage
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.overlay_run import OverlayRun

_PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def stained_slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 µm of blue and brown nuclei on a lattice of ten by ten, every other one brown."""
    path = tmp_path_factory.mktemp("stained") / "stained.ome.tif"
    return write_stained_slide(path, (90, 110, 170), (95, 60, 35))


def pages_of(window: MainWindow, qtbot: QtBot) -> tuple[CellPage, ScorePage, OverlayRun]:
    """Turn Cells on at 20x and wait until all of the field is known."""
    panel = window.overlays.panel
    qtbot.waitUntil(lambda: panel.models.count() > 0)
    panel.show()
    window.panes.active.canvas.set_magnification(20.0)
    card = panel.models.named("Cells")
    card.switch.click()
    qtbot.waitUntil(lambda: bool(window.overlays.all_of(window.panes.active)))
    qtbot.waitUntil(lambda: overlay_run(window).found.count == 100, timeout=_PATIENCE_MS)
    return (*window.cells.pages(card.source.key), overlay_run(window))


def _previewed(page: CellPage) -> int:
    """Return how many cells the preview says that it finds; -1 while it says nothing."""
    said = re.match(r"Preview: ([\d,]+) cells", page.preview.text())
    return int(said[1].replace(",", "")) if said else -1


def _spin(page: CellPage, name: str, value: float) -> None:
    """Type a value into a box, and leave it."""
    page.spin(name).setValue(value)


def test_settings_are_previewed_run_kept_and_scored(
    window: MainWindow, stained_slide: Path, qtbot: QtBot
) -> None:
    show_slide(window, stained_slide, qtbot)
    page, scores, before = pages_of(window, qtbot)
    qtbot.waitUntil(lambda: bool(scores.lines), timeout=_PATIENCE_MS)
    values = {line.name: line for line in scores.lines}
    assert values["Positive"].value.startswith("50.0 % (40.4 to 59.6)")
    assert "Wilson" in values["Positive"].rule
    assert "class Tumor" in values["TPS"].rule
    scores.copy.click()
    assert "H-score\t" in QApplication.clipboard().text()

    _spin(page, "threshold_1", 0.02)  # lets hematoxylin's own brown count
    qtbot.waitUntil(lambda: _previewed(page) > 50, timeout=_PATIENCE_MS)
    assert "cells in view" in page.preview.text()
    assert not before.is_visible  # the preview is shown in its place
    _spin(page, "min_area_um2", 90)
    qtbot.waitUntil(lambda: _previewed(page) == 0, timeout=_PATIENCE_MS)
    _spin(page, "max_area_um2", 50)
    assert "leaves no cell" in page.problem.text()
    _spin(page, "min_area_um2", 10)
    assert page.problem.isHidden()
    qtbot.waitUntil(lambda: _previewed(page) > 50, timeout=_PATIENCE_MS)
    page.here.click()
    after = overlay_run(window)
    assert after is not before
    assert after.is_visible
    assert page.preview.isHidden()
    qtbot.waitUntil(lambda: after.found.count == 100, timeout=_PATIENCE_MS)

    identity = after.identity
    qtbot.waitUntil(lambda: kept_settings(identity) == page.settings, timeout=_PATIENCE_MS)
    assert page.settings.threshold_1 == 0.02


def test_a_preview_ends_with_its_pane(
    window: MainWindow, stained_slide: Path, qtbot: QtBot
) -> None:
    show_slide(window, stained_slide, qtbot)
    window.commands["panes.add"].trigger()
    show_slide(window, stained_slide, qtbot)
    page, _, _ = pages_of(window, qtbot)
    _spin(page, "threshold", 0.2)
    assert window.cells.preview.pane is window.panes.active
    window.commands["panes.close"].trigger()
    assert window.cells.preview.pane is None


def test_regions_are_run_scored_and_give_stains(
    window: MainWindow, stained_slide: Path, qtbot: QtBot
) -> None:
    show_slide(window, stained_slide, qtbot)
    page, scores, _ = pages_of(window, qtbot)
    active = window.annotations.active
    assert active is not None
    box = shapely.box(0, 0, 400, 200)
    tumor = Annotation(box, shown_as=AnnotationClass("Tumor", "#c80000"))
    active.do(adding("Draw tumor", [tumor]))
    active.selection.choose([tumor.id])
    qtbot.waitUntil(
        lambda: any(line.name == "Tumor area" for line in scores.lines), timeout=_PATIENCE_MS
    )
    values = {line.name: line for line in scores.lines}
    assert values["TPS"].value == "50.0 %"
    assert "not adequate: 50 viable tumor cells" in values["TPS"].rule
    assert values["Tumor area"].value == "0.020 mm²"
    page.stains_wanted.emit("annotation")
    qtbot.waitUntil(lambda: "annotation (Macenko)" in page.stains.text(), timeout=_PATIENCE_MS)
    assert page.settings.stains.white == (240, 240, 240)
    page.stains_wanted.emit("second")
    qtbot.waitUntil(lambda: "set by regions" in page.stains.text(), timeout=_PATIENCE_MS)
    page.region.click()
    qtbot.waitUntil(lambda: overlay_run(window).progress.total > 0, timeout=_PATIENCE_MS)

    page.many.click()
    batch = window.batch
    cells = str(find_model("cells").folder)
    qtbot.waitUntil(lambda: batch.panel.model == cells, timeout=_PATIENCE_MS)
    assert batch.panel.isVisible()


def test_what_is_previewed_is_all_of_a_near_view_and_a_window_of_a_far_one() -> None:
    slide, settings = Box(0, 0, 100_000, 100_000), CellSettings()
    near = Box(10_000, 10_000, 11_800, 11_400)
    assert preview_field(near, slide, 0.25, settings, 2.0) == near
    far = Box(0, 0, 50_000, 40_000)
    window = preview_field(far, slide, 0.25, settings, 50.0)
    assert (window.width * 0.25, window.height * 0.25) == (400, 300)
    assert window.center == far.center
    fine = CellSettings(requested_pixel_size_um=0.1)
    small = preview_field(far, slide, 0.25, fine, 50.0)
    assert small.width * small.height * (0.25 / 0.1) ** 2 <= 1_100_001
    beside = preview_field(Box(-900, -900, -100, -100), slide, 0.25, settings, 1.0)
    assert beside.is_empty


def test_a_network_shows_settings_and_what_is_wrong_with_them_only_where_it_works_by_them(
    qtbot: QtBot,
) -> None:
    holder = QWidget()
    qtbot.addWidget(holder)
    page = CellPage(holder, is_network=True)
    page.show_likely_stains("H&E")
    holder.show()
    assert page.used.isVisible()
    assert page.spin("threshold").maximum() < 1, "it is a probability"
    shown = (page.doubt, page.use_likely, page.here, page.stain_set, page.score)
    assert not any(each.isVisible() for each in shown)
    page.used.click()
    assert all(each.isVisible() and each.isEnabled() for each in shown)
    page.show_used(is_used=False)
    assert not any(each.isVisible() for each in shown)


def test_vectors_of_another_stain_are_doubted(
    window: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    show_slide(window, sample_slide, qtbot)
    panel = window.overlays.panel
    qtbot.waitUntil(lambda: panel.models.count() > 0)
    panel.show()
    card = panel.models.named("Cells")
    card.switch.click()
    page, _ = window.cells.pages(card.source.key)
    qtbot.waitUntil(lambda: "nearer eosin than DAB" in page.doubt.text(), timeout=_PATIENCE_MS)
    assert not page.doubt.isHidden()
    qtbot.waitUntil(lambda: page.use_likely.y() > page.doubt.y())
    around = page.here.parentWidget()
    assert around is not None
    assert page.use_likely.y() < around.y()
    qtbot.mouseClick(page.use_likely, Qt.MouseButton.LeftButton)
    assert page.settings.stains.kind == page.stain_set.currentText() == "H&E"
    assert page.doubt.isHidden()
    assert page.use_likely.isHidden()
