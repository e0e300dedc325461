"""Reads a project with questions, compares two readers; takes projects.png, comparison.png."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import msgspec
import shapely
from PIL import Image
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QLineEdit, QPlainTextEdit, QRadioButton

from scripts.waiting import wait_ms
from viewer.annotations.annotation import AUTHOR, Annotation, AnnotationClass
from viewer.annotations.document import adding
from viewer.settings import Settings
from viewer.studies.finding import project_slides
from viewer.studies.forms import read_forms
from viewer.studies.project import Project
from viewer.studies.project_file import create_project
from viewer.tiles.cache import TileCache
from viewer.ui.main_window import MainWindow
from viewer.ui.theme import DARK, apply_theme

_REPOSITORY = Path(__file__).resolve().parent.parent
_SLIDE = _REPOSITORY / "resources" / "slides" / "CMU-1-Small-Region.svs"
_FIELDS = ((400, 300), (900, 1300), (500, 1500), (1300, 400))
"""Corners of parts of the slide that stand for further slides of the project."""
_STATES = (("done", "Anna"), ("done", "Béla"), ("to do", "Anna"), ("to do", ""), ("to do", ""))
_EPITHELIUM = [(980, 820), (1330, 560), (1420, 640), (1240, 900), (1120, 1270), (960, 1180)]


def main() -> None:
    """Drives a real window, as a reader would."""
    app = QApplication([])
    apply_theme(app, DARK)
    with tempfile.TemporaryDirectory() as name:
        folder = _project(Path(name) / "Margins")
        window = MainWindow(Settings(reader="reader-7"), TileCache(256 << 20))
        window.resize(1400, 860)
        window.show()
        window.open_paths([folder])
        wait_ms(1500)
        window.open_paths([folder / "case 5.svs"])
        wait_ms(2500)
        _annotate(window)
        for panel in ("questions", "comparison"):
            window.commands[f"panels.{panel}"].trigger()
            wait_ms(300)
        _compare(window)
        window.grab().save(str(_REPOSITORY / "docs" / "pictures" / "comparison.png"))
        window.commands["panels.comparison"].trigger()
        window.commands["view.home"].trigger()
        _answer(window)
        window.grab().save(str(_REPOSITORY / "docs" / "pictures" / "projects.png"))
        window.close()


def _project(folder: Path) -> Path:
    """Four parts of the slide, and the slide itself."""
    folder.mkdir()
    whole = Image.open(_SLIDE)
    for number, (x, y) in enumerate(_FIELDS, start=1):
        whole.crop((x, y, x + 800, y + 600)).save(folder / f"case {number}.png")
    shutil.copy(_SLIDE, folder / "case 5.svs")
    slides = [
        msgspec.structs.replace(slide, state=state, assignee=assignee)
        for slide, (state, assignee) in zip(
            sorted(project_slides([folder], folder, []), key=lambda slide: slide.name),
            _STATES,
            strict=True,
        )
    ]
    forms = read_forms(_REPOSITORY / "docs" / "examples" / "margins.json")
    create_project(folder, Project(title="Margins", slides=tuple(slides), forms=forms))
    return folder


def _annotate(window: MainWindow) -> None:
    """What two readers drew: one of them keeps more of the edge."""
    epithelium = shapely.Polygon(_EPITHELIUM)
    tight = epithelium.buffer(-45).union(shapely.Point(1290, 700).buffer(90))
    drawn = [
        Annotation(shape, shown_as=AnnotationClass(name, color), metadata={AUTHOR: author})
        for shape, name, color, author in (
            (epithelium, "Epithelium", "#ffc800", "Anna"),
            (tight.buffer(0), "Epithelium", "#ffc800", "Béla"),
            (shapely.box(1060, 1330, 1300, 1560), "Stroma", "#96c896", "Anna"),
            (shapely.box(1090, 1360, 1330, 1560), "Stroma", "#96c896", "Béla"),
        )
    ]
    active = window.annotations.active
    assert active is not None
    active.document.do(adding("Draw", drawn))


def _compare(window: MainWindow) -> None:
    panel = window.projects.comparison.panel
    panel.a.setCurrentText("On this slide, by Anna")
    panel.b.setCurrentText("On this slide, by Béla")
    panel.compare.click()
    wait_ms(1500)
    panel.regions.selectRow(0)
    wait_ms(2000)


def _answer(window: MainWindow) -> None:
    """With mouse and keys what a reader would say."""
    window.commands["panels.questions"].trigger()
    if not window.projects.questions.panel.isVisible():
        window.commands["panels.questions"].trigger()
    window.projects.questions.panel.raise_()
    margin, features, distance, conclusion = window.projects.questions.panel.fields.values()
    margin.findChildren(QRadioButton)[1].click()
    features.findChildren(QCheckBox)[0].click()
    QTest.keyClicks(distance.findChildren(QLineEdit)[0], "0.4")
    conclusion.findChildren(QPlainTextEdit)[0].setPlainText("Close at the deep margin.")
    wait_ms(2500)


if __name__ == "__main__":
    main()
