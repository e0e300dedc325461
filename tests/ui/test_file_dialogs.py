"""Files and folders are asked for in one way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QFileDialog, QLineEdit, QMessageBox, QWidget

from viewer.ui.file_dialogs import ask_file, ask_files, ask_folder, ask_new_file, ask_place

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

_FORMATS = {
    "Table (*.csv)": ".csv",
    "Outlines (*.geojson)": ".geojson",
    "More (*.json)": ".geojson",
}


@pytest.fixture
def parent(qtbot: QtBot) -> QWidget:
    widget = QWidget()
    qtbot.addWidget(widget)
    widget.show()
    return widget


def _dialog(parent: QWidget) -> QFileDialog:
    (dialog,) = parent.findChildren(QFileDialog)
    return dialog


def _type(dialog: QFileDialog, name: str) -> None:
    field = dialog.findChild(QLineEdit, "fileNameEdit")
    assert field is not None
    field.setText(name)
    dialog.accept()


def test_a_new_file_gets_the_ending_of_the_chosen_filter(
    parent: QWidget, qtbot: QtBot, tmp_path: Path
) -> None:
    taken: list[tuple[Path, str]] = []
    ask_new_file(
        parent,
        "Export",
        lambda path, chosen: taken.append((path, chosen)),
        formats=_FORMATS,
        start=tmp_path,
        stem="a cores",
    )
    dialog = _dialog(parent)
    field = dialog.findChild(QLineEdit, "fileNameEdit")
    assert field is not None
    assert field.text() == "a cores.csv"

    dialog.selectNameFilter("Outlines (*.geojson)")
    dialog.filterSelected.emit("Outlines (*.geojson)")
    assert field.text() == "a cores.geojson"
    field.setText("mine.geojson")
    dialog.filterSelected.emit("More (*.json)")
    assert field.text() == "mine.geojson"  # the ending is the same, and so is the name

    _type(dialog, "mine")
    assert taken == [(tmp_path / "mine.geojson", "Outlines (*.geojson)")]
    qtbot.waitUntil(lambda: not parent.findChildren(QFileDialog))


@pytest.mark.parametrize(
    ("typed", "written", "chosen"),
    [
        ("mine.csv", "mine.csv", "Table (*.csv)"),
        ("Mine.GeoJSON", "Mine.GeoJSON", "Outlines (*.geojson)"),
        ("S23.1234", "S23.1234.csv", "Table (*.csv)"),
        ("Dr. Smith", "Dr. Smith.csv", "Table (*.csv)"),
        ("mine.txt", "mine.txt", "Table (*.csv)"),
    ],
)
def test_the_ending_that_is_typed_chooses_the_format(
    parent: QWidget, tmp_path: Path, typed: str, written: str, chosen: str
) -> None:
    taken: list[tuple[Path, str]] = []
    ask_new_file(
        parent,
        "Export",
        lambda path, filter_: taken.append((path, filter_)),
        formats=_FORMATS,
        start=tmp_path,
    )
    _type(_dialog(parent), typed)
    assert taken == [(tmp_path / written, chosen)]


def test_a_file_is_not_replaced_unasked_where_its_ending_was_left_out(
    parent: QWidget, tmp_path: Path
) -> None:
    (tmp_path / "S23.1234.csv").write_text("counted\n")
    taken: list[Path] = []
    ask_new_file(
        parent, "Export", lambda path, _: taken.append(path), formats=_FORMATS, start=tmp_path
    )
    _type(_dialog(parent), "S23.1234")
    assert taken == []
    (box,) = parent.findChildren(QMessageBox)
    assert box.text() == "S23.1234.csv already exists."
    (replace,) = [each for each in box.buttons() if each.text() == "Replace"]
    replace.click()
    assert taken == [tmp_path / "S23.1234.csv"]


def test_the_filter_of_last_time_is_the_first(parent: QWidget, tmp_path: Path) -> None:
    ask_new_file(
        parent,
        "Export",
        lambda path, chosen: None,
        formats=_FORMATS,
        start=tmp_path,
        first="Outlines (*.geojson)",
    )
    dialog = _dialog(parent)
    assert dialog.selectedNameFilter() == "Outlines (*.geojson)"
    assert dialog.defaultSuffix() == "geojson"
    dialog.reject()


def test_files_and_folders_that_exist_are_handed_over(parent: QWidget, tmp_path: Path) -> None:
    file, folder = tmp_path / "a.json", tmp_path / "inner"
    file.write_text("{}")
    folder.mkdir()
    taken: list[object] = []

    ask_file(parent, "Load", taken.append, start=tmp_path, filters=["Forms (*.json)"])
    dialog = _dialog(parent)
    assert dialog.nameFilters() == ["Forms (*.json)"]
    _type(dialog, "a.json")
    dialog.setParent(None)

    ask_files(parent, "Load", taken.append, start=tmp_path)
    dialog = _dialog(parent)
    _type(dialog, '"a.json" "a.json"')
    dialog.setParent(None)

    ask_folder(parent, "Open", taken.append, start=tmp_path)
    dialog = _dialog(parent)
    assert dialog.testOption(QFileDialog.Option.ShowDirsOnly)
    _type(dialog, "inner")
    dialog.setParent(None)

    ask_place(parent, "Write to", taken.append, file)
    _type(_dialog(parent), "a.json")  # no question: what is there may be replaced

    assert taken[0] == file
    assert isinstance(taken[1], list)
    assert set(taken[1]) == {file}
    assert taken[2:] == [folder, file]
