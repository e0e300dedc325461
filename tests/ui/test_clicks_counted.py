"""Tasks of annotating and models take as few clicks and keys as compared-with-qupath.md says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFileDialog, QWidget
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, NO_MODIFIER, SHIFT, back_to_slide, open_dialog, press

from viewer.annotations.measured import is_measured
from viewer.ui.annotations.class_list import EYE
from viewer.ui.annotations.statistics_dialog import StatisticsDialog
from viewer.ui.main_window import MainWindow

_DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "compared-with-qupath.md"
LEFT = Qt.MouseButton.LeftButton


class Hand:
    """Counts what it does."""

    def __init__(self, window: MainWindow, qtbot: QtBot) -> None:
        self._window, self._qtbot = window, qtbot
        self.count = 0

    def key(self, key: Qt.Key, modifier: Qt.KeyboardModifier = NO_MODIFIER) -> None:
        press(self._qtbot, self._window, key, modifier)
        self.count += 1

    def click(self, widget: QWidget, at: QPoint | None = None) -> None:
        self._qtbot.mouseClick(widget, LEFT, pos=at or widget.rect().center())
        self.count += 1

    def drag(self, start: QPoint, end: QPoint) -> None:
        canvas = self._window.panes.active.canvas
        self._qtbot.mousePress(canvas, LEFT, pos=start)
        self._qtbot.mouseMove(canvas, (start + end) / 2)
        self._qtbot.mouseMove(canvas, end)
        self._qtbot.mouseRelease(canvas, LEFT, pos=end)
        self.count += 1

    def counted(self) -> int:
        """Return what was done since this was last asked."""
        count, self.count = self.count, 0
        return count


def told() -> dict[str, tuple[int, int]]:
    """What the document says: of each task ours and QuPath's."""
    rows = re.findall(
        r"^\| (.+?) \| .* \| \*\*(\d+)\*\* \| .* \| (\d+) \|$", _DOCUMENT.read_text(), re.M
    )
    return {task: (int(ours), int(theirs)) for task, ours, theirs in rows}


def test_no_task_takes_more_than_in_qupath() -> None:
    tasks = told()
    assert len(tasks) >= 8
    assert all(ours <= theirs for ours, theirs in tasks.values())


