"""The page of a tissue microarray: cores found, moved, marked, named, counted and exported."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QLineEdit
from pytestqt.qtbot import QtBot
from tma_slides import ArrayPlan, write_array
from ui_steps import open_dialog, show_slide

from viewer.annotations.tma.cores import CASE_ID, TmaGrid
from viewer.ui.main_window import MainWindow
from viewer.ui.tma.find_dialog import FindDialog, LabelsDialog


@pytest.fixture(scope="module")
def array(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tma") / "array.tif"
    write_array(path, ArrayPlan(rows=3, columns=4, turn_deg=4, missing=[(1, 1)]))
    return path


@pytest.fixture
def found(window: MainWindow, array: Path, qtbot: QtBot) -> MainWindow:
    """A window on the slide of an array whose cores were found by its dialog."""
    show_slide(window, array, qtbot)
    qtbot.waitUntil(lambda: window.annotations.active is not None)
    window.tma.panel.show()
    window.tma.panel.search.click()
    dialog = open_dialog(window, FindDialog, qtbot)
    assert isinstance(dialog, FindDialog)
    dialog.fields.rows.setText("?")
    assert not dialog.search.isEnabled()
    dialog.fields.rows.setText("A-C")
    dialog.search.click()
    qtbot.waitUntil(lambda: window.tma.panel.model.rowCount() == 12)
    return window


def test_what_is_under_way_is_said_until_it_is_done(
    window: MainWindow, array: Path, qtbot: QtBot
) -> None:
    show_slide(window, array, qtbot)
    qtbot.waitUntil(lambda: window.annotations.active is not None)
    panel = window.tma.panel
    panel.show()
    panel.search.click()
    dialog = open_dialog(window, FindDialog, qtbot)
    assert isinstance(dialog, FindDialog)
    dialog.search.click()
    assert panel.about.text() == "Finding cores..."
    assert not panel.search.isEnabled()
    qtbot.waitUntil(lambda: panel.about.text() == "12 cores in 3 × 4, 1 missing.")
    assert panel.search.isEnabled()
    said = window.status.currentMessage()
    assert said.startswith("12 cores in 3 rows and 4 columns, 1 missing. ")


def grid(window: MainWindow) -> TmaGrid:
    found = window.tma.grid
    assert found is not None
    return found


def act(window: MainWindow, text: str) -> None:
    """Choose an entry of the menu of the grid."""
    panel = window.tma.panel
    action = next(each for each in panel.menu.actions() if each.text().replace("&", "") == text)
    action.trigger()


def cell(window: MainWindow, row: int, column: int) -> str:
    model = window.tma.panel.model
    return str(model.data(model.index(row, column)))


def test_a_grid_is_found_corrected_and_undone(found: MainWindow, qtbot: QtBot) -> None:
    panel = found.tma.panel
    assert panel.about.text() == "12 cores in 3 × 4, 1 missing."
    assert cell(found, 5, 0) == "B-2 (missing)"
    assert found.commands["annotate.names"].isChecked()
    panel.view.selectRow(5)
    active = found.annotations.active
    assert active is not None
    assert [each.name for each in active.chosen] == ["B-2"]
    act(found, "Mark present")
    qtbot.waitUntil(lambda: cell(found, 5, 0) == "B-2")
    act(found, "Add row below")
    qtbot.waitUntil(lambda: panel.model.rowCount() == 16)
    assert panel.about.text().startswith("16 cores in 4 × 4, 0 missing.")
    assert [each.name for each in active.chosen] == ["B-2"]
    act(found, "Remove column")
    qtbot.waitUntil(lambda: panel.model.rowCount() == 12)
    for _ in range(4):
        found.commands["edit.undo"].trigger()
    qtbot.waitUntil(lambda: panel.model.rowCount() == 0)
    assert active.document.cores == []
    found.commands["edit.redo"].trigger()
    qtbot.waitUntil(lambda: panel.model.rowCount() == 12)


def test_labels_ids_and_tables(found: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    panel, out = found.tma.panel, tmp_path / "cores.csv"
    act(found, "Labels...")
    dialog = open_dialog(found, LabelsDialog, qtbot)
    assert isinstance(dialog, LabelsDialog)
    dialog.fields.rows.setText("3-1")
    dialog.fields.columns.setText("A")
    dialog.accept()
    qtbot.waitUntil(lambda: cell(found, 0, 0) == "3-A")
    at = panel.model.index(0, 1)
    panel.view.setCurrentIndex(at)
    place = panel.view.visualRect(at).center()
    qtbot.mouseClick(panel.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(panel.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert panel.view.state() == QAbstractItemView.State.EditingState
    editor = panel.view.viewport().findChild(QLineEdit)
    qtbot.keyClicks(editor, "P 1")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: cell(found, 0, 1) == "P 1")
    ids = tmp_path / "ids.csv"
    ids.write_text("Core,Case ID\n2-C,P 2\n9-Z,P 3\n")
    found.tma.import_ids(ids)
    qtbot.waitUntil(lambda: cell(found, 6, 1) == "P 2")
    assert "9-Z" in panel.about.text()
    found.tma.write(out)
    qtbot.waitUntil(out.exists)
    rows = list(csv.DictReader(out.open(newline="")))
    assert [(row["Core"], row["Case ID"]) for row in rows[::6]] == [("3-A", "P 1"), ("2-C", "P 2")]
    assert grid(found).cores[1, 2].metadata[CASE_ID] == "P 2"


def test_nothing_to_count_and_no_array_are_said_on_the_page(
    found: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    panel = found.tma.panel
    panel.count.click()
    assert "Turn on a model that finds objects" in panel.about.text()
    show_slide(found, sample_slide, qtbot)
    qtbot.waitUntil(lambda: panel.model.rowCount() == 0)
    qtbot.waitUntil(lambda: found.annotations.active is not None)
    assert panel.view.isHidden()
    panel.search.click()
    dialog = open_dialog(found, FindDialog, qtbot)
    assert isinstance(dialog, FindDialog)
    dialog.search.click()
    qtbot.waitUntil(lambda: "no TMA cores were found" in panel.about.text())
    assert panel.search.isEnabled()
