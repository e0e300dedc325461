"""What is said of other slides names them as a study lets them be named."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from test_overlays import _heatmap, _query_page, _shown, run_known
from ui_steps import show_slide

from viewer.geometry import Box, Point
from viewer.inference.models.model_library import find_model
from viewer.inference.runs.running import run_model
from viewer.slides import open_slide
from viewer.slides.region import read_region
from viewer.studies.finding import project_slides
from viewer.studies.project import Project
from viewer.studies.project_file import create_project
from viewer.studies.stages import Stage
from viewer.ui.main_window import MainWindow

_PATIENCE_MS = 60_000


def test_hidden_names_are_hidden_in_the_search_on_other_slides(
    slide_window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    study = tmp_path / "study"
    study.mkdir()
    other = study / "Smith 1971.png"
    with closing(open_slide(sample_slide)) as source:
        Image.fromarray(read_region(source, Box(900, 900, 1460, 1460), 560, 560)).save(other)
    run_model(other, find_model("tissue-likeness"), mpp_um=0.499)
    slides = tuple(project_slides([study], study, []))
    stages = (Stage(name="Blind", hides=("names",)),)
    create_project(study, Project(title="Study", slides=slides, stages=stages))
    slide_window.panes.active.canvas.go_to(Point(1300, 1300), 1.0, animated=False)
    _heatmap(slide_window, "Tissue likeness", qtbot)
    gallery = slide_window.overlays.panel.body.elsewhere
    qtbot.waitUntil(lambda: run_known(slide_window, Point(1300, 1300)), timeout=_PATIENCE_MS)
    qtbot.mouseClick(_query_page(slide_window).everywhere, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: gallery.count() > 0, timeout=_PATIENCE_MS)
    assert gallery.item(0).text().endswith(" Smith 1971")
    qtbot.waitUntil(lambda: gallery.visibleRegion().boundingRect() == gallery.rect())
    assert gallery.item(0).toolTip() == str(other)
    slide_window.open_paths([study])
    qtbot.waitUntil(slide_window.projects.opened.hides_names, timeout=_PATIENCE_MS)

    def names() -> str:
        shown = [gallery.item(row) for row in range(gallery.count())]
        return " ".join(each.text() + each.toolTip() for each in shown)

    # At once, and again after the next search.
    qtbot.waitUntil(lambda: " Slide" in gallery.item(0).text())
    assert "Smith" not in names()
    qtbot.mouseClick(_query_page(slide_window).everywhere, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: " Slide" in gallery.item(0).text(), timeout=_PATIENCE_MS)
    assert "Smith" not in names()


@pytest.mark.usefixtures("quick_nuclei")
def test_a_run_that_ends_with_its_slide_names_it_as_the_study_does(
    window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    study = tmp_path / "study"
    study.mkdir()
    slide = study / "Smith 1971.svs"
    slide.write_bytes(sample_slide.read_bytes())
    slides = tuple(project_slides([study], study, []))
    stages = (Stage(name="Blind", hides=("names",)),)
    create_project(study, Project(title="Study", slides=slides, stages=stages))
    window.open_paths([study])
    qtbot.waitUntil(window.projects.opened.hides_names, timeout=_PATIENCE_MS)
    show_slide(window, slide, qtbot)
    run, body = _shown(window, qtbot), window.overlays.panel.body
    window.overlays.panel.show()
    qtbot.mouseClick(body.run, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(body.pause, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: run.progress.total > 0, timeout=_PATIENCE_MS)
    other = tmp_path / "other.png"
    Image.new("RGB", (560, 560), "white").save(other)
    show_slide(window, other, qtbot)
    said = window.status.currentMessage()
    assert said.startswith(f"{run.origin.name} ended on Slide 1 with ")
