"""Projects in the window: opened, traveled, changed, mended."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from project_steps import make_slide
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox, QFileDialog, QLineEdit
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, SHIFT, drop, open_dialog, press

from viewer.annotations.palette import PaletteClass
from viewer.studies.finding import project_slides
from viewer.studies.project import Project, changing_slide
from viewer.studies.project_file import change_project, create_project, read_project
from viewer.ui.main_window import MainWindow


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A project of three slides."""
    folder = tmp_path / "study"
    for number in (1, 2, 3):
        make_slide(folder / "slides" / f"{number}.png", number)
    slides = tuple(project_slides([folder / "slides"], folder, []))
    create_project(folder, Project(title="Margins", slides=slides))
    return folder


def open_project(window: MainWindow, folder: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.projects.opened.switched):
        window.open_paths([folder])


def listed(window: MainWindow) -> list[str]:
    model = window.slides.model
    return [model.slide(number).name for number in range(len(model.keys))]


def states(folder: Path) -> list[str]:
    return [slide.state for slide in read_project(folder).slides]


def test_a_dropped_project_is_shown_and_traveled_by_key(
    window: MainWindow, study: Path, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(window.projects.opened.switched):
        drop(window, [study / "project.json"])
    panel = window.projects.slides
    assert window.slides.isVisible()
    assert panel.header.title.text() == "Margins"
    assert panel.header.summary.text() == "0 of 3 done"
    pane = window.panes.active
    for name in ("1.png", "2.png", "3.png"):
        with qtbot.waitSignal(pane.opened, timeout=20_000):
            press(qtbot, window, Qt.Key.Key_PageDown)
        assert pane.path == study / "slides" / name
        assert panel.chosen()[0].name == name
    press(qtbot, window, Qt.Key.Key_PageDown)
    assert window.status.currentMessage() == "This is the last slide of the list."
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        press(qtbot, window, Qt.Key.Key_PageUp)
    assert pane.path == study / "slides" / "2.png"
    qtbot.waitUntil(lambda: states(study) == ["in work"] * 3)
    assert panel.header.summary.text() == "0 of 3 done, 3 in work"


def test_a_pane_without_a_slide_leads_to_those_of_the_project(
    window: MainWindow, study: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    pane = window.panes.active
    start = pane.page.start
    assert start.heading.text() == "Open a slide"
    start.open_button.setFocus()
    create_project(tmp_path / "Empty", Project())
    open_project(window, tmp_path / "Empty", qtbot)
    assert start.heading.text() == "Empty"
    qtbot.mouseClick(start.go_on_button, Qt.MouseButton.LeftButton)
    open_dialog(window, QFileDialog, qtbot).close()
    open_project(window, study, qtbot)
    identities = [slide.identity for slide in window.projects.opened.project.slides]
    window.projects.opened.change(changing_slide(identities[0], state="done"))
    assert start.heading.text() == "Margins"
    assert start.sentence.text() == (
        "1 of 3 done. Choose a slide in the list, or go on with 2.png:"
    )
    assert pane.page.first_button is start.go_on_button
    assert not start.open_button.hasFocus()
    assert not start.open_button.property("primary"), "one button stands out"
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        qtbot.mouseClick(start.go_on_button, Qt.MouseButton.LeftButton)
    assert pane.path == study / "slides" / "2.png"
    window.commands["file.close"].trigger()
    for each in identities[1:]:
        window.projects.opened.change(changing_slide(each, state="done"))
    assert start.sentence.text() == "3 of 3 done. Choose a slide in the list."
    assert not start.go_on_button.isVisible()
    window.commands["project.close"].trigger()
    qtbot.waitUntil(lambda: start.heading.text() == "Open a slide")


def test_recent_projects_are_in_the_menu_and_none_opens_by_itself(
    make_window: Callable[[], MainWindow], study: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    first = make_window()
    assert not first.projects.recent.menu.isEnabled()
    create_project(tmp_path / "A & B", Project())
    open_project(first, tmp_path / "A & B", qtbot)
    open_project(first, study, qtbot)
    first.close()
    again = make_window()
    assert not again.projects.opened.is_open
    menu = again.projects.recent.menu
    assert menu.menuAction() in again.menus["Project"].actions()
    names = [action.text() for action in menu.actions() if not action.isSeparator()]
    assert names == ["study", "A && B", "&Forget these"]
    with qtbot.waitSignal(again.projects.opened.switched):
        menu.actions()[1].trigger()
    assert again.projects.opened.folder == tmp_path / "A & B"
    assert menu.actions()[0].text() == "A && B"
    shutil.rmtree(study)
    menu.actions()[1].trigger()
    qtbot.waitUntil(lambda: "study" in again.banner.sentence.text())
    menu.actions()[-1].trigger()
    assert (again.settings.recent_projects, menu.isEnabled()) == ([], False)


def test_done_slides_by_key_and_the_next_to_do(
    window: MainWindow, study: Path, qtbot: QtBot
) -> None:
    open_project(window, study, qtbot)
    pane = window.panes.active
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        press(qtbot, window, Qt.Key.Key_PageDown)
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        press(qtbot, window, Qt.Key.Key_F7)
    assert pane.path == study / "slides" / "2.png"
    press(qtbot, window, Qt.Key.Key_F7, SHIFT)
    qtbot.waitUntil(lambda: states(study) == ["done", "done", "to do"])
    press(qtbot, window, Qt.Key.Key_F7, SHIFT)
    qtbot.waitUntil(lambda: states(study) == ["done", "to do", "to do"])
    # One that is done stays so when it is opened again.
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        press(qtbot, window, Qt.Key.Key_PageUp)
    assert window.projects.opened.project.slides[0].state == "done"


def test_the_list_is_filtered_and_keeps_the_open_slide(
    window: MainWindow, study: Path, qtbot: QtBot
) -> None:
    first, second, _ = read_project(study).slides
    change_project(study, changing_slide(first.identity, state="done"))
    change_project(study, changing_slide(second.identity, assignee="Anna"))
    open_project(window, study, qtbot)

    def shown(data: str) -> list[str]:
        window.slides.filter.setCurrentIndex(window.slides.filter.findData(data))
        return listed(window)

    assert shown("done") == ["1.png"]
    assert shown("assigned to Anna") == ["2.png"]
    assert shown("to do") == ["2.png", "3.png"]
    pane = window.panes.active
    for name in ("2.png", "3.png"):
        with qtbot.waitSignal(pane.opened, timeout=20_000):
            press(qtbot, window, Qt.Key.Key_PageDown)
        assert pane.path == study / "slides" / name
    assert listed(window) == ["3.png"]


def test_what_is_typed_goes_to_its_slide(window: MainWindow, study: Path, qtbot: QtBot) -> None:
    open_project(window, study, qtbot)
    panel = window.projects.slides
    at = window.slides.view.visualRect(window.slides.model.index(0)).center()
    qtbot.mouseClick(window.slides.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    panel.details.note.setFocus()
    qtbot.keyClicks(panel.details.note, "deeper level")
    panel.details.assignee.setFocus()
    qtbot.keyClicks(panel.details.assignee, "Anna")
    # Away by key, without leaving the field first.
    window.slides.view.setCurrentIndex(window.slides.model.index(1))
    assert panel.details.assignee.text() == ""
    panel.details.state.setFocus()
    qtbot.keyClick(panel.details.state, Qt.Key.Key_End)
    panel.details.state.activated.emit(panel.details.state.currentIndex())

    def kept() -> bool:
        first, second, _ = read_project(study).slides
        return (first.note, first.assignee, second.state, second.assignee) == (
            "deeper level", "Anna", "done", "",
        )  # fmt: skip

    qtbot.waitUntil(kept)


def test_slides_are_dropped_on_the_list_and_removed(
    window: MainWindow, study: Path, qtbot: QtBot
) -> None:
    open_project(window, study, qtbot)
    panel = window.projects.slides
    new = make_slide(study.parent / "new.png", 9)
    bad = study.parent / "bad.svs"
    bad.write_text("no slide")
    drop(window.slides, [new, study / "slides" / "1.png", bad])
    qtbot.waitUntil(lambda: len(read_project(study).slides) == 4)
    assert read_project(study).slides[3].path == "../new.png"
    assert "bad.svs" in window.banner.sentence.text()
    window.slides.view.setCurrentIndex(window.slides.model.index(3))
    qtbot.mouseClick(panel.details.remove, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(read_project(study).slides) == 3)
    assert new.exists()


def test_missing_slides_are_shown_passed_over_and_found(
    window: MainWindow, study: Path, tmp_path_factory: pytest.TempPathFactory, qtbot: QtBot
) -> None:
    archive = tmp_path_factory.mktemp("archive")
    shutil.move(study / "slides" / "2.png", archive / "old.png")
    shutil.move(study / "slides" / "3.png", study / "renamed.png")
    open_project(window, study, qtbot)
    opened, panel = window.projects.opened, window.projects.slides
    # That which lies near is found unasked.
    qtbot.waitUntil(lambda: read_project(study).slides[2].path == "renamed.png")
    qtbot.waitUntil(lambda: len(opened.missing) == 1 and not opened.is_searching)
    assert panel.header.summary.text() == "0 of 3 done, 1 missing"
    second = window.slides.model.index(1)
    assert "Missing" in second.data(Qt.ItemDataRole.AccessibleTextRole)
    window.slides.view.setCurrentIndex(second)
    qtbot.keyClick(window.slides.view, Qt.Key.Key_Return)
    assert "is missing" in window.status.currentMessage()
    pane = window.panes.active
    pane.focus()
    window.slides.view.setCurrentIndex(window.slides.model.index(0))
    for name in ("1.png", "renamed.png"):
        with qtbot.waitSignal(pane.opened, timeout=20_000):
            press(qtbot, window, Qt.Key.Key_PageDown)
        assert pane.path is not None
        assert pane.path.name == name
    assert panel.details.find_missing.isVisible()
    qtbot.mouseClick(panel.details.find_missing, Qt.MouseButton.LeftButton)
    dialog = open_dialog(window, QFileDialog, qtbot)
    assert isinstance(dialog, QFileDialog)
    dialog.fileSelected.emit(str(archive))
    dialog.reject()
    qtbot.waitUntil(lambda: not opened.missing)
    qtbot.waitUntil(
        lambda: read_project(study).slides[1].path == (archive / "old.png").as_posix(),
    )
    assert not panel.details.find_missing.isVisible()


def test_what_others_write_is_shown_and_kept(window: MainWindow, study: Path, qtbot: QtBot) -> None:
    open_project(window, study, qtbot)
    first, second, _ = read_project(study).slides
    change_project(study, changing_slide(first.identity, assignee="Béla"))
    window.projects.opened.change(changing_slide(second.identity, note="mine"))
    qtbot.waitUntil(lambda: window.projects.opened.project.slides[0].assignee == "Béla")
    change_project(study, changing_slide(first.identity, assignee="Cecil"))
    qtbot.waitUntil(lambda: window.projects.opened.project.slides[0].assignee == "Cecil")
    assert read_project(study).slides[1].note == "mine"


def test_a_new_project_by_the_menu(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    press(qtbot, window, Qt.Key.Key_T, CTRL | SHIFT)
    assert window.slides.isVisible()
    qtbot.mouseClick(window.slides.create_button, Qt.MouseButton.LeftButton)
    dialog = open_dialog(window, QFileDialog, qtbot)
    assert isinstance(dialog, QFileDialog)
    (tmp_path / "fresh").mkdir()
    with qtbot.waitSignal(window.projects.opened.switched):
        dialog.fileSelected.emit(str(tmp_path / "fresh"))
        dialog.reject()
    assert read_project(tmp_path / "fresh").title == "fresh"
    window.commands["project.close"].trigger()
    assert not window.projects.opened.is_open
    assert window.slides.create_button.isVisible()


def test_a_damaged_project_is_one_sentence(window: MainWindow, study: Path, qtbot: QtBot) -> None:
    (study / "project.json").write_text('{"format": "coverslip pro')
    window.open_paths([study])
    qtbot.waitUntil(lambda: "is damaged" in window.banner.sentence.text())
    assert not window.projects.opened.is_open
    assert (study / "project.damaged.json").exists()


def test_the_projects_classes_are_used_while_it_is_open(
    window: MainWindow, study: Path, qtbot: QtBot
) -> None:
    palette = window.annotations.classes.palette
    own = palette.classes
    open_project(window, study, qtbot)
    assert palette.classes == own
    window.commands["project.take_classes"].trigger()
    qtbot.waitUntil(lambda: read_project(study).palette == own)
    # Changed in the editor of classes, they go to the project, and to it alone.
    changed = (PaletteClass("Margin", "#112233", "Ctrl+Alt+Shift+M"), *own)
    palette.use(changed)
    qtbot.waitUntil(lambda: read_project(study).palette == changed)
    window.commands["project.close"].trigger()
    assert palette.classes == own
    open_project(window, study, qtbot)
    assert palette.classes == changed


def test_a_new_folder_is_typed_and_the_open_slides_are_offered(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    slide = make_slide(tmp_path / "1.png", 1)
    with qtbot.waitSignal(window.panes.active.opened, timeout=20_000):
        window.open_paths([slide])
    window.commands["project.create"].trigger()
    dialog = open_dialog(window, QFileDialog, qtbot)
    assert isinstance(dialog, QFileDialog)
    name = dialog.findChild(QLineEdit, "fileNameEdit")
    buttons = dialog.findChild(QDialogButtonBox)
    assert name is not None
    assert buttons is not None
    name.clear()
    qtbot.keyClicks(name, "new study")
    create = next(each for each in buttons.buttons() if each.text() == "Create")
    qtbot.waitUntil(create.isEnabled, timeout=20_000)
    with qtbot.waitSignal(window.projects.opened.switched, timeout=20_000):
        qtbot.mouseClick(create, Qt.MouseButton.LeftButton)
    assert window.projects.opened.folder == tmp_path / "new study"
    offer = window.projects.slides.header.offer
    assert (offer.isVisible(), offer.text()) == (True, "Add the open slide")
    qtbot.mouseClick(offer, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(read_project(tmp_path / "new study").slides) == 1, timeout=20_000)
    assert not offer.isVisible()
    source = window.panes.active.source
    assert source is not None
    assert window.slides.model.current == source.info.identity, "it is marked in the list"


@pytest.mark.parametrize("is_near", [True, False])
def test_another_slide_in_the_place_of_one_is_said_and_that_one_looked_for(
    window: MainWindow, study: Path, qtbot: QtBot, is_near: bool
) -> None:
    open_project(window, study, qtbot)
    opened, panel, pane = window.projects.opened, window.projects.slides, window.panes.active
    place = study / "slides" / "2.png"
    away = place.rename(study / "renamed.png") if is_near else None
    make_slide(place, 77)
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        pane.open(place)
    qtbot.waitUntil(pane.bars.notice.isVisible)
    said = pane.bars.notice.sentence.text()
    assert said.startswith("This is not the slide that the project lists as 2.png: another lies in")
    if is_near:
        qtbot.waitUntil(lambda: read_project(study).slides[1].path == "renamed.png", timeout=10_000)
        qtbot.waitUntil(lambda: not opened.missing and not opened.is_searching, timeout=10_000)
        assert away is not None
        with qtbot.waitSignal(pane.opened, timeout=20_000):
            pane.open(away)
        assert not pane.bars.notice.isVisible()
        return
    qtbot.waitUntil(lambda: len(opened.missing) == 1 and not opened.is_searching, timeout=10_000)
    assert panel.header.summary.text() == "0 of 3 done, 1 missing"
    make_slide(place, 2)  # it is put back
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        pane.open(study / "slides" / "1.png")
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        pane.open(place)
    qtbot.waitUntil(lambda: not opened.missing, timeout=10_000)
    assert not pane.bars.notice.isVisible()


def test_a_slide_that_was_moved_opens_at_the_first_double_click(
    window: MainWindow, study: Path, tmp_path_factory: pytest.TempPathFactory, qtbot: QtBot
) -> None:
    # A copy elsewhere was open last on this machine; the one in the project is meant.
    copy = tmp_path_factory.mktemp("elsewhere") / "copy.png"
    shutil.copy(study / "slides" / "2.png", copy)
    with qtbot.waitSignal(window.panes.active.opened, timeout=20_000):
        window.open_paths([copy])
    open_project(window, study, qtbot)
    moved = study / "moved and renamed.png"
    shutil.move(study / "slides" / "2.png", moved)
    pane, view = window.panes.active, window.slides.view
    at = view.visualRect(window.slides.model.index(1)).center()
    with qtbot.waitSignal(pane.failed, timeout=20_000):
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
        qtbot.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    qtbot.waitUntil(lambda: pane.path == moved, timeout=20_000)
    assert pane.failed_path is None
    assert pane.bars.notice.isHidden()
    qtbot.waitUntil(lambda: read_project(study).slides[1].path == moved.name, timeout=20_000)


def test_a_list_without_rows_says_why_and_slides_are_counted_as_they_come(
    window: MainWindow, study: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    create_project(tmp_path / "new", Project(title="New"))
    open_project(window, tmp_path / "new", qtbot)
    nothing, opened = window.slides.nothing, window.projects.opened
    assert nothing.isVisible()
    assert nothing.text().startswith("No slides yet. Press Add...")
    said: list[str] = []
    opened.said.connect(said.append)
    opened.add([study / "slides"])
    qtbot.waitUntil(lambda: len(opened.project.slides) == 3, timeout=20_000)
    looked = [f"Looking at the slides... {count} so far." for count in (1, 2, 3)]
    assert said == ["Looking at the slides...", *looked, "3 slides were added to the project."]
    assert not nothing.isVisible()
    qtbot.keyClicks(window.slides.search, "9")
    assert nothing.isVisible()
    assert nothing.text() == "No slide passes the filter."
