"""As `test_work_per_event`, of sets under review, drafts, worklists, agents, versions, projects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import shapely
from PySide6.QtWidgets import QApplication, QMainWindow
from work_per_event import FEW, MANY, assert_flat, slide_list, work_of

from viewer.agents.agent_events import Said
from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.bookmarks import BOOKMARK, bookmark, next_name
from viewer.annotations.document import Document, adding, removing
from viewer.annotations.sets.annotation_set import AnnotationSet, SetKey
from viewer.annotations.storage.store import Version
from viewer.geometry import Point, Size, View
from viewer.inference.teaching.kept_marks import KeptMarks
from viewer.recording.review.review import Review
from viewer.studies.progress import keeping_states, seen_again, seen_by
from viewer.studies.project import Project, ProjectSlide, changing_slide, changing_slides
from viewer.studies.review_store import ReviewStore
from viewer.studies.reviewable_sets import OpenedReview, ReviewableSet
from viewer.studies.set_review import ObjectEvent, ObjectReview, QueueStanding, SetReview
from viewer.studies.stages import Stage
from viewer.studies.study_reader import StudyReader
from viewer.ui.agents.agent_panel import AgentPanel
from viewer.ui.agents.ask_panel import AskPanel
from viewer.ui.annotations.versions_dialog import VersionsDialog
from viewer.ui.item_views import RowTable
from viewer.ui.main_window import MainWindow
from viewer.ui.projects import open_project
from viewer.ui.projects.open_project import OpenProject
from viewer.ui.projects.project_slides import ProjectSlides
from viewer.ui.projects.set_review_panel import ReviewedObjects
from viewer.ui.slides.slide_list import MISSING
from viewer.ui.slides.worklist import WorklistController

TUMOR = AnnotationClass("Tumor", "#c80000")


def squares(count: int) -> list[Annotation]:
    return [Annotation(shapely.box(n, 0, n + 1, 1), shown_as=TUMOR) for n in range(count)]


class TestSetReviews:
    """Of objects that a model found, or that somebody drew."""

    def opened(self, count: int, folder: Path) -> OpenedReview:
        which = AnnotationSet(folder, "slide-1", SetKey("Ann"))
        drawn = squares(count)
        review = SetReview(together_s={each.id.hex: 2.0 for each in drawn})
        of = ReviewableSet(which, "judge", "Ann: Annotations")
        standing = QueueStanding(drawn, review)
        return OpenedReview(of, drawn, review, standing, ReviewStore(which, "Bo"))

    def test_a_verdict_is_given_shown_and_taken_back(
        self, shown: QMainWindow, tmp_path: Path
    ) -> None:
        def make(count: int) -> Callable[[], object]:
            opened, model, table = self.opened(count, tmp_path), ReviewedObjects(shown), None
            table = RowTable(shown)
            table.setModel(model)
            shown.setCentralWidget(table)
            model.show(opened)
            QApplication.processEvents()
            said = ObjectReview("approved", "Bo", "", opened.annotations[3].modified_utc, 0)
            none = ObjectReview("", "Bo", "", "", 0)

            def event() -> None:
                opened.judge(3, said)
                model.row_changed(3)
                assert opened.standing.counts == {"open": count - 1, "approved": 1}
                assert opened.standing.next_waiting(2) == 4
                assert opened.standing.next_waiting(count - 1) == 0
                opened.judge(3, none)
                model.row_changed(3)
                assert opened.standing.counts == {"open": count}
                table.viewport().repaint()

            return event

        assert_flat(make)

    def test_a_verdict_is_written_and_what_was_written_is_shown(
        self, shown: QMainWindow, tmp_path: Path
    ) -> None:
        def make(count: int) -> Callable[[], object]:
            opened = self.opened(count, tmp_path / str(count))
            for annotation in opened.annotations:
                clock = opened.store._clock()
                event = ObjectEvent(
                    clock, "Bo", annotation.id.hex, "approved", "", annotation.modified_utc
                )
                opened.store._add([event])
            opened.store.judge(opened.annotations[5], "returned")
            model = ReviewedObjects(shown)
            model.show(opened)

            def event_() -> None:
                news = opened.store.judge(opened.annotations[3], "returned", "no", 2.0)
                rows = opened.take(news)
                assert rows == [3]
                model.row_changed(3)
                assert opened.standing.counts["returned"] == 1
                assert opened.store.judge(opened.annotations[3], None, "", 1.0).together_s == {
                    opened.annotations[3].id.hex: 3.0
                }

            return event_

        assert_flat(make)

    def test_the_next_that_waits_is_found_round_the_end(self, tmp_path: Path) -> None:
        opened = self.opened(4, tmp_path)
        said = [
            ObjectReview("approved", "Bo", "", each.modified_utc, 0) for each in opened.annotations
        ]
        for row in (0, 1, 3):
            opened.judge(row, said[row])
        assert [opened.standing.next_waiting(row) for row in (-1, 0, 2, 3)] == [2, 2, 2, 2]
        opened.judge(2, said[2])
        assert opened.standing.next_waiting(2) is None
        assert opened.standing.counts == {"approved": 4}
        assert QueueStanding(opened.annotations, opened.review).counts == {"approved": 4}


class TestLessons:
    def test_a_stroke_is_taught_among_many(self) -> None:
        def make(count: int) -> Callable[[], object]:
            document = Document(squares(count))
            kept = KeptMarks(document.state)
            document.listen(lambda step: kept.follow(step, document))
            before = kept.now
            (stroke,) = squares(1)

            def event() -> None:
                document.do(adding("Brush", [stroke]))
                assert kept.now is not before
                assert len(kept.now) == count + 1
                assert kept.now.colors.keys() == {"Tumor"}
                document.do(removing("Delete", [stroke]))
                assert len(kept.now) == count

            return event

        assert_flat(make)


class TestBookmarks:
    def test_one_is_named_among_many_annotations(self) -> None:
        view = View(Point(5, 5), 1.0, Size(100, 100))

        def make(count: int) -> Callable[[], object]:
            document = Document([*squares(count), bookmark(view, "View 1", "")])

            def event() -> None:
                made = bookmark(view, next_name(document.marks), "")
                assert made.name == "View 2"
                document.do(adding("Bookmark", [made]))
                assert [each.name for each in document.marks] == ["View 1", "View 2"]
                document.do(removing("Delete", [made]))
                assert next_name(document.marks) == "View 2"

            return event

        assert_flat(make)

    def test_marks_are_known_after_each_way_of_changing(self) -> None:
        view = View(Point(5, 5), 1.0, Size(100, 100))
        document = Document()
        made = bookmark(view, "View 1", "")
        document.do(adding("Bookmark", [made]))
        kept = document.snapshot()
        document.undo()
        assert document.marks == []
        assert list(kept.marks) == [made.id], "a snapshot stays as it is"
        document.redo()
        assert [each.shown_as for each in document.marks] == [BOOKMARK]


class TestWorklists:
    """What a key brings next, and what is found by a name, among the slides of a folder."""

    def listed(self, window: MainWindow, count: int) -> WorklistController:
        window.folder.show_slides([Path(f"/nowhere/case {n:05}.svs") for n in range(count)])
        assert window.folder.count == count
        return window.worklist

    def test_the_next_slide(self, window: MainWindow) -> None:
        read = Path("/nowhere/case 00008.svs")
        window.panes.active.opened.emit(read)

        def make(count: int) -> Callable[[], object]:
            controller = self.listed(window, count)
            controller.worklist()

            def event() -> None:
                worklist = controller.worklist()
                following = worklist.next("/nowhere/case 00007.svs", 1)
                assert following is not None
                assert following.slide == read
                unread = worklist.next_unread("/nowhere/case 00007.svs", 1, controller._is_read)
                assert unread is not None
                assert unread.slide == Path("/nowhere/case 00009.svs")

            return event

        for count in (FEW, MANY):  # lists that the window shows settle first
            self.listed(window, count)
            QApplication.processEvents()
        assert_flat(make)

    def test_a_search_compares_what_was_prepared(self, window: MainWindow) -> None:
        controller = self.listed(window, MANY)

        def search() -> None:
            found = controller.slides_named("case 0017")
            assert [name for name, *_ in found] == [f"case 0017{n}.svs" for n in range(10)]

        search()
        assert work_of(search) < 2 * MANY

    def test_all_that_are_called_so_are_found_once(self, window: MainWindow) -> None:
        """The list of those that hold it is not gone through for each of them."""
        controller = self.listed(window, MANY)
        assert len(controller.slides_named("svs")) == MANY
        assert work_of(lambda: controller.slides_named("svs")) < 6 * MANY
        self.listed(window, FEW)
        assert len(controller.slides_named("svs")) == FEW, "another list is looked at anew"


class TestDrafts:
    def test_one_arrives(self, tmp_path: Path) -> None:
        from review_steps import item, open_review

        reviews: list[Review] = []

        def make(count: int) -> Callable[[], object]:
            items = [item(number) for number in range(1, count + 1)]
            review = open_review(tmp_path / str(len(reviews)), items)
            reviews.append(review)
            draft = item(4, "Glands are fused.").draft

            def event() -> None:
                review.take_drafts({3: draft})
                assert review.text(3) == "Glands are fused."
                review.take_drafts({3: None})
                assert review.text(3) == ""

            return event

        try:
            assert_flat(make)
        finally:
            for review in reviews:
                review.close()


class TestAgents:
    def test_a_step_is_added_to_a_long_walk(self, shown: QMainWindow) -> None:
        def make(count: int) -> Callable[[], object]:
            panel = AgentPanel(AskPanel(), shown)
            shown.setCentralWidget(panel)
            panel.show()
            QApplication.processEvents()
            for number in range(count):
                panel.show_event(Said(f"Step {number}", is_done=True))
            QApplication.processEvents()
            last = Said("This is a gland.", is_done=True)
            return lambda: (panel.show_event(last), panel.log.viewport().repaint())

        assert_flat(make)


class TestVersions:
    def test_another_is_chosen(self, shown: QMainWindow) -> None:
        def make(count: int) -> Callable[[], object]:
            steps = [
                Version(n, "2026-11-24T08:30:00+00:00", "Ann", "Draw", 1) for n in range(count)
            ]
            dialog = VersionsDialog(steps, shown)
            dialog.show()
            QApplication.processEvents()
            bar = dialog.table.verticalScrollBar()

            def event() -> None:
                dialog.table.selectRow(5)
                bar.setValue(bar.maximum())
                dialog.table.viewport().repaint()

            return event

        assert_flat(make)


class TestProjects:
    """Slides of a project, in the real list of it."""

    def opened(self, count: int, parent: QMainWindow) -> tuple[OpenProject, ProjectSlides]:
        slides = tuple(
            ProjectSlide(identity=f"s{n}", path=f"case {n}.svs", name=f"case {n}.svs")
            for n in range(count)
        )
        opened = OpenProject(parent)
        opened.folder, opened.project = Path("/nowhere"), Project(slides=slides)
        return opened, ProjectSlides(opened, parent)

    def test_rows_are_scrolled_chosen_and_marked(self, shown: QMainWindow) -> None:
        def make(count: int) -> Callable[[], object]:
            opened, slides = self.opened(count, shown)
            view, model = slide_list(shown, slides)

            def event() -> None:
                view.scrollToBottom()
                view.viewport().repaint()
                key = slides.key_of(None, "s17")
                model.mark(key)
                slides.choose([key])
                assert [each.name for each in slides.chosen()] == ["case 17.svs"]
                assert opened.name_of(slides.chosen()[0]) == "case 17.svs"

            return event

        assert_flat(make)

    @pytest.mark.parametrize("wanted", ["", "to do", "assigned to Ann"])
    def test_a_state_is_changed_and_shown_without_a_walk(
        self, shown: QMainWindow, wanted: str
    ) -> None:
        def make(count: int) -> Callable[[], object]:
            opened, slides = self.opened(count, shown)
            opened._show(changing_slides(["s3", "s17"], assignee="Ann")(opened.project))
            view, model = slide_list(shown, slides)
            model.set_filter(wanted, "")
            slides.keys(typed="case 3")  # what is sought in is made once
            slides.choose(slides.keys())
            slides.changed.connect(model.refresh)
            opened.project.slide("s3")
            opened.slide_at(Path("/nowhere/case 3.svs"))
            worklist = opened.worklist
            shown_rows = len(model.keys)

            def event() -> None:
                note = {"note": "blurred"} if wanted else {"state": "done"}
                opened._show(changing_slide("s17", **note)(opened.project))
                view.viewport().repaint()
                assert len(model.keys) == shown_rows
                assert slides.row("s17").state == note.get("state", "to do")
                assert f"{0 if wanted else 1} of" in slides.header.summary.text()
                assert ("assigned to Ann", "Assigned to Ann") in slides.filters
                assert slides._letters()["s17"] == "case17svs"
                assert opened.worklist is not worklist
                following = opened.worklist.next_unread("s16", 1)
                assert following is not None
                assert following.key == ("s17" if wanted else "s18")
                slide = opened.slide_at(Path("/nowhere/case 17.svs"))
                assert slide is not None
                assert slide is opened.project.slide("s17")
                assert slide.state == note.get("state", "to do")

            return event

        assert_flat(make)

    def test_a_slide_that_leaves_a_filter_leaves_the_list(self, shown: QMainWindow) -> None:
        opened, slides = self.opened(FEW, shown)
        assert len(slides.keys("to do")) == FEW
        opened._show(changing_slide("s17", state="done")(opened.project))
        assert len(slides.keys("to do")) == FEW - 1
        assert slides.keys("done") == ["s17"]
        opened._set_missing(frozenset(["s5"]))
        assert slides.keys(MISSING) == ["s5"]
        opened._set_missing(frozenset())
        assert slides.keys(MISSING) == []

    def test_a_state_of_a_reader_is_changed_without_a_walk(
        self, shown: QMainWindow, tmp_path: Path
    ) -> None:
        """With stages each reader has states of their own, which do not go to the file."""

        def make(count: int) -> Callable[[], object]:
            opened, slides = self.opened(count, shown)
            project = msgspec.structs.replace(
                opened.project, stages=(Stage(name="blind", readers=("Bo",)),)
            )
            study, progress = StudyReader(tmp_path, project, "Bo"), dict[Any, Any]()
            before, seen = project, seen_by(project, study, progress)
            opened.seen_by_reader = lambda _: seen
            opened._show(project)
            slides.keys()

            def event() -> None:
                nonlocal before, seen
                change = changing_slide("s17", state="done", note="blurred")
                moved = open_project._moved_states(opened.project, change(opened.project))
                assert moved == {"s17": "done"}
                progress["Bo", "blind", "s17"] = "done"
                now = keeping_states(change)(opened._in_file)
                before, seen = now, seen_again(seen, before, now, study, progress, moved)
                opened._show(now)
                assert slides.row("s17").state == "done"
                assert opened._in_file.slides[17].state == "to do"
                assert opened._in_file.slides[17].note == "blurred"

            return event

        assert_flat(make)

    def test_a_state_is_changed_in_a_few_lines_a_slide(self, shown: QMainWindow) -> None:
        """Slides are never changed in place, so that each is passed on: what counts is how."""
        opened, slides = self.opened(MANY, shown)
        assert len(slides.keys()) == MANY

        def change() -> None:
            opened._show(changing_slide("s17", state="done")(opened.project))
            assert slides.row("s17").state == "done"
            assert len(slides.keys()) == MANY

        assert work_of(change) < 24 * MANY

    def test_a_search_compares_what_was_prepared(self, shown: QMainWindow) -> None:
        _, slides = self.opened(MANY, shown)

        def search() -> None:
            assert len(slides.keys(typed="Case 17")) == 111

        search()
        assert work_of(search) < 2 * MANY
