"""The worklist in the window: unread slides, cases, other stains, slides opened ahead."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from project_steps import make_slide
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, SHIFT, open_dialog, press, rest, show_slide

from viewer.geometry import Point
from viewer.settings import Settings
from viewer.studies import cases
from viewer.studies.finding import project_slides
from viewer.studies.project import Project, changing_slide
from viewer.studies.project_file import change_project, create_project, read_project
from viewer.ui.main_window import MainWindow
from viewer.ui.projects.settings_dialog import ProjectSettingsDialog

HE, OTHER, KI67 = "S23-1 A1 HE.png", "S23-2 A1 HE.png", "S23-1 A1 Ki-67.png"


@pytest.fixture(scope="module")
def made_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two cases, whose slides stand apart in the list, and of a slide of none."""
    folder = tmp_path_factory.mktemp("made") / "study"
    for number, name in enumerate((HE, OTHER, KI67, "x.png")):
        make_slide(folder / name, number)
    paths = [folder / name for name in (HE, OTHER, KI67, "x.png")]
    create_project(folder, Project(slides=tuple(project_slides(paths, folder, []))))
    return folder


@pytest.fixture
def study(made_study: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_study, tmp_path / "study"))


@pytest.fixture
def reading(make_window: Callable[..., MainWindow], study: Path, qtbot: QtBot) -> MainWindow:
    """A window with the first slide of the project."""
    window = make_window(Settings(reader="reader-7"))
    with qtbot.waitSignal(window.projects.opened.switched):
        window.open_paths([study])
    show_slide(window, study / HE, qtbot)
    return window


