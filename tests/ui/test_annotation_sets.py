"""Sets of annotations in the window: layers to draw in, show, lock, copy and remove."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
import shapely
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QInputDialog, QMenu
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, open_dialog, press, set_document, show_slide

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import Document, adding
from viewer.annotations.formats.exchange import FORMATS, write_as
from viewer.annotations.formats.slide_place import SlidePlace
from viewer.annotations.sets.together import together
from viewer.folders import data_folder
from viewer.ui.annotations.bulk_edits import MANY
from viewer.ui.annotations.classes_dialog import ClassesDialog
from viewer.ui.annotations.sets.panel import EYE, LOCK, NAME, SetsPanel
from viewer.ui.annotations.sets.slide_sets import SlideSets
from viewer.ui.annotations.slide_annotations import SlideAnnotations
from viewer.ui.main_window import MainWindow

MINE = "My annotations"


def ready(window: MainWindow, qtbot: QtBot) -> SlideSets:
    """The sets of the slide, once they were listed and can be drawn in."""
    qtbot.waitUntil(lambda: window.annotations.active is not None, timeout=20_000)
    sets = window.annotations.active_sets
    assert sets is not None
    window.annotations.panel.show()
    return sets


def drawn_on(window: MainWindow) -> Document:
    active = window.annotations.active
    assert active is not None
    return active.document


def draw(window: MainWindow, x: float) -> Annotation:
    active = window.annotations.active
    assert active is not None
    made = active.desk.new(shapely.box(x, 0, x + 50, 50))
    assert active.do(adding("Rectangle", [made]))
    return made


def panel_of(window: MainWindow) -> SetsPanel:
    return window.annotations.panel.sets


def drawn_in(window: MainWindow) -> str:
    """The set that the list shows as the one that strokes go to."""
    current = panel_of(window).current
    assert current is not None
    return current.label


def row_of(window: MainWindow, label: str) -> int:
    tree = panel_of(window).tree
    items = [tree.topLevelItem(n) for n in range(tree.topLevelItemCount())]
    return next((n for n, each in enumerate(items) if each and each.text(0) == label), -1)


def click(window: MainWindow, label: str, column: int) -> None:
    """Click in a row of the list of sets."""
    tree = panel_of(window).tree
    item = tree.topLevelItem(row_of(window, label))
    assert item is not None
    at = tree.visualRect(tree.indexFromItem(item, column)).center()
    QTest.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=at)


def menu_of(window: MainWindow, label: str, text: str) -> QAction:
    """The action of a set's menu."""
    panel = panel_of(window)
    item = panel.tree.topLevelItem(row_of(window, label))
    assert item is not None
    panel.tree.customContextMenuRequested.emit(panel.tree.visualItemRect(item).center())
    menu = panel.findChildren(QMenu)[-1]
    (action,) = [each for each in menu.actions() if each.text().replace("&", "") == text]
    menu.close()
    return action


def new_set(window: MainWindow, qtbot: QtBot) -> Document:
    window.commands["annotate.new_set"].trigger()
    dialog = open_dialog(window, QInputDialog, qtbot)
    assert isinstance(dialog, QInputDialog)
    assert dialog.textValue() == "Set 2"
    before = window.annotations.active
    dialog.accept()
    qtbot.waitUntil(lambda: window.annotations.active not in (None, before), timeout=20_000)
    active = window.annotations.active
    assert active is not None
    return active.document


def shown(window: MainWindow) -> frozenset[str]:
    return window.panes.active.canvas.shown_layers


def wait_for_layers(window: MainWindow, qtbot: QtBot) -> frozenset[str]:
    """What a recording tells, once two sets are painted."""
    qtbot.waitUntil(lambda: len(shown(window)) == 2 and "annotations" in shown(window))
    return shown(window)


