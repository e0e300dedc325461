"""Annotations are handed in, judged and sorted in a real window, by keys."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import shapely
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox
from pytestqt.qtbot import QtBot
from ui_steps import ALT, CTRL, open_dialog, press, rest, show_slide

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import adding
from viewer.annotations.palette import PaletteClass
from viewer.annotations.sets.annotation_set import AnnotationSet, SetKey, SetKind
from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage.store import Stamped
from viewer.settings import Settings
from viewer.studies.finding import project_slides
from viewer.studies.project import Project, renaming_class
from viewer.studies.project_file import change_project, create_project, read_project
from viewer.studies.review_store import ReviewStore
from viewer.studies.set_review import SetReview
from viewer.studies.study_reader import study_reader
from viewer.ui.annotations.classes_dialog import ClassesDialog
from viewer.ui.main_window import MainWindow


@pytest.fixture(scope="module")
def made_study(tmp_path_factory: pytest.TempPathFactory, sample_slide: Path) -> Path:
    folder = tmp_path_factory.mktemp("made") / "study"
    folder.mkdir()
    slides = tuple(project_slides([sample_slide], folder, []))
    create_project(folder, Project(title="Study", slides=slides))
    return folder


@pytest.fixture
def study(made_study: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_study, tmp_path / "study"))


def drawn(folder: Path, reader: str, kind: SetKind = "drawn", name: str = "") -> AnnotationSet:
    """A set of three squares."""
    identity = read_project(folder).slides[0].identity
    key = SetKey(reader, name) if name else SetKey(reader)
    which = AnnotationSet(folder, identity, key, kind, "nuclei 4" if kind == "model" else "")
    squares = [
        Annotation(shapely.box(x, 400, x + 120, 520), shown_as=AnnotationClass("Tumor")).signed(
            reader
        )
        for x in (200, 700, 1200)
    ]
    store = SetStore(which)
    store.write([Stamped.now(adding("Draw", squares), reader)])
    store.close()
    return which


def open_review(window: MainWindow, study: Path, slide: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.projects.opened.switched):
        window.open_paths([study])
    show_slide(window, slide, qtbot)
    qtbot.waitUntil(lambda: window.annotations.can_annotate)
    press(qtbot, window, Qt.Key.Key_E, CTRL | ALT)
    panel = window.projects.set_review.panel
    qtbot.waitUntil(lambda: len(panel.model.rows) == 3)


def review(which: AnnotationSet) -> SetReview:
    return ReviewStore(which, "anybody").read()


def verdicts(which: AnnotationSet) -> list[str]:
    said = review(which).objects
    rows, _ = SetStore(which, read_only=True).annotations()
    return [said[each.id.hex].verdict if each.id.hex in said else "" for each in rows]


def test_a_set_is_judged_by_keys_with_comments_and_returned(
    make_window: Callable[..., MainWindow], study: Path, sample_slide: Path, qtbot: QtBot
) -> None:
    which = drawn(study, "Ann")
    ReviewStore(which, "Ann").say("handed in")
    window = make_window(Settings(reader="Bo"))
    open_review(window, study, sample_slide, qtbot)
    panel, canvas = window.projects.set_review.panel, window.panes.active.canvas
    assert "Handed in by Ann. 3 open" in panel.status.text()
    rest(window, qtbot)
    assert canvas.view.center == pytest.approx((260, 460), abs=1)
    press(qtbot, window, Qt.Key.Key_Y)
    rest(window, qtbot)
    assert canvas.view.center == pytest.approx((760, 460), abs=1)
    # Nothing is returned without a word on what is wrong.
    press(qtbot, window, Qt.Key.Key_X)
    assert window.focusWidget() is panel.comment
    qtbot.keyClicks(panel.comment, "too wide")
    qtbot.keyClick(panel.comment, Qt.Key.Key_Return)
    press(qtbot, window, Qt.Key.Key_Y)
    qtbot.waitUntil(lambda: verdicts(which) == ["approved", "returned", "approved"])
    assert "Each object is judged" in window.status.currentMessage()
    press(qtbot, window, Qt.Key.Key_U)
    qtbot.waitUntil(lambda: verdicts(which)[2] == "")
    press(qtbot, window, Qt.Key.Key_Y)
    qtbot.mouseClick(panel.whole["returned"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: review(which).status == "returned")
    said = review(which)
    assert {each.comment for each in said.objects.values()} == {"", "too wide"}
    assert {by for by, _ in said.spent_s} == {"Bo"}


def test_who_drew_hands_in_and_reads_what_is_to_be_corrected(
    make_window: Callable[..., MainWindow], study: Path, sample_slide: Path, qtbot: QtBot
) -> None:
    which = drawn(study, "Ann")
    rows, _ = SetStore(which, read_only=True).annotations()
    reviewer = ReviewStore(which, "Bo")
    reviewer.judge(rows[1], "returned", "too wide")
    reviewer.say("returned", "one to correct")
    window = make_window(Settings(reader="Ann"))
    open_review(window, study, sample_slide, qtbot)
    panel = window.projects.set_review.panel
    assert "Returned by Bo" in panel.status.text()
    assert "one to correct" in panel.status.text()
    column = [panel.model.index(row, 2).data() for row in range(3)]
    assert sorted(column) == ["", "", "Bo: too wide"]
    # The keys of a reviewer do nothing to one's own set.
    press(qtbot, window, Qt.Key.Key_Y)
    qtbot.mouseClick(panel.whole["handed in"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: review(which).status == "handed in")
    assert verdicts(which) == ["", "returned", ""]


def test_what_a_model_made_is_accepted_corrected_and_rejected_one_by_one(
    make_window: Callable[..., MainWindow], study: Path, sample_slide: Path, qtbot: QtBot
) -> None:
    which = drawn(study, "Bo", "model", "Nuclei")
    window = make_window(Settings(reader="Bo"))
    open_review(window, study, sample_slide, qtbot)
    review_of, panel = window.projects.set_review, window.projects.set_review.panel
    qtbot.waitUntil(lambda: panel.sets.currentText() == "Nuclei")
    active = window.annotations.active
    assert active is not None
    press(qtbot, window, Qt.Key.Key_Y)
    press(qtbot, window, Qt.Key.Key_X)
    press(qtbot, window, Qt.Key.Key_F2)
    first, _, third = panel.model.rows
    assert {each.id for each in active.document} == {first.id, third.id}
    assert active.document[first.id].metadata["Source"] == "nuclei 4"
    assert set(active.selection) == {third.id}
    qtbot.waitUntil(lambda: verdicts(which) == ["accepted", "rejected", "corrected"])
    # Another mind: what was accepted is rejected, and leaves one's own again.
    panel.choose(0)
    panel.table.setFocus()
    press(qtbot, window, Qt.Key.Key_X)
    assert {each.id for each in active.document} == {third.id}
    qtbot.waitUntil(lambda: verdicts(which)[0] == "rejected")
    assert review_of.is_active
    panel.hide()
    assert not review_of.is_active


def test_a_class_renamed_in_the_editor_is_renamed_in_the_sets_of_all(
    make_window: Callable[..., MainWindow], study: Path, sample_slide: Path, qtbot: QtBot
) -> None:
    drawn(study, "Ann")
    palette = (PaletteClass("Tumor", "#c80000"), PaletteClass("Other", "#ffc800"))
    change_project(study, lambda project: msgspec.structs.replace(project, palette=palette))
    window = make_window(Settings(reader="Bo"))
    open_review(window, study, sample_slide, qtbot)
    qtbot.waitUntil(lambda: window.annotations.classes.palette.classes == palette)
    window.commands["annotate.classes"].trigger()
    dialog = open_dialog(window, ClassesDialog, qtbot)
    assert isinstance(dialog, ClassesDialog)
    dialog.model.setData(dialog.model.index(0, 0), "Carcinoma")
    qtbot.mouseClick(
        dialog.buttons.button(QDialogButtonBox.StandardButton.Ok), Qt.MouseButton.LeftButton
    )
    qtbot.waitUntil(lambda: len(read_project(study).class_renames) == 1)
    project = read_project(study)
    assert [each.name for each in project.palette] == ["Carcinoma", "Other"]
    (which,) = study_reader(study, project, "Cy").all_sets()
    rows, _ = SetStore(which, read_only=True).annotations()
    assert {each.class_name for each in rows} == {"Carcinoma"}
    # What is drawn here and shown follows, also when somebody else renames it.
    square = Annotation(shapely.box(5, 5, 9, 9), shown_as=AnnotationClass("Carcinoma"))
    qtbot.waitUntil(lambda: window.annotations.can_annotate)
    active = window.annotations.active
    assert active is not None
    assert active.do(adding("Draw", [square]))
    change_project(study, renaming_class("Carcinoma", "Cancer"))

    def shown() -> set[str]:
        now = window.annotations.active
        return {each.class_name for each in now.document} if now is not None else set()

    qtbot.waitUntil(lambda: shown() == {"Cancer"}, timeout=20_000)


def test_the_consensus_of_two_readers_is_a_set_of_its_own(
    make_window: Callable[..., MainWindow], study: Path, sample_slide: Path, qtbot: QtBot
) -> None:
    drawn(study, "Ann")
    window = make_window(Settings(reader="Bo"))
    open_review(window, study, sample_slide, qtbot)
    window.commands["project.consensus"].trigger()
    qtbot.waitUntil(lambda: "Fewer than two" in window.status.currentMessage())
    drawn(study, "Cy")
    window.commands["project.consensus"].trigger()
    qtbot.waitUntil(lambda: "holds 3 objects" in window.status.currentMessage())
