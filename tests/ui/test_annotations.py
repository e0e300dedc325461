"""A day of an annotator in the real window: draw, correct, list, exchange, find all again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import shapely
from PySide6.QtCore import QItemSelectionModel, QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QInputDialog, QLabel, QLineEdit, QMenu
from pytestqt.qtbot import QtBot
from ui_steps import (
    ALT,
    CTRL,
    SHIFT,
    back_to_slide,
    drop,
    open_dialog,
    opened_annotations,
    press,
    rest,
    set_document,
    show_slide,
)

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.annotations.formats.exchange import FORMATS
from viewer.annotations.palette import read_palette
from viewer.folders import data_folder
from viewer.ui.annotations.classes_dialog import ClassesDialog
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.annotations.simple_dialogs import DistanceDialog, ProblemsDialog
from viewer.ui.annotations.statistics_dialog import StatisticsDialog
from viewer.ui.annotations.versions_dialog import VersionsDialog
from viewer.ui.main_window import MainWindow

LEFT = Qt.MouseButton.LeftButton
LEFT_OF_MIDDLE, RIGHT_OF_MIDDLE = QPoint(-90, -40), QPoint(20, -40)
"""From the middle of the canvas, where the slide is at every size of the window."""


@pytest.fixture
def listed(slide_window: MainWindow, qtbot: QtBot) -> MainWindow:
    """With the panel open and the keyboard on the slide."""
    opened_annotations(slide_window, qtbot)
    press(qtbot, slide_window, Qt.Key.Key_G, CTRL | SHIFT)
    qtbot.waitUntil(slide_window.annotations.panel.isVisible)
    slide_window.panes.active.focus()
    return slide_window


def _draw(
    window: MainWindow,
    qtbot: QtBot,
    key: Qt.Key = Qt.Key.Key_R,
    at: QPoint = LEFT_OF_MIDDLE,
    side: int = 80,
) -> Annotation:
    """Takes the tool with this key and drags it."""
    canvas = window.panes.active.canvas
    canvas.setFocus()
    press(qtbot, window, key)
    at = canvas.rect().center() + at
    qtbot.mousePress(canvas, LEFT, pos=at)
    qtbot.mouseMove(canvas, at + QPoint(side // 2, side // 2))
    qtbot.mouseMove(canvas, at + QPoint(side, side))
    qtbot.mouseRelease(canvas, LEFT, pos=at + QPoint(side, side))
    active = window.annotations.active
    assert active is not None
    return list(active.document)[-1]


def _saved(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: window.annotations.is_saved)


def _rows(window: MainWindow) -> dict[str, list[str]]:
    model = window.annotations.panel.model
    rows: dict[str, list[str]] = {}
    for row in range(model.rowCount()):
        parent = model.index(row, 0)
        names = [model.index(at, 0, parent).data() for at in range(model.rowCount(parent))]
        rows[parent.data()] = names
    return rows


# Drawing and history -------------------------------------------------------------------------


def test_what_is_drawn_is_listed_classed_by_key_and_undone_step_by_step(
    listed: MainWindow, qtbot: QtBot
) -> None:
    drawn = _draw(listed, qtbot)
    active = opened_annotations(listed, qtbot)
    assert list(active.selection) == [drawn.id]
    assert _rows(listed) == {"No class (1)": ["Rectangle"]}
    press(qtbot, listed, Qt.Key.Key_2, CTRL)
    assert _rows(listed) == {"Stroma (1)": ["Rectangle"]}
    _draw(listed, qtbot, Qt.Key.Key_O, RIGHT_OF_MIDDLE)
    assert _rows(listed) == {"Stroma (2)": ["Ellipse", "Rectangle"]}
    assert listed.annotations.classes.chip.accessibleName().endswith(": Stroma")
    assert listed.commands["edit.undo"].text().startswith("&Undo ellipse")
    for _ in range(3):
        press(qtbot, listed, Qt.Key.Key_Z, CTRL)
    assert _rows(listed) == {}
    assert not listed.commands["edit.undo"].isEnabled()
    press(qtbot, listed, Qt.Key.Key_Y, CTRL)
    press(qtbot, listed, Qt.Key.Key_Z, CTRL | SHIFT)
    assert _rows(listed) == {"Stroma (1)": ["Rectangle"]}


def test_everything_is_there_again_after_a_restart(
    listed: MainWindow, make_window: Callable[[], MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    drawn = _draw(listed, qtbot)
    _draw(listed, qtbot, Qt.Key.Key_O, RIGHT_OF_MIDDLE)
    press(qtbot, listed, Qt.Key.Key_1, CTRL)
    listed.annotations.panel.description.setPlainText("Half written")
    before = list(opened_annotations(listed, qtbot).document)
    listed.close()
    again = make_window()
    show_slide(again, sample_slide, qtbot)
    after = list(opened_annotations(again, qtbot).document)
    assert [each.id for each in after] == [each.id for each in before]
    assert after[0].geometry.equals(drawn.geometry)
    assert (after[1].class_name, after[1].is_ellipse) == ("Tumor", True)
    assert after[1].description == "Half written"


def test_ctrl_s_says_that_what_was_drawn_is_saved(
    opened_annotations: PaneAnnotations, slide_window: MainWindow, qtbot: QtBot
) -> None:
    opened_annotations.do(adding("Rectangle", [Annotation(shapely.box(10, 10, 90, 90))]))
    press(qtbot, slide_window, Qt.Key.Key_S, CTRL)
    status = slide_window.status
    qtbot.waitUntil(lambda: status.currentMessage().startswith("All annotations are saved"))
    assert slide_window.annotations.is_saved


def test_a_second_window_reads_and_takes_over_when_the_first_goes(
    listed: MainWindow, make_window: Callable[[], MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    _draw(listed, qtbot)
    _saved(listed, qtbot)
    second = make_window()
    show_slide(second, sample_slide, qtbot)
    active = opened_annotations(second, qtbot)
    assert len(active.document) == 1
    assert second.annotations.banner.isVisible()
    assert "Another window" in second.annotations.banner.sentence.text()
    assert not second.commands["annotate.whole_slide"].isEnabled()
    active.selection.choose(each.id for each in active.document)
    second.commands["edit.delete"].trigger()
    assert len(active.document) == 1
    listed.activateWindow()
    qtbot.waitUntil(listed.isActiveWindow)
    _draw(listed, qtbot, Qt.Key.Key_O, RIGHT_OF_MIDDLE)
    qtbot.waitUntil(lambda: len(active.document) == 2)
    listed.close()
    qtbot.waitUntil(lambda: not active.document.is_read_only)
    qtbot.waitUntil(lambda: not second.annotations.banner.isVisible())
    second.commands["annotate.whole_slide"].trigger()
    assert len(active.document) == 3


def test_two_panes_on_one_slide_share_what_is_drawn_but_not_what_is_chosen(
    listed: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    drawn = _draw(listed, qtbot)
    first = opened_annotations(listed, qtbot)
    press(qtbot, listed, Qt.Key.Key_Backslash, CTRL)
    show_slide(listed, sample_slide, qtbot)
    second = opened_annotations(listed, qtbot)
    assert second is not first
    assert second.document is first.document
    assert (len(first.selection), len(second.selection)) == (1, 0)
    second.selection.choose([drawn.id])
    press(qtbot, listed, Qt.Key.Key_Delete)
    assert len(first.document) == 0
    listed.commands["panes.close"].trigger()
    qtbot.waitUntil(lambda: listed.annotations.active is first)
    press(qtbot, listed, Qt.Key.Key_Z, CTRL)
    assert list(first.document) == [drawn]


# The list ------------------------------------------------------------------------------------


def test_a_row_is_renamed_in_place_and_described(listed: MainWindow, qtbot: QtBot) -> None:
    drawn = _draw(listed, qtbot)
    panel, active = listed.annotations.panel, opened_annotations(listed, qtbot)
    panel.tree.setFocus()
    assert panel.model.id_at(panel.tree.currentIndex()) == drawn.id
    qtbot.keyClick(panel.tree, Qt.Key.Key_F2)
    editor = panel.tree.findChild(QLineEdit)
    assert editor is not None
    qtbot.keyClicks(editor, "Margin an")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: active.document[drawn.id].name == "Margin an")
    assert _rows(listed) == {"No class (1)": ["Margin an"]}
    panel.description.setFocus()
    qtbot.keyClicks(panel.description, "Free of tumor")
    panel.tree.setFocus()
    assert active.document[drawn.id].description == "Free of tumor"
    press(qtbot, listed, Qt.Key.Key_Z, CTRL)
    assert panel.description.toPlainText() == ""
    press(qtbot, listed, Qt.Key.Key_Z, CTRL)
    assert active.document[drawn.id].name == ""


def test_rows_and_canvas_choose_the_same_and_enter_travels(
    listed: MainWindow, qtbot: QtBot
) -> None:
    far = _draw(listed, qtbot, at=QPoint(-90, -90), side=30)
    near = _draw(listed, qtbot, at=QPoint(20, 20), side=60)
    panel, active, canvas = (
        listed.annotations.panel,
        opened_annotations(listed, qtbot),
        listed.panes.active.canvas,
    )
    model, rows = panel.tree.selectionModel(), panel.model
    active.selection.choose([far.id, near.id])
    chosen = {rows.id_at(index) for index in model.selectedRows()}
    assert chosen == {far.id, near.id}
    only = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
    model.setCurrentIndex(rows.index_of(far.id), only)
    assert list(active.selection) == [far.id]
    qtbot.keyClick(panel.tree, Qt.Key.Key_Return)
    rest(listed, qtbot)
    x, y = far.geometry.centroid.coords[0]
    assert canvas.view.center.x == pytest.approx(x, abs=1)
    assert canvas.view.center.y == pytest.approx(y, abs=1)
    model.setCurrentIndex(rows.index(0, 0), only)
    assert set(active.selection) == {far.id, near.id}
    qtbot.waitUntil(lambda: "2 selected" in panel.figures.text())


def test_the_list_is_searched_and_its_menu_acts(listed: MainWindow, qtbot: QtBot) -> None:
    _draw(listed, qtbot)
    press(qtbot, listed, Qt.Key.Key_1, CTRL)
    _draw(listed, qtbot, at=RIGHT_OF_MIDDLE)
    press(qtbot, listed, Qt.Key.Key_3, CTRL)
    panel = listed.annotations.panel
    panel.filter.setFocus()
    qtbot.keyClicks(panel.filter, "immune")
    qtbot.waitUntil(lambda: _rows(listed) == {"Immune cells (1)": ["Rectangle"]})
    panel.filter.clear()
    qtbot.waitUntil(lambda: len(_rows(listed)) == 2)
    panel.menu_requested.emit(QPoint(10, 10))
    menu = panel.findChild(QMenu)
    assert menu is not None
    (classes,) = [each for each in menu.actions() if each.text() == "Set &class"]
    sub = classes.menu()
    assert isinstance(sub, QMenu)
    next(each for each in sub.actions() if each.text().startswith("Necrosis")).trigger()
    menu.close()
    assert "Necrosis (1)" in _rows(listed)


def test_keys_lead_from_the_search_to_what_was_found(listed: MainWindow, qtbot: QtBot) -> None:
    _draw(listed, qtbot)
    press(qtbot, listed, Qt.Key.Key_1, CTRL)
    found = _draw(listed, qtbot, at=RIGHT_OF_MIDDLE)
    press(qtbot, listed, Qt.Key.Key_3, CTRL)
    panel, active = listed.annotations.panel, listed.annotations.active
    assert active is not None
    active.selection.choose(frozenset())
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Return):
        qtbot.mouseClick(panel.filter, LEFT)
        qtbot.keyClicks(panel.filter, "zzz")
        qtbot.waitUntil(lambda: panel.notice.text() == "No annotation of this set matches.")
        qtbot.keyClick(panel.filter, key)
        assert panel.filter.hasFocus()
        panel.filter.selectAll()
        qtbot.keyClicks(panel.filter, "immune")
        qtbot.keyClick(panel.filter, key)
        assert panel.tree.hasFocus()
        assert set(active.selection) == {found.id}
        assert not panel.notice.isVisible()
        panel.filter.clear()
        qtbot.waitUntil(lambda: len(_rows(listed)) == 2)


def test_locked_annotations_stay_as_they_are(listed: MainWindow, qtbot: QtBot) -> None:
    drawn = _draw(listed, qtbot)
    active = opened_annotations(listed, qtbot)
    press(qtbot, listed, Qt.Key.Key_K, CTRL)
    assert active.document[drawn.id].is_locked
    press(qtbot, listed, Qt.Key.Key_Backspace)
    press(qtbot, listed, Qt.Key.Key_1, CTRL)
    assert active.document[drawn.id].class_name == ""
    assert "Locked" in listed.status.currentMessage()
    press(qtbot, listed, Qt.Key.Key_K, CTRL)
    press(qtbot, listed, Qt.Key.Key_Backspace)
    assert len(active.document) == 0


# Edits ---------------------------------------------------------------------------------------


def test_regions_are_merged_split_grown_and_duplicated(listed: MainWindow, qtbot: QtBot) -> None:
    _draw(listed, qtbot)
    _draw(listed, qtbot, at=LEFT_OF_MIDDLE + QPoint(40, 0))
    active = opened_annotations(listed, qtbot)
    listed.panes.active.canvas.setFocus()
    press(qtbot, listed, Qt.Key.Key_A, CTRL | ALT)
    press(qtbot, listed, Qt.Key.Key_M, CTRL | ALT)
    (merged,) = active.document
    x0, y0, x1, y1 = merged.geometry.bounds
    line = Annotation(shapely.LineString([((x0 + x1) / 2, y0 - 5), ((x0 + x1) / 2, y1 + 5)]))
    active.do(adding("Line", [line]))
    press(qtbot, listed, Qt.Key.Key_A, CTRL | ALT)
    press(qtbot, listed, Qt.Key.Key_L, CTRL | ALT)
    assert len(active.document) == 2
    areas = [each.geometry.area for each in active.document]
    assert areas == pytest.approx([merged.geometry.area / 2] * 2)
    press(qtbot, listed, Qt.Key.Key_J, CTRL)
    assert len(active.document) == 4
    assert len(active.selection) == 2
    listed.commands["annotate.grow"].trigger()
    dialog = open_dialog(listed, DistanceDialog, qtbot)
    assert isinstance(dialog, DistanceDialog)
    dialog.box.setValue(-5.0)
    dialog.accept()
    qtbot.waitUntil(lambda: active.chosen[0].geometry.area < areas[0])
    listed.commands["annotate.subtract"].trigger()
    assert "Nothing" in listed.status.currentMessage() or "Subtract" in (
        active.document.undo_label or ""
    )


def test_copies_go_to_the_clipboard_as_geojson_and_come_back(
    listed: MainWindow, qtbot: QtBot
) -> None:
    drawn = _draw(listed, qtbot)
    active = opened_annotations(listed, qtbot)
    clipboard = QGuiApplication.clipboard()
    clipboard.clear()
    press(qtbot, listed, Qt.Key.Key_C, CTRL | ALT)
    qtbot.waitUntil(lambda: "FeatureCollection" in clipboard.text())
    assert json.loads(clipboard.text())["features"][0]["id"] == str(drawn.id)
    press(qtbot, listed, Qt.Key.Key_V, CTRL)
    qtbot.waitUntil(lambda: len(active.document) == 2)
    pasted = list(active.document)[-1]
    assert pasted.id != drawn.id
    assert pasted.geometry.equals_exact(drawn.geometry, 0.01)
    clipboard.setText("12.5, 7")
    press(qtbot, listed, Qt.Key.Key_V, CTRL)
    qtbot.waitUntil(lambda: "no annotations on the clipboard" in listed.status.currentMessage())
    assert len(active.document) == 2


def test_keys_show_hide_fill_and_name(listed: MainWindow, qtbot: QtBot) -> None:
    _draw(listed, qtbot)
    canvas = listed.panes.active.canvas
    press(qtbot, listed, Qt.Key.Key_1, CTRL)
    press(qtbot, listed, Qt.Key.Key_M)
    pictures = [canvas.grab().toImage()]
    for key, keys in (
        (Qt.Key.Key_F, CTRL | SHIFT),
        (Qt.Key.Key_N, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_A, Qt.KeyboardModifier.NoModifier),
    ):
        press(qtbot, listed, key, keys)
        qtbot.waitUntil(lambda: canvas.grab().toImage() != pictures[-1])
        pictures.append(canvas.grab().toImage())


# Files ---------------------------------------------------------------------------------------


def test_annotations_are_written_and_read_again_by_drop_as_a_set(
    listed: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    _draw(listed, qtbot)
    press(qtbot, listed, Qt.Key.Key_1, CTRL)
    _draw(listed, qtbot, at=RIGHT_OF_MIDDLE)
    active = opened_annotations(listed, qtbot)
    before = list(active.document)
    path = tmp_path / "regions.geojson"
    listed.annotations.files.write(path, FORMATS["qupath"], active)
    qtbot.waitUntil(lambda: "written to regions.geojson" in listed.status.currentMessage())
    listed.commands["edit.select_all"].trigger()
    press(qtbot, listed, Qt.Key.Key_Delete)
    assert len(active.document) == 0
    drop(listed, [path])
    read = set_document(listed, qtbot, "regions.geojson")
    for was, now in zip(before, read, strict=True):
        assert (now.id, now.class_name) == (was.id, was.class_name)
        assert now.geometry.equals_exact(was.geometry, 0.01)
    assert len(active.document) == 0
    panel = listed.annotations.panel.sets
    other = panel.tree.topLevelItem(1)
    assert other is not None
    qtbot.mouseClick(panel.tree.viewport(), LEFT, pos=panel.tree.visualItemRect(other).center())
    qtbot.waitUntil(lambda: opened_annotations(listed, qtbot).document is read)
    listed.panes.active.focus()
    press(qtbot, listed, Qt.Key.Key_Z, CTRL)
    assert len(read) == 0


def _feature(kind: str, coordinates: object) -> dict[str, object]:
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": coordinates},
        "properties": {"objectType": kind, "classification": {"name": "A", "color": [1, 2, 3]}},
    }


SQUARE = [[[100, 100], [300, 100], [300, 300], [100, 300], [100, 100]]]
BOW = [[[400, 400], [600, 600], [600, 400], [400, 600], [400, 400]]]


def test_of_a_spoilt_file_the_good_parts_are_taken_and_the_rest_is_listed(
    listed: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    features = [
        _feature("annotation", SQUARE),
        _feature("annotation", BOW),
        {"type": "Feature", "geometry": None, "properties": {"objectType": "annotation"}},
    ]
    path = tmp_path / "spoilt.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    opened_annotations(listed, qtbot)
    drop(listed, [path])
    dialog = open_dialog(listed, ProblemsDialog, qtbot)
    assert isinstance(dialog, ProblemsDialog)
    assert len(set_document(listed, qtbot, "spoilt.geojson")) == 2
    told = dialog.text.toPlainText()
    assert "repaired number 2: its edges crossed" in told
    assert "left out number 3: it has no geometry" in told
    qtbot.mouseClick(dialog.copy, LEFT)
    assert QApplication.clipboard().text() == told
    dialog.close()
    path.write_text("{ no json")
    listed.annotations.files.take(path, listed.panes.active)
    qtbot.waitUntil(listed.banner.isVisible)
    assert "spoilt.geojson" in listed.banner.sentence.text()
    assert listed.status.currentMessage() == ""  # no longer "Reading spoilt.geojson..."
    assert len(set_document(listed, qtbot, "spoilt.geojson")) == 2


def test_an_export_says_what_its_format_cannot_hold(
    listed: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    active, out = opened_annotations(listed, qtbot), tmp_path / "out.xml"
    points = Annotation(shapely.MultiPoint([(5, 5), (9, 9)]))
    active.do(adding("Import", [Annotation(shapely.box(0, 0, 9, 9), color="#123456"), points]))
    listed.annotations.files.write(out, FORMATS["imagescope"], active)
    dialog = open_dialog(listed, ProblemsDialog, qtbot)
    assert isinstance(dialog, ProblemsDialog)
    # Not that two annotations were written: the points are not there.
    (sentence, *_) = dialog.findChildren(QLabel)
    assert sentence.text() == (
        "out.xml (ImageScope XML) was written, but not all of 2 annotations. Not in the file: a "
        "point, which this format cannot hold (2); that its parts belong together (1)."
    )
    assert dialog.text.toPlainText().splitlines() == [
        "Number 2: that its parts belong together",
        *["Number 2: a point, which this format cannot hold"] * 2,
    ]
    assert listed.status.currentMessage().endswith("but not all of 2 annotations.")
    dialog.close()


def test_annotations_and_detections_of_one_file_go_where_each_belongs(
    listed: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    features = [_feature("annotation", SQUARE), _feature("detection", [[*SQUARE[0]]])]
    path = tmp_path / "both.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    drop(listed, [path])
    pane = listed.panes.active
    qtbot.waitUntil(lambda: listed.overlays.run_of(pane) is not None)
    overlay = listed.overlays.run_of(pane)
    assert overlay is not None
    assert (len(set_document(listed, qtbot, "both.geojson")), overlay.found.count) == (1, 1)
    sets = listed.annotations.active_sets
    assert sets is not None
    imported = sets.named("both.geojson")
    assert imported is not None
    sets.make_current(imported)
    listed.commands["edit.undo"].trigger()
    assert listed.overlays.run_of(pane) is None, "what is taken back is shown no longer"
    assert sets.current is sets.entries[0]
    listed.commands["edit.redo"].trigger()
    assert listed.overlays.run_of(pane) is not None
    assert sets.current is imported, "as before it was undone"


# Classes, statistics, versions, notes ---------------------------------------------------------


def _remove_first_class(window: MainWindow, qtbot: QtBot) -> None:
    window.annotations.panel.classes.click()
    dialog = open_dialog(window, ClassesDialog, qtbot)
    dialog.table.selectRow(0)
    dialog.remove.click()
    dialog.accept()
    back_to_slide(window, qtbot)


def test_classes_are_edited_kept_and_follow_what_is_drawn(
    listed: MainWindow, make_window: Callable[[], MainWindow], tmp_path: Path, qtbot: QtBot
) -> None:
    _draw(listed, qtbot)
    press(qtbot, listed, Qt.Key.Key_1, CTRL)
    listed.annotations.panel.classes.click()
    dialog = open_dialog(listed, ClassesDialog, qtbot)
    assert isinstance(dialog, ClassesDialog)
    head = dialog.table.horizontalHeader()
    assert all(head.sectionSize(at) >= head.sectionSizeHint(at) for at in range(head.count()))
    dialog.table.selectRow(0)
    assert dialog.model.setData(dialog.model.index(0, 0), "Carcinoma")
    assert not dialog.model.setData(dialog.model.index(0, 0), "Stroma")
    assert "already" in dialog.message.text()
    dialog.set_color("#123456")
    dialog.keys.setFocus()
    qtbot.keyClick(dialog.keys, Qt.Key.Key_Z, CTRL)
    qtbot.waitUntil(lambda: 'runs "Undo' in dialog.message.text())
    out = tmp_path / "classes.json"
    dialog.export_requested.emit(out)
    qtbot.waitUntil(lambda: "written" in dialog.message.text())
    assert read_palette(out)[0].name == "Carcinoma"
    dialog.accept()
    (drawn,) = opened_annotations(listed, qtbot).document
    assert (drawn.class_name, drawn.shown_color) == ("Carcinoma", "#123456")
    back_to_slide(listed, qtbot)
    classes = listed.annotations.classes
    for turned in (("Tumor", CTRL), ("Carcinoma", CTRL | SHIFT)):
        press(qtbot, listed, Qt.Key.Key_Z, turned[1])
        assert classes.palette.classes[0].name == turned[0]
    _remove_first_class(listed, qtbot)
    assert classes.palette.named("Carcinoma") is None
    press(qtbot, listed, Qt.Key.Key_Z, CTRL)
    assert classes.palette.classes[0].name == "Carcinoma", "a class that was removed comes back"
    _remove_first_class(listed, qtbot)
    classes.palette.use(read_palette(out))
    press(qtbot, listed, Qt.Key.Key_Z, CTRL)
    assert listed.status.currentMessage().endswith("changed since: it stays as it is.")
    assert classes.palette.classes == read_palette(out)
    press(qtbot, listed, Qt.Key.Key_2, CTRL)
    press(qtbot, listed, Qt.Key.Key_1, CTRL)
    (drawn,) = opened_annotations(listed, qtbot).document
    assert drawn.class_name == "Carcinoma"
    listed.close()
    kept = read_palette(data_folder() / "classes.json")
    assert (kept[0].name, kept[0].key) == ("Carcinoma", "Ctrl+1")
    again = make_window()
    qtbot.waitUntil(lambda: again.annotations.classes.palette.classes[0].name == "Carcinoma")


def test_what_was_said_of_what_is_drawn_goes_once_that_is_otherwise(
    listed: MainWindow, qtbot: QtBot
) -> None:
    _draw(listed, qtbot)
    said = listed.status.currentMessage
    press(qtbot, listed, Qt.Key.Key_3, CTRL)
    assert said() == "1 annotation of Immune cells now."
    _draw(listed, qtbot, at=RIGHT_OF_MIDDLE)
    assert said() == "", "another is drawn and selected"
    press(qtbot, listed, Qt.Key.Key_A, CTRL | ALT)
    assert said() == "2 annotations selected."
    opened_annotations(listed, qtbot).selection.choose(())
    assert said() == ""
    press(qtbot, listed, Qt.Key.Key_Z, CTRL)
    assert said() == "Undone: Rectangle."
    listed.commands["panes.add"].trigger()
    assert said() == "", "the keys are for another pane"


def test_statistics_are_shown_and_written(listed: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    drawn = _draw(listed, qtbot)
    press(qtbot, listed, Qt.Key.Key_1, CTRL)
    listed.annotations.panel.statistics.click()
    listed.commands["annotate.statistics"].trigger()
    dialog = open_dialog(listed, StatisticsDialog, qtbot)
    assert isinstance(dialog, StatisticsDialog)
    row = dialog.table.topLevelItem(0)
    assert row is not None
    mpp_um = opened_annotations(listed, qtbot).mpp_um
    assert mpp_um is not None
    area_mm2 = drawn.geometry.area * mpp_um**2 / 1e6
    assert [row.text(0), row.text(1)] == ["Tumor", "1"]
    assert float(row.text(2)) == pytest.approx(area_mm2, abs=1e-3)
    perimeter_um = f"{drawn.geometry.length * mpp_um:,.1f}"
    assert [row.text(3), row.text(4)] == [perimeter_um, "0.0"]
    names = [dialog.table.headerItem().text(column) for column in (3, 4)]
    assert names == ["Perimeter µm", "Length µm"]
    path = tmp_path / "classes.csv"
    dialog.export_requested.emit(path)
    qtbot.waitUntil(path.exists)
    assert path.read_text().splitlines()[1].startswith("Tumor,1,")


def test_an_earlier_version_is_brought_back_and_that_is_undone(
    listed: MainWindow, qtbot: QtBot
) -> None:
    first = _draw(listed, qtbot)
    _draw(listed, qtbot, at=RIGHT_OF_MIDDLE)
    active = opened_annotations(listed, qtbot)
    listed.commands["edit.select_all"].trigger()
    press(qtbot, listed, Qt.Key.Key_Delete)
    press(qtbot, listed, Qt.Key.Key_Z, CTRL)
    press(qtbot, listed, Qt.Key.Key_Y, CTRL)
    listed.commands["annotate.versions"].trigger()
    dialog = open_dialog(listed, VersionsDialog, qtbot)
    assert isinstance(dialog, VersionsDialog)
    labels = [version.label for version in dialog.model.versions]
    assert labels == ["Delete redone", "Delete undone", "Delete", "Rectangle", "Rectangle"]
    qtbot.waitUntil(lambda: dialog.sentence.text() == "2 annotations then, 0 now: 2 come back.")
    assert not dialog.picture.pixmap().isNull()
    dialog.table.selectRow(3)
    qtbot.waitUntil(lambda: dialog.sentence.text() == "1 annotation then, 0 now: 1 comes back.")
    qtbot.mouseClick(dialog.bring_back, LEFT)
    qtbot.waitUntil(lambda: [each.id for each in active.document] == [first.id])
    back_to_slide(listed, qtbot)
    press(qtbot, listed, Qt.Key.Key_Z, CTRL)
    assert len(active.document) == 0


def test_bookmarks_bring_back_the_view_and_notes_say_what_was_written(
    listed: MainWindow, qtbot: QtBot
) -> None:
    canvas, active = listed.panes.active.canvas, opened_annotations(listed, qtbot)
    canvas.zoom_by(4.0)
    canvas.rotate_by(30.0)
    rest(listed, qtbot)
    before = canvas.view
    press(qtbot, listed, Qt.Key.Key_D, CTRL)
    press(qtbot, listed, Qt.Key.Key_N, CTRL | ALT)
    dialog = open_dialog(listed, QInputDialog, qtbot)
    assert isinstance(dialog, QInputDialog)
    dialog.setTextValue("Ask about this")
    dialog.accept()
    assert _rows(listed) == {"Bookmark (1)": ["View 1"], "Note (1)": ["Ask about this"]}
    canvas.home()
    rest(listed, qtbot)
    (mark, note) = active.document
    assert note.description == "Ask about this"
    active.selection.choose([mark.id])
    panel = listed.annotations.panel
    panel.tree.setFocus()
    qtbot.keyClick(panel.tree, Qt.Key.Key_Return)
    rest(listed, qtbot)
    assert canvas.view == before


@pytest.mark.slow
def test_a_file_that_cannot_be_written_is_told_until_it_can(
    listed: MainWindow, qtbot: QtBot
) -> None:
    database, banner = opened_annotations(listed, qtbot).slide.path, listed.annotations.banner
    assert database is not None
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        _draw(listed, qtbot)
        qtbot.waitUntil(banner.isVisible, timeout=30_000)
        assert "cannot be saved" in banner.sentence.text()
        assert not listed.annotations.is_saved
        other.execute("ROLLBACK")
    _saved(listed, qtbot)
    qtbot.waitUntil(lambda: not banner.isVisible())
