"""What cannot be opened or read is told in one sentence, and harms nothing else."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from ui_steps import press, show_slide

from viewer.slides.opener import open_slide
from viewer.slides.source import SlideSource
from viewer.ui.main_window import MainWindow


def test_a_text_file_with_a_slides_name(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    path = tmp_path / "notes.svs"
    path.write_text("not a slide at all")
    pane = window.panes.active
    with qtbot.waitSignal(pane.failed):
        window.open_paths([path])
    assert pane.page.isVisible()
    assert "notes.svs" in pane.page.headline.text()
    assert pane.page.sentence.text().endswith(".")
    assert pane.page.retry_button.isVisible()


def test_a_missing_file_that_appears_opens_on_try_again(
    window: MainWindow, tmp_path: Path, sample_slide: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "late.svs"
    pane = window.panes.active
    with qtbot.waitSignal(pane.failed):
        window.open_paths([path])
    path.write_bytes(sample_slide.read_bytes())
    with qtbot.waitSignal(pane.opened):
        qtbot.mouseClick(pane.page.retry_button, Qt.MouseButton.LeftButton)
    assert pane.source is not None


def test_a_bad_slide_leaves_the_good_one_on_screen(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "empty.svs"
    path.touch()
    pane = slide_window.panes.active
    good = pane.source
    with qtbot.waitSignal(pane.failed):
        slide_window.open_paths([path])
    assert pane.source is good
    assert pane.canvas.isVisible()
    assert pane.bars.notice.isVisible()
    assert "empty.svs" in pane.bars.notice.sentence.text()
    qtbot.mouseClick(pane.bars.notice.dismiss, Qt.MouseButton.LeftButton)
    assert not pane.bars.notice.isVisible()


def test_a_truncated_slide_shows_or_tells(
    window: MainWindow, tmp_path: Path, sample_slide: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "cut.svs"
    content = sample_slide.read_bytes()
    path.write_bytes(content[: len(content) // 3])
    pane = window.panes.active
    with qtbot.waitSignals([pane.failed]):
        window.open_paths([path])
    assert "cut.svs" in pane.page.sentence.text()


def test_an_unreadable_tile_is_told_in_the_status_bar(
    window: MainWindow, shared_slide: Callable[[str], Path], qtbot: QtBot
) -> None:
    show_slide(window, shared_slide("slides/unreadable.svs"), qtbot)
    qtbot.waitUntil(lambda: "cannot be read" in window.status.trouble.text())


def test_a_folder_without_slides(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.folder.failed):
        window.open_paths([tmp_path])
    assert "no slide in the folder" in window.status.currentMessage()


class _SlowDrive:
    """Holds the opening of one file until it is let go; opens all others at once."""

    def __init__(self, slow: Path) -> None:
        self._slow = slow
        self.go = threading.Event()
        self.opened: list[SlideSource] = []

    def open(self, path: Path, image: int | None = None) -> SlideSource:
        if path == self._slow:
            self.go.wait(30)
        source = open_slide(path, image)
        if path == self._slow:
            self.opened.append(source)
        return source


def _is_closed(source: SlideSource) -> bool:
    try:
        source.read_tile(0, 0, 0)
    except Exception as error:
        return re.search(r"closed|cannot be read", str(error)) is not None
    return False


def test_a_drive_that_does_not_answer(
    window: MainWindow,
    tmp_path: Path,
    sample_slide: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    slow = tmp_path / "slow.svs"
    slow.write_bytes(sample_slide.read_bytes())
    drive = _SlowDrive(slow)
    monkeypatch.setattr("viewer.slides.opener.open_slide", drive.open)
    pane = window.panes.active
    window.open_paths([slow])
    qtbot.waitUntil(lambda: "Opening slow.svs" in pane.page.headline.text())
    qtbot.waitUntil(lambda: "Still waiting for the drive" in pane.page.sentence.text())
    # Another slide opens meanwhile; the first one comes late and is closed again.
    show_slide(window, sample_slide, qtbot)
    drive.go.set()
    qtbot.waitUntil(lambda: bool(drive.opened) and _is_closed(drive.opened[0]))
    assert pane.path == sample_slide
    assert pane.source is not drive.opened[0]


def test_a_drive_that_stalls_under_an_open_slide(slide_window: MainWindow) -> None:
    canvas = slide_window.panes.active.canvas
    trouble = slide_window.status.trouble
    canvas.stalled.emit(4.0)
    assert trouble.text() == "The drive has not answered for 4 s; still waiting."
    canvas.stalled.emit(0.0)
    assert trouble.text() == ""


def test_no_command_fails_without_a_slide(window: MainWindow, qtbot: QtBot) -> None:
    for key in (Qt.Key.Key_1, Qt.Key.Key_8, Qt.Key.Key_Plus, Qt.Key.Key_Home, Qt.Key.Key_F5):
        press(qtbot, window, key)
    assert window.panes.active.page.isVisible()
