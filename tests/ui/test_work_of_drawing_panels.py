"""As `test_work_per_event`, of classes, sets, layers, models, tours, questions and counts."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
import shapely
from PySide6.QtWidgets import QApplication, QFileDialog, QMainWindow, QScrollArea
from pytestqt.qtbot import QtBot
from ui_steps import open_dialog
from work_per_event import assert_flat

from viewer.annotations.annotation import DESCRIPTION, Annotation, AnnotationClass
from viewer.annotations.counting.frame import CountingFrame
from viewer.annotations.counting.tally import new_field
from viewer.annotations.document import adding, removing
from viewer.annotations.document_state import DocumentState
from viewer.inference.models.model_library import all_models
from viewer.ui.agents.ask_panel import AskPanel
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.annotations.sets.panel import COUNT
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.model_cards import ModelCards
from viewer.ui.tours.tours import annotate_tour
from viewer.ui.view.pane_overlay import PaneOverlay

TUMOR = AnnotationClass("Tumor", "#c80000")
_OUT_OF_SIGHT_PX = -100_000


def _square(number: int, which: AnnotationClass = TUMOR) -> Annotation:
    """Without a name, beside the slide."""
    x = _OUT_OF_SIGHT_PX - 2 * number
    return Annotation(shapely.box(x, 0, x + 1, 1), shown_as=which)


class _Page:
    """The page Annotate of a window, and what is drawn on its slide."""

    def __init__(self, window: MainWindow, here: PaneAnnotations, qtbot: QtBot) -> None:
        self.window, self.here, self.qtbot = window, here, qtbot
        self.panel, self.model = window.annotations.panel, window.annotations.panel.model
        for pause in (window.annotations.classes._pause, window.annotations.sets._pause):
            pause.setInterval(0)

    def fill(self, drawn: list[Annotation], *, is_selected: bool = False) -> None:
        self.model.set_filter("")
        self.here.slide._fill(DocumentState().fill(drawn))
        self.qtbot.waitUntil(
            lambda: self.model.shown_count == len(drawn) and not self.model.is_filling,
            timeout=20_000,
        )
        self.here.selection.choose(self.here.document.ids if is_selected else ())
        QApplication.processEvents()

    def counts(self) -> dict[str, int]:
        return {row.name: row.count for row in self.panel.class_list.rows.rows if row.count}

    def counts_of(self, name: str) -> int:
        rows = self.panel.class_list.rows
        return rows.rows[rows._at[name]].count

    def set_count(self) -> str:
        item = self.panel.sets.tree.topLevelItem(0)
        assert item is not None
        return item.text(COUNT)


@pytest.fixture
def page(opened_annotations: PaneAnnotations, slide_window: MainWindow, qtbot: QtBot) -> _Page:
    return _Page(slide_window, opened_annotations, qtbot)


def test_a_stroke_is_counted_among_many_classes(page: _Page) -> None:
    def make(count: int) -> Callable[[], object]:
        page.fill([_square(n, AnnotationClass(f"Class {n}", "#123456")) for n in range(count)])
        assert len(page.counts()) == count
        page.model.set_filter("nothing is called so")  # the tree of annotations is another list
        page.qtbot.waitUntil(lambda: not page.model.is_filling, timeout=20_000)
        QApplication.processEvents()
        stroke = _square(count, AnnotationClass("Class 7", "#123456"))

        def event() -> None:
            page.here.document.do(adding("Brush", [stroke]))
            QApplication.processEvents()
            assert page.counts_of("Class 7") == 2
            assert page.set_count() == f"{count + 1:,}"
            page.here.document.do(removing("Delete", [stroke]))
            QApplication.processEvents()
            assert page.counts_of("Class 7") == 1

        return event

    assert_flat(make)


def test_classes_come_and_go_and_change_their_color(page: _Page) -> None:
    """What is counted class by class comes to the same as all counted anew."""
    own, other = AnnotationClass("Own", "#123456"), AnnotationClass("Own", "#654321")
    first, second, third = _square(0), _square(1, own), _square(2, other)
    page.fill([first])

    def rows_after(*acts: Callable[[], object]) -> list[tuple[str, str, int]]:
        for act in acts:
            act()
        QApplication.processEvents()
        shown = [(row.name, row.color, row.count) for row in page.panel.class_list.rows.rows]
        page.window.annotations.classes.show_current()
        anew = [(row.name, row.color, row.count) for row in page.panel.class_list.rows.rows]
        assert shown == anew
        return shown

    do, undo = page.here.document.do, page.here.document.undo
    assert ("Own", "#123456", 1) in rows_after(lambda: do(adding("Draw", [second])))
    assert ("Own", "#654321", 2) in rows_after(lambda: do(adding("Draw", [third])))
    rows_after(undo, undo)
    assert "Own" not in page.counts()
    assert rows_after(lambda: do(removing("Delete", [first])))
    assert page.counts() == {}


def test_a_set_is_hidden_shown_and_listed_as_a_layer(page: _Page) -> None:
    sets, annotations = page.window.annotations.active_sets, page.window.annotations
    assert sets is not None
    overlay = page.here.pane.findChild(PaneOverlay)
    assert overlay is not None
    popover = overlay.button.popover
    assert popover is not None

    def make(count: int) -> Callable[[], object]:
        page.fill([_square(n).noted(DESCRIPTION, "A note.") for n in range(count)])

        def event() -> None:
            for shown in (False, True):
                annotations.painted.show_set(page.here.pane, sets.current, shown)
                popover.refresh()
                assert popover.rows["set My annotations"].eye.isChecked() is shown

        return event

    assert_flat(make)


def test_that_nothing_has_a_name_is_found_in_a_thread(page: _Page, qtbot: QtBot) -> None:
    names, said = page.window.commands["annotate.names"], page.window.status

    def make(count: int) -> Callable[[], object]:
        page.fill([_square(n) for n in range(count)])
        return names.trigger

    assert_flat(make)
    if not names.isChecked():
        names.trigger()
    qtbot.waitUntil(lambda: "has a name" in said.currentMessage(), timeout=20_000)


def test_a_tour_looks_at_no_shape(page: _Page) -> None:
    _, _, draw, classify, _ = annotate_tour(page.window).steps
    other = AnnotationClass("Stroma", "#969696")

    def make(count: int) -> Callable[[], object]:
        page.fill([_square(n) for n in range(count)])
        stroke = _square(count)

        def event() -> None:
            is_drawn = draw.begin()
            assert not is_drawn()
            page.here.document.do(adding("Rectangle", [stroke]))
            assert is_drawn()
            is_classified = classify.begin()
            assert not is_classified()
            page.here.document.do(adding("Rectangle", [_square(count + 1, other)]))
            assert is_classified()
            page.here.document.undo()
            page.here.document.undo()

        return event

    assert_flat(make)


def test_a_question_is_about_the_uppermost_that_is_selected(page: _Page) -> None:
    questions = page.window.agents.questions

    def make(count: int) -> Callable[[], object]:
        # More than are looked at in a frame, for both sizes.
        page.fill([_square(n) for n in range(2000 + count)], is_selected=True)

        def event() -> None:
            box = questions._box(page.here.pane, "region")
            assert box is not None
            assert box.x0 == _OUT_OF_SIGHT_PX - 2 * (2000 + count - 1)

        return event

    assert_flat(make)


def test_an_answer_is_written_below_many(shown: QMainWindow) -> None:
    def make(count: int) -> Callable[[], object]:
        panel = AskPanel(shown)
        shown.setCentralWidget(panel)
        panel.show()
        panel.show_slide("a slide")
        for number in range(count // 10):
            panel.begin(f"Question {number}?")
            panel.end(f"Answer {number}.")
        QApplication.processEvents()

        def event() -> None:
            panel.begin("What is it?")
            panel.show_text("It is")
            panel.end("It is a gland.")

        return event

    assert_flat(make)


def test_of_a_count_only_whether_there_is_one_is_looked_for(page: _Page, qtbot: QtBot) -> None:
    canvas, calibration = page.here.pane.canvas, page.here.calibration
    placed = CountingFrame(0.01).placed(canvas.slide_box.center, canvas.slide_box, calibration)
    field = new_field(CountingFrame(0.01), placed, calibration, 1, "")
    export = page.window.commands["annotate.export_counts"]

    def make(count: int) -> Callable[[], object]:
        page.fill([*(_square(n) for n in range(count)), field])

        def event() -> None:
            export.trigger()
            open_dialog(page.window, QFileDialog, qtbot).close()

        return event

    make(10)()
    assert_flat(make)


def test_one_of_many_models_is_turned_on_and_off(shown: QMainWindow) -> None:
    bundle = all_models()[0]

    def make(count: int) -> Callable[[], object]:
        models = [
            msgspec.structs.replace(
                bundle, description=msgspec.structs.replace(bundle.description, version=f"{n}")
            )
            for n in range(count // 20)
        ]
        assert len({each.key for each in models}) == len(models)
        area = QScrollArea(shown)
        cards = ModelCards(area)
        area.setWidget(cards)
        area.setWidgetResizable(True)
        shown.setCentralWidget(area)
        cards.show_models(models)
        QApplication.processEvents()
        card = cards.cards[3]
        on: list[set[str]] = [set()]

        def switched(_source: object, is_on: bool) -> None:
            on[0] = {card.source.key} if is_on else set()
            cards.show_on(on[0])

        cards.switched.connect(switched)

        def event() -> None:
            for is_on in (True, False):
                card.switch.click()
                assert card.is_on is is_on

        return event

    assert_flat(make)
