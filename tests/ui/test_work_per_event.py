"""Handlers cost what is seen, not what is kept: the same event with n and with 10 n of a thing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import shapely
from msgspec.structs import replace
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QApplication, QMainWindow, QTreeView
from pytestqt.qtbot import QtBot
from test_sessions_list import _listing
from work_per_event import MANY, assert_flat, slide_list

from viewer.annotations.annotation import DESCRIPTION, Annotation, AnnotationClass
from viewer.annotations.document import Document, changing
from viewer.annotations.selection import Selection
from viewer.canvas.annotations_layer import AnnotationsLayer
from viewer.canvas.layer import Scene
from viewer.canvas.measured_lines import MeasuredLines
from viewer.canvas.notes_layer import NotesLayer
from viewer.canvas.objects_layer import ObjectsLayer
from viewer.geometry import Box, Optics, Point, Size, View
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.object_table import ObjectTable
from viewer.overlays.objects import Objects
from viewer.recording.review.entries import Decided
from viewer.recording.review.review import Review
from viewer.slides import identity as identity_module
from viewer.studies.cases import NOWHERE
from viewer.studies.project import Project, ProjectSlide
from viewer.studies.worklist import Worklist, project_entries
from viewer.ui.annotations.annotation_model import AnnotationModel
from viewer.ui.item_views import KeyedList
from viewer.ui.overlays.object_table_dialog import ObjectTableModel, ObjectTableView
from viewer.ui.projects.open_project import OpenProject
from viewer.ui.recording.review_table import ReviewTable
from viewer.ui.recording.sessions_panel import SessionsPanel
from viewer.ui.rows_model import CountedModel
from viewer.ui.slides import thumbnails
from viewer.ui.slides.slide_list import SlideList, SlideRow
from viewer.ui.slides.slide_row import SlideRowDelegate

DECIDED = Decided(item="", verdict="accepted", text="", source="none", seconds=1.0, at_utc="")


@pytest.mark.parametrize(
    "walk",
    [lambda n: [each + 1 for each in range(n)], lambda n: sum(each + 1 for each in range(n))],
)
def test_a_loop_over_all_there_is_is_found(walk: Callable[[int], object]) -> None:
    def make(count: int) -> Callable[[], object]:
        return lambda: walk(count)

    with pytest.raises(AssertionError, match="lines with"):
        assert_flat(make)


class TestLayingOut:
    def test_a_list_asks_python_for_no_row(self, shown: QMainWindow) -> None:
        def make(count: int) -> Callable[[], object]:
            view, model = KeyedList(shown), CountedModel(shown)
            view.setUniformItemSizes(True)
            view.setModel(model)
            shown.setCentralWidget(view)
            QApplication.processEvents()
            return lambda: (model.recount(count), view.doItemsLayout())

        assert_flat(make)

    def test_nothing_is_typed_into_a_row(self, shown: QMainWindow) -> None:
        model = CountedModel(shown)
        model.recount(2)
        assert model.rowCount() == 2
        flags = model.flags(model.index(1))
        assert flags & Qt.ItemFlag.ItemIsSelectable
        assert not flags & Qt.ItemFlag.ItemIsEditable
        assert not flags & Qt.ItemFlag.ItemIsDropEnabled
        assert model.rowCount(model.index(0)) == 0


class TestSessions:
    def make(self, shown: QMainWindow, count: int) -> SessionsPanel:
        panel = SessionsPanel(shown)
        shown.setCentralWidget(panel)
        panel.show()
        panel.show_sessions(_listing(count))
        QApplication.processEvents()
        return panel

    def test_a_row_is_selected(self, shown: QMainWindow) -> None:
        def make(count: int) -> Callable[[], object]:
            panel = self.make(shown, count)
            return lambda: panel.list.setCurrentIndex(panel.model.index(9))

        assert_flat(make)

    def test_figures_arrive(self, shown: QMainWindow) -> None:
        def make(count: int) -> Callable[[], object]:
            panel = self.make(shown, count)
            return lambda: panel.show_figures(Path("/sessions/00003"), 7, 0.5)

        assert_flat(make)

    def test_scrolling(self, shown: QMainWindow) -> None:
        def make(count: int) -> Callable[[], object]:
            panel = self.make(shown, count)
            bar = panel.list.verticalScrollBar()
            return lambda: (bar.setValue(bar.maximum()), panel.list.viewport().repaint())

        assert_flat(make)


class _Slides(SlideList):
    """So many slides of nowhere."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._keys = [str(number) for number in range(count)]

    def keys(self, *_: str, **__: str) -> list[str]:
        return self._keys

    def row(self, key: str) -> SlideRow:
        return SlideRow(Path(f"/nowhere/{key}.svs"), key, NOWHERE, "missing")


