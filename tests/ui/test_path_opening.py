"""Slides that are asked for in turn, or while they are on screen already."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Event

import pytest
import shapely
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from ui_steps import CTRL

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.slides.opener import open_slide
from viewer.slides.source import SlideSource
from viewer.ui import path_opening
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.main_window import MainWindow


@pytest.fixture
def folder(tmp_path: Path, sample_slide: Path) -> Path:
    """Two slides."""
    folder = tmp_path / "case 7"
    folder.mkdir()
    for name in ("slide 2.svs", "slide 10.svs"):
        shutil.copy(sample_slide, folder / name)
    return folder


class _SlowDrive:
    """Tells what lies at one path only when it is let go; of others at once."""

    def __init__(self, slow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.told = Event(), Event()
        kind = path_opening._kind

        def tell(path: Path) -> str:
            if path == slow:
                self.go.wait(30)
                self.told.set()
            return kind(path)

        monkeypatch.setattr(path_opening, "_kind", tell)


def test_what_is_asked_for_later_wins(
    window: MainWindow, folder: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    slow, fast = folder / "slide 10.svs", folder / "slide 2.svs"
    drive = _SlowDrive(slow, monkeypatch)
    pane = window.panes.active
    window.open_paths([slow])
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        window.open_paths([fast])
    late: list[str] = []
    handle = window.opening._open_sorted
    monkeypatch.setattr(
        window.opening,
        "_open_sorted",
        lambda paths, *rest: (late.append(paths[0][1]), handle(paths, *rest)),
    )
    drive.go.set()
    qtbot.waitUntil(lambda: late == ["slide"], timeout=20_000)
    assert not pane.is_opening
    assert pane.path == pane.asked_path == fast


def test_a_folder_that_is_listed_late_takes_no_place(
    window: MainWindow, folder: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    drive = _SlowDrive(folder, monkeypatch)
    pane, later = window.panes.active, folder / "slide 10.svs"
    window.open_paths([folder])
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        window.open_paths([later])
    with qtbot.waitSignal(window.folder.listed, timeout=20_000):
        drive.go.set()
    assert window.slides.shown is window.folder, "the list is there, the slide stays"
    assert not pane.is_opening
    assert pane.path == later


def test_the_slide_on_screen_stays_when_it_is_asked_for(
    opened_annotations: PaneAnnotations,
    slide_window: MainWindow,
    sample_slide: Path,
    qtbot: QtBot,
) -> None:
    window, document = slide_window, opened_annotations.document
    pane = window.panes.active
    source = pane.source
    document.do(adding("Draw", [Annotation(shapely.box(10, 10, 90, 90))]))
    changed: list[object] = []
    pane.slide_changed.connect(changed.append)
    window.annotations.panel.filter.setFocus()
    with qtbot.waitSignal(pane.opened, timeout=20_000) as told:
        window.open_paths([sample_slide])
    assert told.args == [sample_slide]
    assert not changed
    assert pane.source is source
    assert not pane.is_opening
    assert window.focusWidget() is pane.canvas
    qtbot.keyClick(pane.canvas, Qt.Key.Key_Z, CTRL)
    qtbot.waitUntil(lambda: len(document) == 0)


def test_the_slide_on_screen_is_kept_instead_of_one_that_is_opening(
    slide_window: MainWindow,
    sample_slide: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    pane = slide_window.panes.active
    source = pane.source
    begun, go = Event(), Event()

    def slow(path: Path, image: int | None = None) -> SlideSource:
        begun.set()
        go.wait(30)
        return open_slide(path, image)

    monkeypatch.setattr("viewer.slides.opener.open_slide", slow)
    slide_window.open_slide(folder / "slide 2.svs")
    qtbot.waitUntil(begun.is_set)
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        slide_window.open_slide(sample_slide)
    go.set()
    assert pane.source is source
    assert not pane.is_opening
