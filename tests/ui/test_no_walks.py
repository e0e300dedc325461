"""The window's thread walks through no document: what it does is as much for n as for 10 n."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import shapely
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import adding, changing, removing
from viewer.annotations.document_state import DocumentState
from viewer.annotations.tma.cores import new_core
from viewer.geometry import Point
from viewer.ui.annotations import annotation_model
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.main_window import MainWindow

if TYPE_CHECKING:
    from types import FrameType

FEW = 3000
MOST_RATIO = 1.5
STROMA, TUMOR = AnnotationClass("Stroma", "#969696"), AnnotationClass("Tumor", "#c80000")


def _calls(act: Callable[[], object]) -> int:
    """Return how many calls this thread makes: unlike time, as many on a busy machine."""
    count = 0

    def note(_frame: FrameType, event: str, _what: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


def _drawn(count: int) -> list[Annotation]:
    shape = shapely.box(10, 10, 20, 20)
    return [Annotation(shape, shown_as=STROMA, name=f"cell {n}") for n in range(count)]


def _landings(window: MainWindow, here: PaneAnnotations, qtbot: QtBot, count: int) -> list[int]:
    """Return the calls for: a file lands, all are selected, hidden, classed, and deleted."""
    document, model = here.document, window.annotations.panel.model
    held = _drawn(count)
    state = DocumentState().fill(held)
    figures = [_calls(lambda: here.slide._fill(state))]
    qtbot.waitUntil(lambda: model.shown_count == count and not model.is_filling, timeout=20_000)
    figures.append(_calls(window.commands["edit.select_all"].trigger))
    assert len(here.selection) == count
    figures.append(_calls(lambda: window.annotations.classes.hide({STROMA.name})))
    qtbot.waitUntil(lambda: len(here.selection) == 0, timeout=20_000)
    window.annotations.classes.hide(())
    window.commands["edit.select_all"].trigger()
    given = changing("Set class", [(each, _of(each, TUMOR)) for each in held]).looked_at()
    for step in (given, removing("Delete", [each.after for each in given.changes if each.after])):
        looked_at = step.looked_at()
        before = document.snapshot()
        after = before.copied()
        after.take(looked_at.changes)
        figures.append(_calls(lambda s=looked_at, b=before, a=after: document.land(s, b, a)))
        qtbot.waitUntil(lambda: not model.is_filling, timeout=20_000)
    assert len(document) == 0
    return figures


def _of(annotation: Annotation, which: AnnotationClass) -> Annotation:
    return Annotation(annotation.geometry, annotation.id, shown_as=which, name=annotation.name)


def test_ten_times_the_annotations_take_no_more_calls(
    opened_annotations: PaneAnnotations,
    slide_window: MainWindow,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(annotation_model, "_MOST_LISTED_AT_ONCE", FEW // 3)
    _landings(slide_window, opened_annotations, qtbot, 2500)  # what is loaded and made at first
    few = _landings(slide_window, opened_annotations, qtbot, FEW)
    many = _landings(slide_window, opened_annotations, qtbot, 10 * FEW)
    for name, one, ten in zip(
        ("open", "select", "hide", "class", "delete"), few, many, strict=True
    ):
        assert ten <= MOST_RATIO * one, (name, one, ten)


def test_what_is_done_with_all_that_is_selected_looks_at_none_of_it(
    opened_annotations: PaneAnnotations, slide_window: MainWindow, qtbot: QtBot
) -> None:
    here, window = opened_annotations, slide_window
    model, canvas = window.annotations.panel.model, here.pane.canvas
    window.tma.panel.show()
    core = new_core(0, 0, Point(500, 500), (100, 100), "A-1")

    def act(count: int) -> dict[str, int]:
        here.slide._fill(DocumentState().fill([*_drawn(count), core]))
        qtbot.waitUntil(
            lambda: model.shown_count == count + 1 and not model.is_filling, timeout=20_000
        )
        qtbot.waitUntil(lambda: window.tma.panel.model.rowCount() == 1, timeout=20_000)
        window.commands["edit.select_all"].trigger()
        assert len(here.selection) == count + 1
        assert window.tma.panel.chosen_ids == [core.id]
        canvas.home()
        figures = {
            "menu": _calls(lambda: window.view.menu.open(here.pane, Point(5, 5))),
            "one less": _calls(lambda: here.selection.turn(core.id)),
            "one more": _calls(lambda: here.selection.turn(core.id)),
            "travel": _calls(window.annotations.panel.traveled.emit),
            "draw": _calls(lambda: here.do(adding("Draw", _drawn(1)))),
        }
        menu = window.view.menu.menu
        assert menu is not None
        menu.close()
        qtbot.waitUntil(lambda: canvas.destination.center.x < 600, timeout=20_000)
        return figures

    act(2500)
    few, many = act(FEW), act(10 * FEW)
    for name, calls in few.items():
        assert many[name] <= MOST_RATIO * calls, (name, calls, many[name])


def test_the_row_of_a_class_selects_all_of_it_without_a_walk(
    opened_annotations: PaneAnnotations, slide_window: MainWindow, qtbot: QtBot
) -> None:
    here, panel = opened_annotations, slide_window.annotations.panel

    def click(row: int) -> None:
        place = panel.tree.visualRect(panel.model.index(row, 0)).center()
        qtbot.mouseClick(panel.tree.viewport(), Qt.MouseButton.LeftButton, pos=place)

    def chosen(count: int) -> int:
        stroma, tumor = _drawn(count), [_of(each, TUMOR) for each in _drawn(count + 1)]
        here.slide._fill(DocumentState().fill([*stroma, *tumor]))
        qtbot.waitUntil(
            lambda: panel.model.shown_count == 2 * count + 1 and not panel.model.is_filling,
            timeout=20_000,
        )
        calls = _calls(lambda: click(0))
        qtbot.waitUntil(lambda: len(here.selection) == count, timeout=20_000)
        assert here.selection.ids == {each.id for each in stroma}
        click(1)
        here.selection.choose([stroma[0].id])  # what is chosen elsewhere since holds
        done: list[None] = []
        panel.model._background.run(lambda: None, done.append)
        qtbot.waitUntil(lambda: bool(done), timeout=20_000)
        assert here.selection.ids == {stroma[0].id}
        return calls

    chosen(2500)
    few, many = chosen(FEW), chosen(10 * FEW)
    assert many <= MOST_RATIO * few, (few, many)


def test_all_of_a_class_are_chosen_without_a_walk(
    opened_annotations: PaneAnnotations, slide_window: MainWindow, qtbot: QtBot
) -> None:
    here, model = opened_annotations, slide_window.annotations.panel.model
    told: list[int] = []

    def chosen(count: int) -> int:
        rare = [_of(each, TUMOR) for each in _drawn(3)]
        here.slide._fill(DocumentState().fill([*_drawn(count), *rare]))
        qtbot.waitUntil(
            lambda: model.shown_count == count + 3 and not model.is_filling, timeout=20_000
        )
        here.selection.choose([])
        calls = _calls(lambda: here.choose_class(TUMOR.name, told.append))
        qtbot.waitUntil(lambda: len(here.selection) == 3, timeout=20_000)
        assert here.selection.ids == {each.id for each in rare}
        return calls

    few, many = chosen(FEW), chosen(10 * FEW)
    assert told == [3, 3]
    assert many <= MOST_RATIO * few, (few, many)
    # One that is drawn while they are looked for is among them.
    late = _of(_drawn(1)[0], TUMOR)
    here.choose_class(TUMOR.name, told.append)
    assert here.do(adding("Draw", [late]))
    qtbot.waitUntil(lambda: len(here.selection) == 4, timeout=20_000)
    assert told[-1] == 4