class TestSlides:
    def test_scrolling_and_marking(self, shown: QMainWindow) -> None:
        def make(count: int) -> Callable[[], object]:
            view, model = slide_list(shown, _Slides(count))
            view.setItemDelegate(SlideRowDelegate(view))
            QApplication.processEvents()
            bar = view.verticalScrollBar()

            def event() -> None:
                bar.setValue(bar.maximum())
                view.viewport().repaint()
                model.mark("17")

            return event

        assert_flat(make)

    @pytest.mark.parametrize("identity", ["s5", "s1-former", "of no project"])
    def test_a_slide_is_looked_for_in_a_project(self, identity: str) -> None:
        identity_module._note("s7", ("s1-former",))

        def make(count: int) -> Callable[[], object]:
            slides = tuple(ProjectSlide(identity=f"s{n}", path=f"{n}.svs") for n in range(count))
            project = Project(slides=slides)
            is_there = identity != "of no project"
            assert (project.slide(identity) is not None) == is_there  # looked at once a project
            return lambda: project.slide(identity)

        assert_flat(make)

    def test_pictures_of_what_was_scrolled_past_are_not_made(
        self, shown: QMainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[str] = []
        may_go = Event()

        def thumbnail(path: Path, size: QSize, _identity: str, **_: bool) -> QImage:
            made.append(path.stem)
            may_go.wait(10)
            return QImage(size, QImage.Format.Format_RGB32)

        monkeypatch.setattr(thumbnails, "_thumbnail", thumbnail)
        few = thumbnails.Thumbnails(shown)
        paths = [Path(f"/nowhere/{number}.svs") for number in range(20)]
        for path in paths:
            few.picture(path)
        qtbot.waitUntil(lambda: len(made) == 2)  # two at once
        few.keep_wishes(paths[-3:])
        may_go.set()
        came: list[Path] = []
        few.changed.connect(came.append)
        qtbot.waitUntil(lambda: len(came) == 3)
        few.shut_down()
        assert sorted(made) == ["0", "1", "17", "18", "19"]

    @pytest.mark.usefixtures("qtbot")
    def test_hidden_names_and_the_next_slide(self, qapp: QApplication) -> None:
        def make(count: int) -> Callable[[], object]:
            slides = tuple(ProjectSlide(identity=f"s{n}", path=f"{n}.svs") for n in range(count))
            opened = OpenProject(qapp)
            opened.folder, opened.project = Path("/nowhere"), Project(slides=slides)
            opened.hides_names = lambda: True
            worklist = Worklist(project_entries(opened.project))
            opened.name_of_path(opened.path_of(slides[3]))  # looked at once a project

            def event() -> None:
                assert opened.name_of(slides[-1]) == f"Slide {count}"
                assert opened.name_of_path(opened.path_of(slides[5])) == "Slide 6"
                assert worklist.next("s4", 1) is not None
                assert worklist.next_unread("s4", -1) is not None

            return event

        assert_flat(make)


class TestAnnotations:
    def drawn(self, count: int) -> list[Annotation]:
        classes = [AnnotationClass(name) for name in ("Tumor", "Stroma")]
        boxes = (shapely.box(n, n, n + 1, n + 1) for n in range(count))
        return [Annotation(box, shown_as=classes[n % 2]) for n, box in enumerate(boxes)]

    def test_one_of_them_is_changed(self, shown: QMainWindow) -> None:
        def make(count: int) -> Callable[[], object]:
            document = Document(self.drawn(count))
            selection = Selection(document)
            AnnotationsLayer(document, selection, lambda: None)
            model, tree = AnnotationModel(shown), QTreeView(shown)
            tree.setUniformRowHeights(True)
            tree.setModel(model)
            shown.setCentralWidget(tree)
            model.show_document(document)
            document.listen(model.apply)
            QApplication.processEvents()
            first = next(iter(document))
            moved = Annotation(shapely.box(5, 5, 9, 9), first.id, shown_as=first.shown_as)

            def event() -> None:
                selection.choose([first.id])
                document.do(changing("Move", [(first, moved)]))
                document.undo()

            return event

        assert_flat(make)

    def test_notes_and_rulers_out_of_sight_are_not_looked_at(self) -> None:
        def make(count: int) -> Callable[[], object]:
            lines = (shapely.LineString([(n, 900), (n + 50, 990)]) for n in range(count))
            length, seen = {"Length px": 1.0}, {DESCRIPTION: "seen"}
            rulers = [Annotation(each, measurements=length, metadata=seen) for each in lines]
            near = Annotation(shapely.LineString([(10, 10), (90, 90)]), measurements=length)
            document = Document([*rulers, near])
            notes, figures = NotesLayer(document, lambda: None), MeasuredLines(document)
            assert notes.count == count
            picture = QImage(200, 200, QImage.Format.Format_RGB32)
            view = View(Point(100, 100), 1.0, Size(200, 200))
            scene = Scene(view, Box(0, 0, 4000, 1000), Optics(), 1.0)

            def event() -> None:
                with QPainter(picture) as painter:
                    notes.paint(painter, scene)
                    figures.paint(painter, scene, ())

            return event

        assert_flat(make)


class TestReview:
    def test_a_verdict_is_shown_in_its_row(self, shown: QMainWindow) -> None:
        from review_steps import item

        def make(count: int) -> Callable[[], object]:
            table = ReviewTable(shown)
            shown.setCentralWidget(table)
            table.show_items([item(number) for number in range(1, count + 1)])
            QApplication.processEvents()
            told: list[object] = []
            table.rows.dataChanged.connect(lambda *_: told.append(1))
            table.show_verdicts({3: DECIDED, 5: None}, 3)
            assert len(told) == 1
            return lambda: table.viewport().repaint()

        assert_flat(make)

    def test_a_verdict_is_given_shown_and_taken_back(
        self, shown: QMainWindow, tmp_path: Path
    ) -> None:
        from review_steps import item, open_review

        reviews: list[Review] = []

        def make(count: int) -> Callable[[], object]:
            table = ReviewTable(shown)
            shown.setCentralWidget(table)
            items = [item(number) for number in range(1, count + 1)]
            table.show_items(items)
            review = open_review(tmp_path / str(len(reviews)), items)
            reviews.append(review)
            table.show_verdicts(review.take_changed(), 0)
            QApplication.processEvents()

            def event() -> None:
                review.skip(3, 1.0)
                assert not review.is_done
                assert review.next_open(3) == 4
                assert review.figures().skipped == 1
                table.show_verdicts(review.take_changed(), 4)
                assert review.undo() == 3
                table.show_verdicts(review.take_changed(), 3)

            return event

        try:
            assert_flat(make)
        finally:
            for review in reviews:
                review.close()


class TestObjects:
    def objects(self, count: int) -> Objects:
        """So many squares in a row."""
        left = np.arange(count, dtype=np.float32)[:, None] * 30
        ring = np.array([(2, 2), (20, 2), (20, 20), (2, 20)], np.float32)
        points = ring[None] + np.stack([left, np.zeros_like(left)], 2)
        areas = {"Area um2": np.arange(count, dtype=np.float32)}
        starts = np.arange(0, 4 * count + 1, 4)
        classes = np.zeros(count, np.uint8)
        return Objects(points.reshape(-1, 2), starts, points.mean(1), classes, areas)

    def test_a_row_of_the_table_is_chosen_far_below(self, shown: QMainWindow) -> None:
        def make(count: int) -> Callable[[], object]:
            view = ObjectTableView(shown)
            model = ObjectTableModel(view)
            model.show_table(ObjectTable(self.objects(count), np.arange(count), ["Nucleus"], 0.5))
            view.setModel(model)
            shown.setCentralWidget(view)
            QApplication.processEvents()
            return lambda: (view.setCurrentIndex(model.index(count - 9, 0)), view.grab())

        assert_flat(make)

    @pytest.mark.usefixtures("qtbot")
    def test_layers_paint_what_is_in_sight(self) -> None:
        def make(count: int) -> Callable[[], object]:
            width = 30 * MANY
            found = ObjectMap(BlockGrid(Size(width, 100), 1.0, 600, 0), 0.5)
            of_block = self.objects(20)
            for column in range(count // 20):
                shift = np.array((column * 600, 0), np.float32)
                found.add(
                    BlockKey(column, 0),
                    replace(
                        of_block,
                        points=of_block.points + shift,
                        centroids=of_block.centroids + shift,
                    ),
                )
            objects = ObjectsLayer()
            objects.show_map(found, ["#00ff00"])
            squares = (shapely.box(n * 30, 30, n * 30 + 20, 50) for n in range(count))
            document = Document([Annotation(each) for each in squares])
            drawn = AnnotationsLayer(document, Selection(document), lambda: None)
            picture = QImage(600, 100, QImage.Format.Format_RGB32)
            view = View(Point(300, 50), 1.0, Size(600, 100))
            scene = Scene(view, Box(0, 0, width, 100), Optics(), 1.0)

            def event() -> None:
                with QPainter(picture) as painter:
                    for layer in (objects, drawn):
                        while layer.paint(painter, scene):
                            pass

            return event

        assert_flat(make)
