"""The list of classes beside the slide: counts, one click to give, the eye that hides, the chip."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import shapely
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from viewer.annotations.annotation import NO_CLASS_COLOR, Annotation, AnnotationClass
from viewer.annotations.bookmarks import bookmark
from viewer.annotations.document import adding
from viewer.annotations.palette import DEFAULT_PALETTE
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.overlays.counting import RegionCount
from viewer.ui.annotations.chosen_lines import count_line, summed_sizes
from viewer.ui.annotations.class_list import EYE, NAME, ClassRow
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.annotations.shown import kind_of
from viewer.ui.main_window import MainWindow
from viewer.ui.swatches import SWATCH_PX, swatch

LEFT = Qt.MouseButton.LeftButton
TUMOR, STROMA = (each.annotation_class for each in DEFAULT_PALETTE[:2])


@pytest.fixture
def drawn(slide_window: MainWindow, qtbot: QtBot) -> tuple[MainWindow, PaneAnnotations]:
    """A slide with two of tumor, one of a class of its own, one of none, and a bookmark."""
    window = slide_window
    qtbot.waitUntil(lambda: window.annotations.active is not None, timeout=20_000)
    window.annotations.panel.show()
    active = window.annotations.active
    assert active is not None
    own = AnnotationClass("Mucosa", "#123456")
    made = [_square(0, TUMOR), _square(300, TUMOR), _square(600, own), _square(900, None)]
    assert active.do(adding("Rectangle", [*made, bookmark(active.pane.canvas.view, "View", "")]))
    qtbot.waitUntil(lambda: _row(window, "Tumor").count == 2)
    return window, active


def test_classes_are_counted_and_bookmarks_are_none(
    drawn: tuple[MainWindow, PaneAnnotations],
) -> None:
    window, _ = drawn
    rows = window.annotations.panel.class_list.rows.rows
    counts = {row.label: row.count for row in rows if row.count}
    assert counts == {"Tumor": 2, "Mucosa": 1, "No class": 1}
    assert "Bookmark" not in {row.name for row in rows}
    assert _row(window, "Mucosa").color == "#123456"
    item = window.annotations.panel.sets.tree.topLevelItem(0)
    assert item is not None
    assert item.text(1) == "4"
    assert NO_CLASS_COLOR not in {each.color for each in DEFAULT_PALETTE}


def test_a_click_gives_the_class_to_what_is_selected_and_to_what_is_drawn_next(
    drawn: tuple[MainWindow, PaneAnnotations], qtbot: QtBot
) -> None:
    window, active = drawn
    none = next(each for each in active.document if not each.class_name)
    mark = next(each for each in active.document if each.class_name == "Bookmark")
    active.selection.choose([none.id, mark.id])
    _click(window, qtbot, "Stroma", NAME)
    assert active.document[none.id].shown_as == STROMA
    assert active.document[mark.id].class_name == "Bookmark"
    assert active.desk.current_class == STROMA
    assert _row(window, "Stroma").is_current
    assert window.annotations.classes.chip.accessibleName().endswith(": Stroma")
    qtbot.waitUntil(lambda: _row(window, "Stroma").count == 1)


def test_the_eye_hides_a_class_and_nothing_unseen_is_changed_or_drawn(
    drawn: tuple[MainWindow, PaneAnnotations], qtbot: QtBot
) -> None:
    window, active = drawn
    tumor = [each for each in active.document if each.class_name == "Tumor"]
    active.selection.choose([each.id for each in tumor])
    canvas = active.pane.canvas
    _click(window, qtbot, "Tumor", EYE)
    assert _row(window, "Tumor").is_hidden
    assert not active.selection
    assert not any(map(active.desk.is_in_sight, tumor))
    qtbot.waitUntil(lambda: "annotations, 1 of their classes hidden" in canvas.shown_layers)
    _click(window, qtbot, "Tumor", EYE)
    assert all(map(active.desk.is_in_sight, tumor))
    # What is drawn of a hidden class shows it again.
    _click(window, qtbot, "Tumor", NAME)
    _click(window, qtbot, "Tumor", EYE)
    assert active.do(adding("Rectangle", [active.desk.new(shapely.box(0, 0, 50, 50))]))
    assert not _row(window, "Tumor").is_hidden
    assert "shown again" in window.status.currentMessage()


def test_the_chip_lists_the_classes_for_what_is_drawn_next(
    drawn: tuple[MainWindow, PaneAnnotations], qtbot: QtBot
) -> None:
    window, active = drawn
    first = next(iter(active.document))
    active.selection.choose([first.id])
    chip = window.annotations.classes.chip
    menu = _opened(chip.menu(), chip.showMenu, qtbot)
    texts = {each.text().partition("\t")[0]: each for each in menu.actions()}
    assert [each.name for each in DEFAULT_PALETTE] == list(texts)[: len(DEFAULT_PALETTE)]
    assert texts["Stroma"].text().endswith("Ctrl+2")
    texts["Stroma"].trigger()
    assert active.desk.current_class == STROMA
    assert active.document[first.id].shown_as == TUMOR
    assert _row(window, "Stroma").is_current


def test_painted_regions_are_told_from_polygons() -> None:
    blob = Annotation(shapely.Point(0, 0).buffer(9))
    assert kind_of(blob) == "Polygon"
    assert kind_of(blob.noted("Drawn with", "Brush")) == "Brush region"
    assert kind_of(blob.noted("Drawn with", "Wand")) == "Wand region"
    assert kind_of(blob.noted("Drawn with", "Something else")) == "Polygon"


def _square(x: float, which: AnnotationClass | None) -> Annotation:
    return Annotation(shapely.box(x, 0, x + 100, 100), shown_as=which)


def _row(window: MainWindow, label: str) -> ClassRow:
    rows = window.annotations.panel.class_list.rows.rows
    return next(row for row in rows if row.label == label)


def _click(window: MainWindow, qtbot: QtBot, label: str, column: int) -> None:
    classes = window.annotations.panel.class_list
    at = next(n for n, row in enumerate(classes.rows.rows) if row.label == label)
    index = classes.rows.index(at, column)
    classes.scrollTo(index)
    qtbot.mouseClick(classes.viewport(), LEFT, pos=classes.visualRect(index).center())


def _opened(menu: QMenu | None, show: Callable[[], object], qtbot: QtBot) -> QMenu:
    """Open a menu, which waits for an answer, and put it away."""
    assert menu is not None
    QTimer.singleShot(200, menu.close)
    show()
    qtbot.waitUntil(lambda: not menu.isVisible())
    return menu


def test_a_region_of_which_next_to_nothing_is_analyzed_has_no_density() -> None:
    nothing = RegionCount((0,), 0.01, share=1e-16)
    assert count_line("Nuclei", [nothing]) == "Nuclei: the region is not analyzed yet"
    assert "7 objects, 1,400 per mm²" in count_line("Nuclei", [RegionCount((7,), 0.01, share=0.5)])


def test_a_selected_line_adds_nothing_to_the_perimeter_of_selected_regions() -> None:
    region = _square(0, TUMOR)
    line = Annotation(shapely.LineString([(0, 0), (30, 40)]))
    pixels = PixelCalibration((0.5, 0.5))
    assert summed_sizes([region], pixels) == ["2,500.0 µm²", "perimeter 200.0 µm"]
    assert summed_sizes([line], pixels) == ["length 25.00 µm"]
    both = ["2,500.0 µm²", "perimeter 200.0 µm", "length 25.00 µm"]
    assert summed_sizes([region, line], pixels) == both


def test_the_color_of_a_class_is_the_same_in_a_selected_row(qapp: QApplication) -> None:
    icon = swatch("#c80000")
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
        picture = icon.pixmap(SWATCH_PX, SWATCH_PX, mode).toImage()
        assert picture.pixelColor(SWATCH_PX // 2, SWATCH_PX // 2).name() == "#c80000", mode
