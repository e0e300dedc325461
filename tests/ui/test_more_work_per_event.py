"""As `test_work_per_event`, of batches, cohorts, comparisons, folders, layers and long replays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QApplication, QMainWindow
from work_per_event import FEW, MANY, MOST_RATIO, assert_flat, slide_list, work_of

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.comparison import Disagreement
from viewer.annotations.document import Document, adding
from viewer.annotations.selection import Selection
from viewer.canvas.annotating import edit_context
from viewer.canvas.annotating.edit_context import DrawingOptions, EditContext
from viewer.canvas.layer import LayerOrder, Scene
from viewer.canvas.layer_stack import LayerStack
from viewer.cohort.batch import SlideRecord
from viewer.cohort.spread import Spread
from viewer.geometry import Point
from viewer.recording.replay import ReplayClock
from viewer.recording.trace import Action, PlaneSeen, Trace
from viewer.slides.channels import ImagePlane
from viewer.studies.worklist import file_entries
from viewer.ui.batch.slides_model import BatchSlidesModel
from viewer.ui.batch.spread_model import SpreadModel
from viewer.ui.item_views import RowTable
from viewer.ui.overlays.object_table_dialog import ObjectTableView
from viewer.ui.projects.comparison_panel import DisagreementModel
from viewer.ui.recording.scrub_bar import ScrubBar
from viewer.ui.slides.folder_slides import FolderSlides


class TestBatches:
    def test_a_slide_is_done(self, shown: QMainWindow) -> None:
        def make(count: int) -> Callable[[], object]:
            model = BatchSlidesModel(lambda path: path.name, lambda _: False, shown)
            view = ObjectTableView(shown)
            view.setModel(model)
            shown.setCentralWidget(view)
            model.show_slides([f"/nowhere/{n}.svs" for n in range(count)])
            for number in range(count):
                model.show_record(SlideRecord(slide=f"/nowhere/{number}.svs", state="running"))
            QApplication.processEvents()

            def event() -> None:
                model.show_record(SlideRecord(slide="/nowhere/7.svs", state="done"))
                model.show_record(SlideRecord(slide="/nowhere/8.svs", state="failed"))
                model.show_share("/nowhere/9.svs", 0.5)
                counts = [model.count(each) for each in ("done", "failed", "running")]
                assert counts == [1, 1, count - 2]

            return event

        assert_flat(make)

    def test_a_spread_is_scrolled_and_sorted(self, shown: QMainWindow) -> None:
        def make(count: int) -> Callable[[], object]:
            model = SpreadModel(lambda path: path.name, shown)
            view = ObjectTableView(shown)
            view.setModel(model)
            shown.setCentralWidget(view)
            values = np.arange(count, dtype=np.float64)
            slides = [f"/nowhere/{n}.svs" for n in range(count)]
            model.show_spread(spread_of(slides, values), "objects")
            QApplication.processEvents()
            return lambda: (view.scrollToBottom(), model.sort(1), view.grab())

        assert_flat(make)


def spread_of(slides: list[str], values: NDArray[np.float64]) -> Spread:
    """Return slides with a value each, compared."""
    deviations = (values - np.median(values)) / 10
    counts = np.ones(4, np.int64)
    last = float(values[-1])
    return Spread(slides, values, deviations, None, counts, 0.0, last, last / 2, len(slides))


class TestSelections:
    """Where all there is is selected."""

    def context(self, count: int) -> EditContext:
        squares = [
            Annotation(shapely.box(30 * n, 0, 30 * n + 20, 20), is_locked=n % 7 == 0)
            for n in range(count)
        ]
        points = [Annotation(shapely.Point(30 * n + 5, 5)) for n in range(count)]
        document = Document([*points, *squares])
        selection = Selection(document)
        selection.choose(document.ids)
        return EditContext(document, selection, DrawingOptions(avoid_overlap=True), print)

    def test_a_tool_finds_what_is_under_it_and_what_is_uppermost(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(edit_context, "MOST_IN_A_FRAME", 10)

        def make(count: int) -> Callable[[], object]:
            desk = self.context(count)
            painted = shapely.box(0, 0, 40, 40)

            def event() -> None:
                here = desk.changeable_at(Point(35, 5))
                assert [each.geometry.area for each in here] == [0, 400]
                assert desk.changeable_at(Point(10, 10)) == [], "it is locked"
                (square,) = desk.uppermost(lambda each: each.geometry.area > 0)
                assert square.geometry.bounds[0] == 30 * (count - 1 - (count % 7 == 1))
                assert desk.spared(painted) is painted, "what is selected leaves nothing out"

            return event

        assert_flat(make)

    def test_few_and_many_find_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        desk = self.context(40)
        desk.hidden_classes = frozenset(["Stroma"])
        top = Annotation(shapely.box(0, 0, 9, 9), shown_as=AnnotationClass("Stroma"))
        desk.document.do(adding("Draw", [top]))
        desk.selection.choose(desk.document.ids)
        found: list[list[list[Annotation]]] = []
        for most in (1000, 10):
            monkeypatch.setattr(edit_context, "MOST_IN_A_FRAME", most)
            dimensions = [
                desk.uppermost(lambda each, d=d: shapely.get_dimensions(each.geometry) == d)
                for d in (0, 1, 2)
            ]
            found.append(dimensions)
        assert found[0] == found[1]
        assert [len(each) for each in found[0]] == [1, 0, 1]
        assert list(reversed(desk.document)) == list(desk.document)[::-1]


class TestComparisons:
    def test_regions_of_two_readers_are_scrolled(self, shown: QMainWindow) -> None:
        region = shapely.box(0, 0, 10, 10)

        def make(count: int) -> Callable[[], object]:
            model, table = DisagreementModel(shown), RowTable(shown)
            table.setModel(model)
            shown.setCentralWidget(table)
            rows = [Disagreement(region, "Tumor", "") for _ in range(count)]
            QApplication.processEvents()
            return lambda: (model.show_rows(rows, 0.5), table.scrollToBottom(), table.grab())

        assert_flat(make)


class TestFolders:
    def listed(self, count: int, parent: QMainWindow) -> FolderSlides:
        slides = FolderSlides(parent)
        slides.show_slides([Path(f"/nowhere/case {n:05}.svs") for n in range(count)])
        return slides

    def test_another_slide_is_opened(self, shown: QMainWindow) -> None:
        made: list[FolderSlides] = []

        def make(count: int) -> Callable[[], object]:
            slides = self.listed(count, shown)
            made.append(slides)
            view, model = slide_list(shown, slides)

            def event() -> None:
                key = slides.key_of(Path("/nowhere/case 00017.svs"), "")
                model.mark(key)
                assert model.row_of(key) == 17
                view.scrollToBottom()
                view.viewport().repaint()

            return event

        assert_flat(make)
        for each in made:
            each.shut_down()

    def test_a_search_compares_what_was_prepared(self, shown: QMainWindow) -> None:
        """It looks at each, in one line of Python, and takes no name apart."""
        slides = self.listed(MANY, shown)
        assert len(file_entries(slides.paths)) == MANY

        def search() -> None:
            assert len(slides.keys(typed="Case 0017")) == 10

        search()
        assert work_of(search) < 2 * MANY
        slides.shut_down()


class _Layer:
    opacity = 1.0
    shown_name = "layer"

    def paint(self, painter: QPainter, scene: Scene) -> bool:  # noqa: ARG002
        return False


class TestLayers:
    def test_two_hundred_cost_ten_times_as_much_as_twenty(self) -> None:
        def event(count: int) -> Callable[[], object]:
            stack, layers = LayerStack(), [_Layer() for _ in range(count)]
            for each in layers:
                stack.add(each, LayerOrder.OBJECTS)

            def paint() -> None:
                assert [layer for _, layer in stack] == layers
                orders = [stack.order_of(each, LayerOrder.OBJECTS) for each in layers]
                assert orders == sorted(set(orders))
                assert all(map(stack.paints, layers))
                assert all(each in stack for each in layers)

            return paint

        event(20)()
        assert work_of(event(200)) <= MOST_RATIO * 10 * work_of(event(20))


class TestReplays:
    """Of a session of a day: views, actions, pauses and planes by the thousand."""

    def trace(self, count: int) -> Trace:
        start_s = np.arange(count, dtype=np.float64)
        boxes = np.tile(np.array([0.0, 0.0, 100.0, 100.0]), (count, 1))
        away = np.stack([start_s + 0.5, start_s + 0.6], 1)
        planes = tuple(PlaneSeen(float(n), ImagePlane(n, 0), ()) for n in range(count))
        fields = np.tile(np.array([100.0, 100.0, 0.0]), (count, 1))
        return Trace(
            start_s, start_s + 1, boxes, boxes[:, :2] + 50, fields, np.zeros(count, np.bool_),
            np.ones(count), np.full(count, 20.0), np.full(count, "pan"), away, planes,
        )  # fmt: skip

    def actions(self, count: int) -> list[Action]:
        box = 0.0, 0.0, 100.0, 100.0
        return [
            Action("peek", "<20x-peek>", float(n), n + 0.4, 0.4, box, 20.0, (50.0, 50.0), n, n)
            for n in range(count)
        ]

    def test_a_frame_a_step_and_a_plane(self) -> None:
        def make(count: int) -> Callable[[], object]:
            trace, actions = self.trace(count), self.actions(count)
            clock = ReplayClock(trace)

            def event() -> None:
                clock.play()
                clock.seek(100.0)
                clock.advance(0.55)
                assert clock.position_s == pytest.approx(100.6), "the pause is left out"
                plane = trace.plane_at(clock.position_s)
                assert plane is not None
                assert plane.plane == ImagePlane(100, 0)
                clock.step(actions, 1)
                assert clock.position_s == 101.0
                clock.step(actions, -1)
                assert clock.position_s == 99.0

            return event

        assert_flat(make)

    def test_the_bar_paints_its_spans_once(self, shown: QMainWindow) -> None:
        def make(count: int) -> Callable[[], object]:
            bar = ScrubBar(shown)
            shown.setCentralWidget(bar)
            bar.show_session(self.trace(count), self.actions(count))
            bar.grab()

            def event() -> None:
                bar.set_position(50.0)
                bar.grab()

            return event

        assert_flat(make)

    def test_the_bar_shows_the_session_that_it_has(self, shown: QMainWindow) -> None:
        bar = ScrubBar(shown)
        shown.setCentralWidget(bar)
        bar.show_session(self.trace(FEW), self.actions(FEW))
        busy = bar.grab().toImage()
        bar.show_session(self.trace(FEW), [])
        idle = bar.grab().toImage()
        assert busy != idle
        bar.resize(bar.width() // 2, bar.height())
        assert bar.grab().width() == idle.width() // 2