def test_the_window_does_not_load_what_tells_cases_from_names(
    window: MainWindow, sample_slide: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_in: list[threading.Thread] = []
    patterns = cases._patterns

    def noted(rule: str) -> object:
        asked_in.append(threading.current_thread())
        return patterns(rule)

    cases._place.cache_clear()
    monkeypatch.setattr(cases, "_patterns", noted)
    show_slide(window, sample_slide, qtbot)
    assert asked_in
    assert threading.main_thread() not in asked_in


def go(
    window: MainWindow,
    qtbot: QtBot,
    key: Qt.Key,
    modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> str:
    """Presses a key that opens a slide; gives the slide's name."""
    pane = window.panes.active
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        press(qtbot, window, key, modifier)
    assert pane.path is not None
    return pane.path.name


def test_keys_go_through_the_case_and_from_case_to_case(
    reading: MainWindow, study: Path, qtbot: QtBot
) -> None:
    names = [reading.slides.model.slide(row).name for row in range(len(reading.slides.model.keys))]
    assert names == [HE, KI67, OTHER, "x.png"]
    assert "S23-1 · A1 · Ki-67" in str(
        reading.slides.model.index(1).data(Qt.ItemDataRole.AccessibleTextRole)
    )
    assert go(reading, qtbot, Qt.Key.Key_PageDown) == KI67
    assert go(reading, qtbot, Qt.Key.Key_PageDown, CTRL) == OTHER
    assert go(reading, qtbot, Qt.Key.Key_PageUp, CTRL) == HE
    ki67 = next(slide for slide in read_project(study).slides if slide.name == KI67)
    change_project(study, changing_slide(ki67.identity, state="done"))
    qtbot.waitUntil(lambda: reading.projects.opened.project.count("done") == 1)
    assert go(reading, qtbot, Qt.Key.Key_PageDown, SHIFT) == OTHER
    assert go(reading, qtbot, Qt.Key.Key_PageUp, SHIFT) == HE
    assert go(reading, qtbot, Qt.Key.Key_PageUp, SHIFT) == "x.png"


def test_another_stain_opens_beside_in_one_step(
    reading: MainWindow, study: Path, qtbot: QtBot
) -> None:
    first = reading.panes.active
    press(qtbot, reading, Qt.Key.Key_F6, CTRL)
    assert len(reading.panes.panes) == 2
    second = reading.panes.panes[1]
    qtbot.waitUntil(lambda: second.path == study / KI67, timeout=20_000)
    assert first.path == study / HE
    assert reading.panes.active is first
    show_slide(reading, study / "x.png", qtbot)
    press(qtbot, reading, Qt.Key.Key_F6, CTRL)
    assert "no other slide of this case" in reading.status.currentMessage()


def test_the_next_slide_is_there_before_its_key(
    reading: MainWindow, study: Path, qtbot: QtBot
) -> None:
    ahead = reading.worklist.ahead
    qtbot.waitUntil(lambda: ahead.is_loaded(study / KI67), timeout=20_000)
    assert set(ahead.paths) <= {study / KI67, study / OTHER}
    pane = reading.panes.active
    press(qtbot, reading, Qt.Key.Key_PageDown)
    # At once, with no turn of the event loop between: nothing of it is read or waited for.
    assert pane.path == study / KI67
    assert pane.canvas.is_sharp
    assert study / KI67 not in ahead.paths
    qtbot.waitUntil(lambda: study / OTHER in ahead.paths, timeout=20_000)
    (study / OTHER).unlink()
    make_slide(study / OTHER, 99)
    press(qtbot, reading, Qt.Key.Key_PageDown)
    # One that was replaced since it was opened ahead is not taken for the one that it was.
    qtbot.waitUntil(lambda: "changed" in pane.bars.notice.sentence.text())
    assert pane.bars.notice.isVisible()


def test_a_tile_that_could_not_be_read_ahead_is_said_once_its_slide_is_shown(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    good, damaged = tmp_path / "a.tif", tmp_path / "b.tif"
    pixels = np.full((600, 800, 3), 200, np.uint8)
    tifffile.imwrite(good, pixels, tile=(256, 256), photometric="rgb", compression="deflate")
    shutil.copy(good, damaged)
    with tifffile.TiffFile(damaged) as tiff:
        first, size = tiff.pages[0].dataoffsets[0], tiff.pages[0].databytecounts[0]
    content = bytearray(damaged.read_bytes())
    content[first : first + size] = b"U" * size
    damaged.write_bytes(content)
    window.open_paths([tmp_path])
    pane, ahead = window.panes.active, window.worklist.ahead
    qtbot.waitUntil(lambda: pane.path == good and ahead.is_loaded(damaged), timeout=20_000)
    press(qtbot, window, Qt.Key.Key_PageDown)
    assert pane.path == damaged
    qtbot.waitUntil(lambda: "level 0 cannot be read" in window.status.trouble.text())


def test_slides_ahead_are_bounded_in_bytes_and_freed(
    reading: MainWindow, study: Path, qtbot: QtBot
) -> None:
    ahead = reading.worklist.ahead
    qtbot.waitUntil(lambda: ahead.is_loaded(study / KI67), timeout=20_000)
    reading.change_settings(cache_mib=1)
    ahead.forget()
    assert ahead.paths == []
    ahead.prepare([study / KI67], reading.panes.active.showing)
    qtbot.waitUntil(lambda: not ahead.is_opening, timeout=20_000)
    assert ahead.paths == []  # a slide would take more than its part of this cache


def test_the_last_view_of_each_slide_comes_back(
    reading: MainWindow, make_window: Callable[..., MainWindow], study: Path, qtbot: QtBot
) -> None:
    canvas = reading.panes.active.canvas
    canvas.go_to(Point(100, 200), 0.5, animated=False)
    canvas.rotate_by(90)
    rest(reading, qtbot)
    assert go(reading, qtbot, Qt.Key.Key_PageDown) == KI67
    assert canvas.shows_all
    assert go(reading, qtbot, Qt.Key.Key_PageUp) == HE
    assert canvas.view.center == pytest.approx((100, 200))
    assert (canvas.view.downsample, canvas.view.rotation_deg) == (0.5, 90)
    reading.close()
    again = make_window(Settings(reader="reader-7"))
    show_slide(again, study / HE, qtbot)
    assert again.panes.active.canvas.view.downsample == 0.5
    again.close()
    # Another reader's is not shown.
    other = make_window(Settings(reader="reader-8"))
    show_slide(other, study / HE, qtbot)
    assert other.panes.active.canvas.shows_all


def test_the_palette_opens_a_slide_by_its_name_or_case(
    reading: MainWindow, study: Path, qtbot: QtBot
) -> None:
    palette, pane = reading.palette_box, reading.panes.active
    press(qtbot, reading, Qt.Key.Key_P, CTRL | SHIFT)
    assert palette.isVisible()
    qtbot.keyClicks(palette.box, "s23 2")
    (first, *_) = palette.list.selectedItems()
    assert first.text(0) == f"Slide: {OTHER}"
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        qtbot.keyClick(palette.box, Qt.Key.Key_Return)
    assert pane.path == study / OTHER
    # Words are commands first, and slides after them.
    palette.open_over(reading)
    qtbot.keyClicks(palette.box, "fit")
    (first, *_) = palette.list.selectedItems()
    assert not first.text(0).startswith("Slide")
    palette.hide()
    reading.projects.opened.hides_names = lambda: True
    assert reading.worklist.slides_named("s23") == []
    slide, name_of = (
        reading.projects.opened.project.slides[0],
        reading.recording.panels.library.name_of,
    )
    assert name_of(slide.identity, slide.shown_name) == "Slide 1"
    assert name_of("another slide", "A.svs") == "A.svs"


def test_the_name_stands_beside_the_label_on_demand(
    reading: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    link = tmp_path / "S23-1234 A1 HE.svs"
    link.symlink_to(sample_slide)
    reading.projects.opened.close()
    show_slide(reading, link, qtbot)
    panel = reading.associated
    panel.show()
    assert not panel.name.isVisible()
    qtbot.mouseClick(panel.show_label_button, Qt.MouseButton.LeftButton)
    assert panel.name.isVisible()
    assert panel.name.text() == "S23-1234 A1 HE.svs\nCase S23-1234, block A1, HE"
    qtbot.mouseClick(panel.show_label_button, Qt.MouseButton.LeftButton)
    assert not panel.name.isVisible()


def test_the_rule_for_cases_is_edited_with_examples(
    reading: MainWindow, study: Path, qtbot: QtBot
) -> None:
    reading.commands["project.settings"].trigger()
    dialog = open_dialog(reading, ProjectSettingsDialog, qtbot)
    assert isinstance(dialog, ProjectSettingsDialog)

    def row(name: str) -> list[str]:
        (item,) = dialog.examples.findItems(name, Qt.MatchFlag.MatchExactly)
        return [item.text(column) for column in range(1, 4)]

    ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
    assert row(KI67) == ["S23-1", "A1", "Ki-67"]
    assert row("TCGA-CR-7395-01A-01-TS1.svs")[0] == "TCGA-CR-7395"
    dialog.cases.setCurrentIndex(1)
    dialog.pattern.setText("(?P<case>")
    assert not ok.isEnabled()
    assert "cannot be read" in dialog.problem.text()
    dialog.pattern.setText("* {block} {case}")
    assert row(KI67) == ["Ki-67", "A1", ""]
    dialog.tissue.setCurrentIndex(dialog.tissue.findData(10.0))
    qtbot.mouseClick(ok, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: read_project(study).check_tissue_at == 10.0)
    assert read_project(study).case_rule == "* {block} {case}"
    names = [reading.slides.model.slide(row).name for row in range(len(reading.slides.model.keys))]
    assert names == [HE, OTHER, KI67, "x.png"]