def test_tasks_take_what_the_document_says(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    window, tasks = slide_window, told()
    qtbot.waitUntil(lambda: window.annotations.active is not None, timeout=20_000)
    active, panel = window.annotations.active, window.annotations.panel
    assert active is not None
    panel.show()
    back_to_slide(window, qtbot)
    hand, middle = Hand(window, qtbot), window.panes.active.canvas.rect().center()

    hand.key(Qt.Key.Key_L, SHIFT)
    hand.drag(middle - QPoint(90, 90), middle - QPoint(40, 90))
    (ruler,) = active.document
    assert is_measured(ruler)
    assert hand.counted() == tasks["Measure a length"][0]

    hand.key(Qt.Key.Key_R)
    hand.drag(middle, middle + QPoint(80, 60))
    hand.key(Qt.Key.Key_1, CTRL)
    drawn = list(active.document)[-1]
    assert drawn.class_name == "Tumor"
    assert hand.counted() == tasks["Draw a region and give it a class"][0]

    active.selection.choose([])
    hand.key(Qt.Key.Key_S)
    hand.click(window.panes.active.canvas, middle + QPoint(40, 30))
    hand.key(Qt.Key.Key_2, CTRL)
    assert active.document[drawn.id].class_name == "Stroma"
    assert hand.counted() == tasks["Change its class later"][0]

    index = panel.class_list.rows.index(1, EYE)
    hand.click(panel.class_list.viewport(), panel.class_list.visualRect(index).center())
    assert window.annotations.classes.hidden == {"Stroma"}
    assert hand.counted() == tasks["Hide a class"][0]

    hand.click(panel.statistics)
    statistics = open_dialog(window, StatisticsDialog, qtbot)
    assert isinstance(statistics, StatisticsDialog)
    hand.click(statistics.export)
    qtbot.waitUntil(lambda: bool(statistics.findChildren(QFileDialog)))
    (dialog,) = statistics.findChildren(QFileDialog)
    dialog.fileSelected.emit(str(tmp_path / "classes.csv"))  # the last click, in a system's dialog
    qtbot.waitUntil((tmp_path / "classes.csv").exists)
    assert hand.counted() + 1 == tasks["Export measurements"][0]


def test_tasks_of_models_take_what_the_document_says(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    window, tasks = slide_window, told()
    pane, canvas, overlays = window.panes.active, window.panes.active.canvas, window.overlays
    qtbot.waitUntil(lambda: window.annotations.active is not None, timeout=20_000)
    hand = Hand(window, qtbot)
    back_to_slide(window, qtbot)

    overview = canvas.overview_rect
    assert overview is not None
    before = canvas.view.center
    hand.click(canvas, overview.center().toPoint() + QPoint(4, 6))
    hand.key(Qt.Key.Key_6)
    qtbot.waitUntil(lambda: not canvas.is_moving, timeout=20_000)
    assert canvas.view.center != before
    assert canvas.optics.magnification(canvas.view.downsample) == pytest.approx(20, rel=0.01)
    assert hand.counted() == tasks["Go to 20x at a place"][0]

    found = tmp_path / "nuclei.geojson"
    found.write_text(_detection(canvas.view.center.x, canvas.view.center.y))
    overlays.take_results(found, pane, "slide", turns_on=False)
    qtbot.waitUntil(lambda: "nuclei.geojson" in _names(window), timeout=20_000)
    overlays.panel.models.choose(overlays.panel.models.named("nuclei.geojson").source.key)
    window.annotations.panel.show()
    back_to_slide(window, qtbot)
    hand.counted()

    middle = canvas.rect().center()
    hand.key(Qt.Key.Key_R)
    hand.drag(middle - QPoint(60, 60), middle + QPoint(60, 60))
    hand.key(Qt.Key.Key_D, SHIFT)
    figures = window.annotations.panel.figures
    qtbot.waitUntil(lambda: "1 object" in figures.text(), timeout=20_000)
    assert hand.counted() == tasks["Count nuclei in a region"][0]

    hand.key(Qt.Key.Key_D)
    assert overlays.shown_in(pane) == []
    assert hand.counted() == tasks["Nuclei on and off"][0]

    window.overlays.panel.show()
    card = overlays.panel.models.named("nuclei.geojson")
    card.menu.popup(card.mapToGlobal(QPoint(0, 0)))
    hand.count += 1  # the press that opened it, which would wait in the menu
    (export,) = [each for each in card.menu.actions() if "xport" in each.text()]
    hand.click(card.menu, card.menu.actionGeometry(export).center())
    qtbot.waitUntil(lambda: bool(window.findChildren(QFileDialog)), timeout=20_000)
    (dialog,) = window.findChildren(QFileDialog)
    assert "csv" in dialog.selectedNameFilter()
    dialog.fileSelected.emit(str(tmp_path / "found.csv"))  # the last click
    qtbot.waitUntil((tmp_path / "found.csv").exists, timeout=20_000)
    assert hand.counted() + 1 == tasks["Export the measurements of all nuclei"][0]
    dialog.close()


def _names(window: MainWindow) -> list[str]:
    return [each.name for each in window.overlays.panel.models.models()]


def _detection(x: float, y: float) -> str:
    """Return GeoJSON of one nucleus about a level-0 point."""
    ring = [[x - 4, y - 4], [x + 4, y - 4], [x + 4, y + 4], [x - 4, y + 4], [x - 4, y - 4]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"objectType": "detection", "measurements": {"Area um2": 16.0}},
    }
    return json.dumps({"type": "FeatureCollection", "features": [feature]})
