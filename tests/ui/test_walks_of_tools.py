"""No tool looks, in the window's thread, at all the annotations that are selected or framed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import shapely
from annotating_steps import begin, end, line
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from test_no_walks import MOST_RATIO, _calls
from ui_steps import rest

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import removing
from viewer.annotations.document_state import DocumentState
from viewer.geometry import Point
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.main_window import MainWindow

pytestmark = pytest.mark.timeout(300)
FEW = 2100
"""More than are looked at in the window's thread."""
_A_FEW_CALLS = 300
_AT, _IN_ROW = 200, 200
"""Where the small ones are, in level-0 pixels."""
_LEFT, _RIGHT = QPoint(300, 250), QPoint(420, 250)


class _Slide:
    """A slide with very many small annotations near its corner, and a large one in its middle."""

    def __init__(self, window: MainWindow, here: PaneAnnotations, qtbot: QtBot) -> None:
        self.window, self.here, self.qtbot = window, here, qtbot
        self.canvas = here.pane.canvas
        QApplication.processEvents()  # the page came beside the slide, which is moved by that
        rest(window, qtbot)
        self.large = Annotation(shapely.box(*_around(self.place(_LEFT), self.place(_RIGHT))))

    def place(self, at: QPoint) -> Point:
        return self.canvas.view.to_slide(Point(at.x(), at.y()))

    def fill(self, count: int, *, is_selected: bool) -> None:
        places = ((_AT + n % _IN_ROW, _AT + n // _IN_ROW) for n in range(count))
        small = [Annotation(shapely.box(x, y, x + 0.5, y + 0.5)) for x, y in places]
        self.here.slide._fill(DocumentState().fill([*small, self.large]))
        model, selection = self.window.annotations.panel.model, self.here.selection
        self.qtbot.waitUntil(
            lambda: model.shown_count == count + 1 and not model.is_filling, timeout=20_000
        )
        selection.choose([])
        if is_selected:
            self.window.commands["edit.select_all"].trigger()
            self.qtbot.waitUntil(lambda: len(selection) == count + 1, timeout=20_000)

    def settle(self) -> None:
        bulk = self.window.annotations.editing.bulk
        self.qtbot.waitUntil(lambda: not bulk.is_busy, timeout=60_000)


def _around(a: Point, b: Point) -> tuple[float, float, float, float]:
    reach = 200.0
    return a.x - reach, a.y - reach, b.x + reach, b.y + reach


@pytest.fixture
def slide(opened_annotations: PaneAnnotations, slide_window: MainWindow, qtbot: QtBot) -> _Slide:
    return _Slide(slide_window, opened_annotations, qtbot)


def _assert_flat(act: Callable[[int], int]) -> None:
    act(FEW)  # what is loaded and made at first
    few, many = act(FEW), act(10 * FEW)
    assert many <= MOST_RATIO * few + _A_FEW_CALLS, (few, many)


def test_all_that_is_selected_is_dragged(slide: _Slide) -> None:
    document = slide.here.document

    def drag(count: int) -> int:
        slide.fill(count, is_selected=True)
        slide.window.toolbox.choose("select")
        before = {each.id: each.geometry.bounds[0] for each in document}
        places, way = line(_LEFT, _RIGHT), slide.place(_RIGHT).x - slide.place(_LEFT).x

        def dragged() -> None:
            begin(slide.canvas, places)
            end(slide.canvas, _RIGHT)

        calls = _calls(dragged)
        slide.settle()
        assert {round(each.geometry.bounds[0] - before[each.id] - way, 6) for each in document} == {
            0.0
        }
        assert document.undo_label == "Move"
        assert document.undo_count == count + 1
        return calls

    _assert_flat(drag)


def test_a_drag_that_is_given_up_moves_none_of_very_many(slide: _Slide, qtbot: QtBot) -> None:
    slide.fill(FEW, is_selected=True)
    slide.window.toolbox.choose("select")
    begin(slide.canvas, line(_LEFT, _RIGHT))
    qtbot.keyClick(slide.canvas, Qt.Key.Key_Escape)
    end(slide.canvas, _RIGHT)
    slide.settle()
    assert slide.here.document.undo_label is None


def test_of_all_that_is_selected_what_is_under_the_eraser_is_erased(slide: _Slide) -> None:
    document, large = slide.here.document, slide.large

    def erase(count: int) -> int:
        slide.fill(count, is_selected=True)
        slide.window.toolbox.choose("eraser")

        def erased() -> None:
            begin(slide.canvas, line(_LEFT, _RIGHT))
            end(slide.canvas, _RIGHT)

        calls = _calls(erased)
        assert document[large.id].geometry.area < 0.9 * large.geometry.area
        assert document.undo_count == 1
        assert len(slide.here.selection) == count + 1, "it is selected as before"
        return calls

    _assert_flat(erase)


def test_very_many_are_framed(slide: _Slide) -> None:
    selection, canvas = slide.here.selection, slide.canvas

    def frame(count: int) -> int:
        slide.fill(count, is_selected=False)
        slide.window.toolbox.choose("select")
        first, last = (
            canvas.view.to_screen(Point(at, at)) for at in (_AT - 100, _AT + _IN_ROW + 100)
        )
        places = line(QPoint(int(first.x), int(first.y)), QPoint(int(last.x), int(last.y)))

        def framed() -> None:
            begin(canvas, places)
            end(canvas, places[-1])

        calls = _calls(framed)
        slide.qtbot.waitUntil(lambda: len(selection) == count, timeout=20_000)
        assert slide.large.id not in selection
        return calls

    _assert_flat(frame)


def test_one_of_very_many_is_deleted_while_the_others_are_measured(slide: _Slide) -> None:
    document, selection = slide.here.document, slide.here.selection

    def delete(count: int) -> int:
        slide.fill(count, is_selected=True)
        measured = document.snapshot()
        calls = _calls(lambda: slide.here.do(removing("Delete", [slide.large])))
        assert len(selection) == len(document) == count
        assert slide.large.id in measured.held, "who measures has what was there"
        return calls

    _assert_flat(delete)
