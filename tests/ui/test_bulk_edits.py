"""Thousands of annotations at once: changed in a thread, as one step, while the window answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import shapely
from PySide6.QtWidgets import QLabel, QProgressDialog
from pytestqt.qtbot import QtBot
from ui_steps import cancel_of, show_slide

from viewer import progress
from viewer.annotations.annotation import DESCRIPTION, Annotation, AnnotationClass
from viewer.annotations.document import Document, adding, changing, removing
from viewer.annotations.kept_geometry import GEOMETRY_SLOT
from viewer.annotations.storage.packing import packed_all, unpacked_all
from viewer.canvas.notes_layer import NotesLayer
from viewer.ui.annotations import bulk_edits, editing_commands
from viewer.ui.annotations.annotation_model import AnnotationModel
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.main_window import MainWindow

COUNT = 6000
STROMA = AnnotationClass("Stroma", "#969696")


def _drawn(count: int = COUNT) -> list[Annotation]:
    boxes = (shapely.box(n % 100 * 20, n // 100 * 20, n % 100 * 20 + 9, n // 100 * 20 + 9)
             for n in range(count))  # fmt: skip
    return [
        Annotation(
            box, shown_as=STROMA if n % 2 else None, name=f"cell {n}", is_locked=n % 1000 == 7,
            metadata={DESCRIPTION: "look"} if n % 2000 == 5 else {},
        )
        for n, box in enumerate(boxes)
    ]  # fmt: skip


@pytest.fixture
def here(
    opened_annotations: PaneAnnotations, slide_window: MainWindow, qtbot: QtBot
) -> PaneAnnotations:
    opened_annotations.document.do(adding("Import", _drawn()))
    slide_window.commands["edit.select_all"].trigger()
    assert len(opened_annotations.selection) == COUNT
    model = slide_window.annotations.panel.model
    qtbot.waitUntil(lambda: model.shown_count == COUNT, timeout=20_000)
    return opened_annotations


def test_all_get_a_class_and_are_deleted_each_as_one_step(
    here: PaneAnnotations, slide_window: MainWindow, qtbot: QtBot
) -> None:
    document, model = here.document, slide_window.annotations.panel.model
    before = list(document)
    tumor = slide_window.annotations.classes.palette.classes[0].annotation_class
    slide_window.annotations.classes.give(tumor)
    assert list(document) == before, "until it lands all is as it was"
    qtbot.waitUntil(lambda: document.undo_label == "Set class", timeout=20_000)
    locked = sum(each.is_locked for each in before)
    assert document.class_counts[tumor.name] == COUNT - locked
    assert [each.id for each in document] == [each.id for each in before]
    qtbot.waitUntil(
        lambda: any(
            str(model.data(model.index(row, 0))).startswith(f"{tumor.name} (")
            for row in range(model.rowCount())
        ),
        timeout=20_000,
    )
    slide_window.commands["edit.undo"].trigger()
    qtbot.waitUntil(lambda: document.undo_label == "Import", timeout=20_000)
    assert list(document) == before
    slide_window.commands["edit.redo"].trigger()
    qtbot.waitUntil(lambda: document.undo_label == "Set class", timeout=20_000)
    assert document.class_counts[tumor.name] == COUNT - locked
    slide_window.commands["edit.delete"].trigger()
    qtbot.waitUntil(lambda: len(document) == locked, timeout=20_000)
    assert all(each.is_locked for each in document)
    assert len(here.selection) <= locked
    slide_window.commands["edit.undo"].trigger()
    qtbot.waitUntil(lambda: len(document) == COUNT, timeout=20_000)
    qtbot.waitUntil(lambda: model.shown_count == COUNT, timeout=20_000)
    assert document.class_counts[tumor.name] == COUNT - locked


def test_no_geometry_is_made_that_stays_while_all_are_looked_at_and_changed(
    opened_annotations: PaneAnnotations, slide_window: MainWindow, qtbot: QtBot
) -> None:
    document, window = opened_annotations.document, slide_window
    document.do(
        adding("Import", [each for each in unpacked_all(list(packed_all(_drawn()))) if each])
    )
    model = window.annotations.panel.model
    qtbot.waitUntil(lambda: model.shown_count == COUNT, timeout=20_000)
    window.commands["edit.select_all"].trigger()
    said = f"{COUNT:,} selected: "
    qtbot.waitUntil(
        lambda: any(each.text().startswith(said) for each in window.findChildren(QLabel)),
        timeout=20_000,
    )
    for step in ("annotate.lock", "edit.undo", "edit.redo"):
        version = document.version
        window.commands[step].trigger()
        qtbot.waitUntil(lambda version=version: document.version > version, timeout=20_000)
    qtbot.waitUntil(lambda: not model.is_filling, timeout=20_000)
    made = [each for each in document if type(GEOMETRY_SLOT.__get__(each)) is not bytes]
    assert len(made) < 10, "but for the few that bear notes"


def test_very_many_are_selected_in_a_thread_with_what_is_drawn_meanwhile(
    here: PaneAnnotations,
    slide_window: MainWindow,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(editing_commands, "_SELECTED_AT_ONCE", COUNT // 2)
    here.selection.choose(())
    slide_window.commands["edit.select_all"].trigger()
    assert not len(here.selection)
    here.document.do(adding("Rectangle", [Annotation(shapely.box(1, 1, 5, 5))]))
    qtbot.waitUntil(lambda: len(here.selection) > 0, timeout=20_000)
    assert here.selection.ids == here.document.ids
    assert len(here.selection) == COUNT + 1


def test_all_are_locked_named_and_doubled_each_as_one_step(
    here: PaneAnnotations, slide_window: MainWindow, qtbot: QtBot
) -> None:
    document, window = here.document, slide_window
    window.commands["annotate.lock"].trigger()
    qtbot.waitUntil(lambda: document.undo_label == "Lock", timeout=20_000)
    assert all(each.is_locked for each in document)
    window.commands["annotate.lock"].trigger()
    qtbot.waitUntil(lambda: document.undo_label == "Unlock", timeout=20_000)
    assert not any(each.is_locked for each in document)
    named: list[int] = []
    window.annotations.editing.bulk.rename(
        here, "alike", lambda edit: named.append(len(edit.changes))
    )
    qtbot.waitUntil(lambda: named == [COUNT], timeout=20_000)
    assert {each.name for each in document} == {"alike"}
    window.commands["edit.duplicate"].trigger()
    qtbot.waitUntil(lambda: len(document) == 2 * COUNT, timeout=20_000)
    assert len(here.selection) == COUNT, "the new ones are selected"
    for label in ("Rename", "Unlock", "Lock", "Import"):
        window.commands["edit.undo"].trigger()
        qtbot.waitUntil(lambda label=label: document.undo_label == label, timeout=20_000)
    assert sum(each.is_locked for each in document) == COUNT // 1000


def test_of_several_filters_the_last_one_holds(here: PaneAnnotations, qtbot: QtBot) -> None:
    model = AnnotationModel(fills_in_thread=True)
    model.show_document(here.document)
    assert model.shown_count == 0
    for text in ("cell 1", "", "cell 59"):
        model.set_filter(text)
    named = [each for each in here.document if "59" in each.name]
    qtbot.waitUntil(lambda: model.shown_count == len(named), timeout=20_000)
    qtbot.waitUntil(lambda: not model.is_filling)
    assert model.shown_count == len(named)
    model.shut_down()


def test_what_is_drawn_meanwhile_stays(
    here: PaneAnnotations, slide_window: MainWindow, qtbot: QtBot
) -> None:
    document = here.document
    drawn = Annotation(shapely.box(0, 0, 500, 500), name="drawn meanwhile")
    slide_window.annotations.classes.give(STROMA)
    document.do(adding("Rectangle", [drawn]))
    qtbot.waitUntil(lambda: document.undo_label == "Set class", timeout=20_000)
    assert document[drawn.id] == drawn
    unlocked = [each for each in document if not each.is_locked and each.id != drawn.id]
    assert all(each.shown_as == STROMA for each in unlocked)
    document.undo()
    assert document.undo_label == "Rectangle"


def test_a_canceled_edit_changes_nothing(
    here: PaneAnnotations,
    slide_window: MainWindow,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "_AT_ONCE", 1)
    document = here.document
    before = list(document)
    slide_window.annotations.classes.give(AnnotationClass("Necrosis"))
    bulk = slide_window.annotations.editing.bulk
    assert bulk.is_busy
    cancel_of(slide_window).click()
    qtbot.waitUntil(lambda: not bulk.is_busy, timeout=20_000)
    assert list(document) == before
    assert document.undo_label == "Import"


def test_a_set_of_thousands_is_there_again_after_a_bulk_edit(
    here: PaneAnnotations,
    slide_window: MainWindow,
    make_window: Callable[[], MainWindow],
    sample_slide: Path,
    qtbot: QtBot,
) -> None:
    slide_window.annotations.classes.give(STROMA)
    qtbot.waitUntil(lambda: here.document.undo_label == "Set class", timeout=20_000)
    held = list(here.document)
    slide_window.close()
    again = make_window()
    show_slide(again, sample_slide, qtbot)
    qtbot.waitUntil(lambda: again.annotations.active is not None, timeout=20_000)
    active = again.annotations.active
    assert active is not None
    assert list(active.document) == held


def test_a_landed_step_is_as_one_that_was_done() -> None:
    plain, other = Document(_held := _drawn(300)), Document(_held)
    notes = [NotesLayer(each, lambda: None) for each in (plain, other)]
    described = changing(
        "Description", [(each, each.noted(DESCRIPTION, "new")) for each in _held[:50]]
    )
    for step in (described, removing("Delete", [*_held[100:]])):
        plain.do(step)
        before = other.snapshot()
        after = before.copied()
        after.take(step.changes)
        assert other.land(step.looked_at(), before, after)
        assert list(other) == list(plain)
        assert other.class_counts == plain.class_counts
        assert notes[0].count == notes[1].count
    assert not other.land(described, before, after), "it was changed since"
    for back in (True, True, False):
        plain.undo() if back else plain.redo()
        step = other.undo_step if back else other.redo_step
        assert step is not None
        turned, before = step.reversed.looked_at(), other.snapshot()
        after = before.copied()
        after.take(turned.changes)
        assert other.land_turn(step, turned, before, after, back=back)
        assert list(other) == list(plain)
        assert notes[0].count == notes[1].count
        assert (other.undo_label, other.redo_label) == (plain.undo_label, plain.redo_label)


def test_a_snapshot_stays_as_it_was() -> None:
    document = Document(held := _drawn(20))
    state = document.snapshot()
    document.do(removing("Delete", held[:5]))
    document.do(adding("Add", _drawn(3)))
    assert list(state) == held
    assert len(document) == 18


def test_an_edit_waits_while_too_much_is_not_yet_written(
    here: PaneAnnotations, slide_window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_edits, "_MOST_UNWRITTEN", COUNT + 1)
    qtbot.waitUntil(lambda: here.slide.is_saved, timeout=20_000)
    assert here.slide.path is not None
    bulk, give = slide_window.annotations.editing.bulk, slide_window.annotations.classes.give
    with closing(sqlite3.connect(here.slide.path, isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")  # so that nothing else is written
        give(AnnotationClass("Necrosis"))
        qtbot.waitUntil(lambda: here.document.class_counts["Necrosis"] > 0, timeout=20_000)
        give(AnnotationClass("Tumor"))
        assert bulk.is_busy
        label = slide_window.findChildren(QProgressDialog)[-1].findChild(QLabel)
        assert label is not None
        qtbot.waitUntil(lambda: "until the changes before it are on the disk" in label.text())
        assert here.document.class_counts["Necrosis"] > 0
        another.execute("ROLLBACK")
    qtbot.waitUntil(lambda: here.document.class_counts["Tumor"] > 0, timeout=30_000)
    assert here.document.class_counts["Necrosis"] == 0


def test_what_was_chosen_is_let_go_of_with_the_slide(
    here: PaneAnnotations, slide_window: MainWindow
) -> None:
    selection, layer = here.selection, here.layer
    slide_window.panes.active.close_slide()
    assert not len(selection)
    assert not layer._chosen
    assert not layer._sheet._held


@pytest.mark.parametrize("command", ["edit.delete", "edit.undo"])
def test_what_lands_after_the_slide_was_closed_is_not_said_to_be_done(
    command: str, here: PaneAnnotations, slide_window: MainWindow, qtbot: QtBot
) -> None:
    bulk, pane = slide_window.annotations.editing.bulk, slide_window.panes.active
    path = pane.path
    assert path is not None
    slide_window.commands[command].trigger()
    assert bulk.is_busy
    pane.close_slide()
    qtbot.waitUntil(lambda: not bulk.is_busy, timeout=20_000)
    assert slide_window.status.currentMessage() == (
        "The annotations were closed meanwhile: nothing was changed."
    )
    show_slide(slide_window, path, qtbot)
    qtbot.waitUntil(lambda: slide_window.annotations.active is not None, timeout=20_000)
    again = slide_window.annotations.active
    assert again is not None
    assert len(again.document) == COUNT
    assert not again.document.is_read_only