def test_strokes_go_to_the_set_that_is_clicked(
    slide_window: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    window = slide_window
    sets = ready(window, qtbot)
    assert drawn_in(window) == MINE
    mine = drawn_on(window)
    first = draw(window, 0)
    other = new_set(window, qtbot)
    assert drawn_in(window) == "Set 2"
    second = draw(window, 100)
    assert (list(mine), list(other)) == ([first], [second])
    qtbot.waitUntil(lambda: {"annotations", f'annotations "{MINE}"'} <= shown(window))
    click(window, MINE, EYE)
    qtbot.waitUntil(lambda: f'annotations "{MINE}"' not in shown(window))
    click(window, MINE, NAME)
    qtbot.waitUntil(lambda: window.annotations.active is not None and drawn_on(window) is mine)
    (name,) = wait_for_layers(window, qtbot) - {"annotations"}
    assert name.startswith('annotations "drawn ')  # names are typed, and were not allowed
    window.change_settings(record_names=True)
    window.panes.active.canvas.update()
    qtbot.waitUntil(lambda: {"annotations", 'annotations "Set 2"'} <= shown(window))
    window.commands["edit.undo"].trigger()
    assert (len(mine), len(other)) == (0, 1)
    window.commands["edit.redo"].trigger()
    qtbot.waitUntil(lambda: window.annotations.is_saved, timeout=20_000)
    # All of it is there again.
    window.commands["file.close"].trigger()
    qtbot.waitUntil(lambda: window.annotations.active is None, timeout=20_000)
    show_slide(window, sample_slide, qtbot)
    sets = ready(window, qtbot)
    assert list(set_document(window, qtbot, "Set 2")) == [second]
    assert list(set_document(window, qtbot, MINE)) == [first]
    assert sets.current.label == MINE


def test_a_locked_set_is_not_changed_and_stays_locked(
    slide_window: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    window = slide_window
    ready(window, qtbot)
    new_set(window, qtbot)
    draw(window, 0)
    menu_of(window, "Set 2", "Lock").trigger()
    qtbot.waitUntil(lambda: not window.annotations.can_annotate, timeout=20_000)
    active = window.annotations.active
    assert active is not None
    assert not active.do(adding("Rectangle", [active.desk.new(shapely.box(0, 0, 9, 9))]))
    assert "unlock it" in window.status.currentMessage()
    qtbot.waitUntil(lambda: window.annotations.is_saved, timeout=20_000)
    window.commands["file.close"].trigger()
    qtbot.waitUntil(lambda: window.annotations.active is None, timeout=20_000)
    show_slide(window, sample_slide, qtbot)
    sets = ready(window, qtbot)
    set_document(window, qtbot, "Set 2")
    entry = sets.named("Set 2")
    assert entry is not None
    assert entry.is_locked
    click(window, "Set 2", LOCK)
    qtbot.waitUntil(lambda: not entry.is_locked)
    click(window, "Set 2", LOCK)
    qtbot.waitUntil(lambda: entry.is_locked)


def drawn_in_a_second_set(window: MainWindow, qtbot: QtBot) -> tuple[SlideSets, Annotation]:
    """Draw a shape in a set of its own; the first set is drawn in again."""
    sets = ready(window, qtbot)
    new_set(window, qtbot)
    drawn = draw(window, 0)
    click(window, MINE, NAME)
    qtbot.waitUntil(lambda: sets.current.label == MINE and window.annotations.can_annotate)
    return sets, drawn


def test_a_set_is_copied_removed_and_brought_back(slide_window: MainWindow, qtbot: QtBot) -> None:
    window = slide_window
    sets, drawn = drawn_in_a_second_set(window, qtbot)
    menu_of(window, "Set 2", "Copy to the set that you draw in").trigger()
    (copy,) = set_document(window, qtbot, MINE)
    in_sight = together(window.annotations.states_in_sight(window.panes.active))
    assert [each.metadata["Set"] for each in in_sight] == [MINE, "Set 2"]
    assert copy.geometry.equals(drawn.geometry)
    assert copy.id != drawn.id
    qtbot.waitUntil(lambda: window.annotations.is_saved, timeout=20_000)
    assert not menu_of(window, MINE, "Remove").isEnabled()
    menu_of(window, "Set 2", "Remove").trigger()
    assert row_of(window, "Set 2") == -1
    window.commands["annotate.restore_set"].trigger()
    qtbot.waitUntil(lambda: sets.named("Set 2") is not None, timeout=20_000)
    assert list(set_document(window, qtbot, "Set 2")) == [drawn]


def test_a_set_goes_by_a_key_and_an_empty_one_points_to_the_others(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    window = slide_window
    sets = ready(window, qtbot)
    notice, tree = window.annotations.panel.notice, panel_of(window).tree
    assert notice.text().startswith("No annotations yet.")
    kept = draw(window, 0)
    new_set(window, qtbot)
    qtbot.waitUntil(lambda: window.annotations.can_annotate)
    other = "Set 2 is empty: click another set under Sets to work on its annotations."
    qtbot.waitUntil(lambda: notice.text() == other)
    window.commands["edit.select_all"].trigger()
    assert window.status.currentMessage() == other
    drawn = draw(window, 100)
    assert not notice.isVisible()
    active = window.annotations.active
    assert active is not None
    active.selection.choose({drawn.id})
    click(window, "Set 2", NAME)
    qtbot.keyClick(tree, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: row_of(window, "Set 2") == -1)
    assert '"Bring back removed set"' in window.status.currentMessage()
    assert list(drawn_on(window)) == [kept]
    click(window, MINE, NAME)
    qtbot.keyClick(tree, Qt.Key.Key_Delete)
    qtbot.waitUntil(
        lambda: window.status.currentMessage() == "My annotations stays: it is the first."
    )
    assert sets.current.label == MINE


def test_the_list_is_whole_below_what_is_said_in_a_low_window(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    window = slide_window
    ready(window, qtbot)
    window.resize(1024, 640)
    panel = window.annotations.panel
    qtbot.waitUntil(lambda: panel.isVisible() and window.height() == 640)
    draw(window, 0)
    new_set(window, qtbot)
    qtbot.waitUntil(lambda: panel.notice.text().startswith("Set 2 is empty"))
    held = panel.tree.parentWidget()
    assert held is not None
    qtbot.waitUntil(lambda: panel.tree.height() >= panel.tree.minimumHeight())
    assert panel.notice.isVisible()
    assert panel.tree.geometry().bottom() < held.height()


def test_who_reads_decides_where_a_stroke_goes(slide_window: MainWindow, qtbot: QtBot) -> None:
    window = slide_window
    ready(window, qtbot)
    before = draw(window, 0)  # by nobody known
    document = drawn_on(window)
    window.change_settings(reader="ada")
    assert drawn_on(window) is document
    by_ada = draw(window, 100)
    assert by_ada.author == "ada"
    qtbot.waitUntil(lambda: window.annotations.is_saved, timeout=20_000)

    def read_as(name: str) -> Document:
        window.change_settings(reader=name)
        ready(window, qtbot)
        return drawn_on(window)

    of_bob = read_as("bob")
    assert len(of_bob) == 0
    by_bob = draw(window, 200)
    assert list(read_as("ada")) == [before, by_ada]
    assert list(read_as("bob")) == [by_bob]
    assert len(list((data_folder() / "annotations").glob("*.sqlite"))) == 2


def _current(window: MainWindow) -> SlideAnnotations:
    sets = window.annotations.active_sets
    assert sets is not None
    assert sets.current.annotations is not None
    return sets.current.annotations


def test_a_slide_that_was_left_is_held_by_nothing(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    """Without a collection in full, which may be long in coming: it holds the study, too."""
    other = tmp_path / "other.png"
    Image.new("RGB", (300, 300)).save(other)
    sets = weakref.ref(ready(slide_window, qtbot))
    annotations = weakref.ref(_current(slide_window))
    gc.collect()
    gc.disable()
    try:
        show_slide(slide_window, other, qtbot)
        qtbot.waitUntil(lambda: sets() is None and annotations() is None, timeout=20_000)
    finally:
        gc.enable()


def test_sets_of_one_reader_are_told_apart_where_their_names_are_cut(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    sets = ready(slide_window, qtbot)
    names = [f"Annotations of a reader with a long name ({each})" for each in ("First", "Second")]
    for name in names:
        qtbot.waitUntil(slide_window.commands["annotate.new_set"].isEnabled)
        slide_window.commands["annotate.new_set"].trigger()
        dialog = open_dialog(slide_window, QInputDialog, qtbot)
        dialog.setTextValue(name)
        dialog.accept()
        qtbot.waitUntil(lambda name=name: sets.named(name) is not None)
    click(slide_window, MINE, NAME)
    qtbot.waitUntil(lambda: drawn_in(slide_window) == MINE)
    tree, pictures = panel_of(slide_window).tree, list[QImage]()
    for name in names:
        item = tree.topLevelItem(row_of(slide_window, name))
        assert item is not None
        place = tree.visualRect(tree.indexFromItem(item, NAME))
        pictures.append(tree.viewport().grab(place).toImage())
    assert pictures[0].size() == pictures[1].size()
    assert pictures[0] != pictures[1]


@pytest.mark.parametrize("count", [2, MANY + 1])
def test_an_import_is_undone_with_its_set_and_done_again(
    slide_window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot, count: int
) -> None:
    """In its turn among strokes, at once or in a thread."""
    window, name = slide_window, "cells.geojson"
    sets = ready(window, qtbot)
    undo, redo = window.commands["edit.undo"], window.commands["edit.redo"]
    path = tmp_path / name
    cells = [Annotation(shapely.box(n, 0, n + 5, 5)) for n in range(count)]
    write_as(path, FORMATS["qupath"], cells, SlidePlace())
    first = draw(window, 0)
    mine = drawn_on(window)
    window.annotations.files.take(path, window.panes.active)

    def imported() -> int:
        entry = sets.named(name)
        return len(entry.annotations.document) if entry and entry.annotations else -1

    qtbot.waitUntil(lambda: imported() == count, timeout=20_000)
    assert undo.text().startswith(f"&Undo import {name}")
    second = draw(window, 100)
    for held in ([first], [first], []):
        undo.trigger()
        qtbot.waitUntil(lambda held=held: list(mine) == held, timeout=20_000)
        qtbot.waitUntil(lambda: not window.annotations.editing.bulk.is_busy, timeout=20_000)
    assert imported() == row_of(window, name) == -1
    assert not undo.isEnabled()
    for held in ([first], [first], [first, second]):
        assert redo.isEnabled()
        redo.trigger()
        qtbot.waitUntil(lambda held=held: list(mine) == held, timeout=20_000)
        qtbot.waitUntil(lambda: not window.annotations.editing.bulk.is_busy, timeout=20_000)
    assert imported() == count
    assert row_of(window, name) > 0
    undo.trigger()
    undo.trigger()
    qtbot.waitUntil(lambda: imported() == -1, timeout=20_000)
    qtbot.waitUntil(lambda: window.annotations.is_saved, timeout=20_000)
    window.commands["file.close"].trigger()
    qtbot.waitUntil(lambda: window.annotations.active is None, timeout=20_000)
    show_slide(window, sample_slide, qtbot)
    sets = ready(window, qtbot)
    qtbot.waitUntil(lambda: sets._listing is None, timeout=20_000)
    assert [each.label for each in sets.entries] == [MINE]


def test_a_removed_set_is_undone_and_one_made_under_its_name_is_kept(
    slide_window: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    window = slide_window
    sets, drawn = drawn_in_a_second_set(window, qtbot)
    stroke = draw(window, 100)
    menu_of(window, "Set 2", "Remove").trigger()
    assert window.commands["edit.undo"].text().startswith("&Undo remove set 2")
    window.commands["edit.undo"].trigger()
    assert list(set_document(window, qtbot, "Set 2")) == [drawn]
    assert list(drawn_on(window)) == [stroke]
    window.commands["edit.redo"].trigger()
    qtbot.waitUntil(lambda: row_of(window, "Set 2") == -1)
    window.commands["annotate.new_set"].trigger()
    dialog = open_dialog(window, QInputDialog, qtbot)
    assert dialog.textValue() == "Set 3", "not the name of the removed one"
    dialog.setTextValue("Set 2")
    dialog.accept()
    qtbot.waitUntil(lambda: sets.current.label == "Set 2" and window.annotations.can_annotate)
    assert window.status.currentMessage() == "Set 2 is there again, with what it held."
    later = draw(window, 200)
    qtbot.waitUntil(lambda: window.annotations.is_saved, timeout=20_000)
    window.commands["file.close"].trigger()
    qtbot.waitUntil(lambda: window.annotations.active is None, timeout=20_000)
    show_slide(window, sample_slide, qtbot)
    ready(window, qtbot)
    assert list(set_document(window, qtbot, "Set 2")) == [drawn, later]


def test_a_class_is_renamed_in_all_sets_as_one_step(slide_window: MainWindow, qtbot: QtBot) -> None:
    """In those that may be changed; the others are named."""
    window = slide_window
    ready(window, qtbot)
    press(qtbot, window, Qt.Key.Key_1, CTRL)
    tumor = window.annotations.classes.current
    assert tumor is not None
    documents = [drawn_on(window)]
    draw(window, 0)
    for name in ("Set 2", "Set 3"):
        window.commands["annotate.new_set"].trigger()
        dialog = open_dialog(window, QInputDialog, qtbot)
        dialog.setTextValue(name)
        dialog.accept()
        qtbot.waitUntil(
            lambda: window.annotations.can_annotate and drawn_on(window) not in documents
        )
        documents.append(drawn_on(window))
        draw(window, 100)
    menu_of(window, "Set 3", "Lock").trigger()
    click(window, MINE, NAME)
    qtbot.waitUntil(lambda: drawn_on(window) is documents[0])
    window.annotations.panel.classes.click()
    editor = open_dialog(window, ClassesDialog, qtbot)
    assert editor.model.headings[2] == "On this slide"
    assert editor.model.index(0, 2).data() == "3"
    assert editor.model.setData(editor.model.index(0, 0), "Carcinoma")
    editor.accept()

    def names() -> list[str]:
        return [each.class_name for document in documents for each in document]

    assert names() == ["Carcinoma", "Carcinoma", tumor.name]
    assert window.status.currentMessage() == "Not changed, because locked or hidden: Set 3."
    for command, name in (("edit.undo", tumor.name), ("edit.redo", "Carcinoma")):
        assert window.commands[command].text().endswith(" change classes")
        window.commands[command].trigger()
        assert names() == [name, name, tumor.name]
        palette = window.annotations.classes.palette.classes
        assert palette[0].name == name, "the list of classes is turned with what is drawn"
    window.commands["annotate.merge_sets"].trigger()
    open_dialog(window, QInputDialog, qtbot).accept()
    assert len(set_document(window, qtbot, "Merged")) == 3
    window.commands["edit.undo"].trigger()
    assert row_of(window, "Merged") == -1
    assert names() == ["Carcinoma", "Carcinoma", tumor.name]
    window.commands["edit.redo"].trigger()
    assert len(set_document(window, qtbot, "Merged")) == 3
