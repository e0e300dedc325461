"""A reading is recorded, replayed to the pixel, and looked at: heatmap, scanpath, unseen tissue."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from PySide6.QtCore import QCoreApplication, QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot
from session_lines import read_lines
from test_recording import AGREED, ended_session
from ui_steps import CTRL, SHIFT, open_dialog, press, rest, settled_picture, show_slide, stay

from viewer.geometry import Optics
from viewer.recording.events import Viewport
from viewer.recording.library import Library, sessions_folder
from viewer.recording.session import read_header
from viewer.recording.trace_loading import load_trace
from viewer.ui.main_window import MainWindow
from viewer.ui.recording.export_dialog import ExportDialog
from viewer.ui.recording.session_panels import SessionPanels
from viewer.ui.view.pane_overlay import PaneOverlay


@dataclass
class Recorded:
    """A session, once it was recorded, and what was on screen at each of its rests."""

    folder: Path
    pictures: list[QImage] = field(default_factory=list[QImage])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("recorded"))


@pytest.fixture
def read(
    make_window: Callable[..., MainWindow], sample_slide: Path, recorded: Recorded, qtbot: QtBot
) -> tuple[MainWindow, Path, list[QImage]]:
    """A window, a session that was recorded in one, and what was on screen at each rest.

    It is recorded once, and copied for each further test.
    """
    window = make_window(AGREED)
    show_slide(window, sample_slide, qtbot)
    window.change_settings(show_overview=False)
    if kept := next(recorded.folder.iterdir(), None):
        folder = Path(shutil.copytree(kept, sessions_folder() / kept.name))
    else:
        folder = record(window, recorded.pictures, qtbot)
        shutil.copytree(folder, recorded.folder / folder.name)
    window.commands["view.home"].trigger()
    rest(window, qtbot)
    return window, folder, recorded.pictures


def record(window: MainWindow, pictures: list[QImage], qtbot: QtBot) -> Path:
    """Record three rests, and keep what was on screen at each."""
    canvas = window.panes.active.canvas
    pictures.clear()
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    recording = window.recording.control.recording_of
    qtbot.waitUntil(lambda: recording(window.panes.active) is not None)
    for command in ("view.magnify_10", "view.rotate_right", "view.flip_horizontally"):
        window.commands[command].trigger()
        rest(window, qtbot)
        qtbot.waitUntil(lambda: canvas.is_sharp)
        stay(window, qtbot, 1.2)
        pictures.append(canvas.grab().toImage())
    return ended_session(window, qtbot)


def panels(window: MainWindow) -> SessionPanels:
    return window.recording.panels


def open_sessions(window: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, window, Qt.Key.Key_R, CTRL | SHIFT)
    sessions = panels(window).sessions
    qtbot.waitUntil(lambda: sessions.model.rowCount() > 0)


def select(window: MainWindow, row: int = 0) -> None:
    sessions = panels(window).sessions
    sessions.list.setCurrentIndex(sessions.model.index(row))
    assert sessions.selected() == [sessions.model.session(row).folder]


def start_replay(window: MainWindow, qtbot: QtBot) -> None:
    open_sessions(window, qtbot)
    select(window)
    qtbot.mouseClick(panels(window).sessions.replay, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: panels(window).replay.isVisible())
    qtbot.waitUntil(panels(window).replay.play.isEnabled)


def test_a_replay_shows_the_same_pixels(
    read: tuple[MainWindow, Path, list[QImage]], qtbot: QtBot
) -> None:
    window, folder, pictures = read
    canvas = window.panes.active.canvas
    size = canvas.size()
    start_replay(window, qtbot)
    replay = panels(window).replay
    # Page and timeline took room from the canvas: folded away, and in a higher window, it has it.
    panels(window).sessions.hide()
    qtbot.waitUntil(lambda: canvas.width() == size.width())
    window.resize(window.width(), window.height() + size.height() - canvas.height())
    qtbot.waitUntil(lambda: canvas.size() == size)
    header = read_header(folder)
    assert header.screen is not None
    rests = [
        line.elapsed_ns / 1e9
        for line in read_lines(folder)
        if isinstance(line.event, Viewport) and line.event.at_rest and line.event.cause != "open"
    ]
    shown: list[QImage] = []
    for at_s in rests:
        replay._replayer.seek(at_s + 0.01)
        qtbot.waitUntil(lambda: canvas.is_sharp)
        shown.append(settled_picture(canvas, qtbot))
    assert all(picture in shown for picture in pictures)


def test_playing_runs_through_the_session(
    read: tuple[MainWindow, Path, list[QImage]], qtbot: QtBot
) -> None:
    window, _, _ = read
    start_replay(window, qtbot)
    replay = panels(window).replay
    replay.speed.setCurrentText("16x")
    replay._replayer.seek(0.0)
    qtbot.mouseClick(replay.play, Qt.MouseButton.LeftButton)
    clock = replay._replayer.clock
    assert clock is not None
    assert clock.is_playing
    qtbot.waitUntil(lambda: not clock.is_playing)
    assert clock.position_s == clock.end_s
    bar = replay.bar
    qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=QPoint(bar.width() // 2, 15))
    assert clock.position_s == pytest.approx((clock.begin_s + clock.end_s) / 2, rel=0.02)
    qtbot.mouseClick(replay.previous, Qt.MouseButton.LeftButton)
    assert clock.position_s < (clock.begin_s + clock.end_s) / 2


def test_taking_the_slide_in_hand_frees_the_camera(
    read: tuple[MainWindow, Path, list[QImage]], qtbot: QtBot
) -> None:
    window, _, _ = read
    start_replay(window, qtbot)
    replay, canvas = panels(window).replay, window.panes.active.canvas
    assert replay.follow.isChecked()
    window.panes.active.focus()
    press(qtbot, window, Qt.Key.Key_4)
    rest(window, qtbot)
    assert not replay.follow.isChecked()
    here = canvas.view
    qtbot.mouseClick(replay.next, Qt.MouseButton.LeftButton)
    assert canvas.view == here
    qtbot.mouseClick(replay.follow, Qt.MouseButton.LeftButton)
    assert canvas.view != here
    # Its pane says what it is used for, and ends it.
    pane = window.panes.active
    qtbot.waitUntil(lambda: window.annotations.active is not None)
    drawn = window.annotations.active
    assert drawn is not None
    assert pane.mode_bar.isVisible()
    assert pane.modes.names == ["Replay"]
    assert not canvas.paints(drawn.layer)
    qtbot.mouseClick(pane.mode_bar.exit_button, Qt.MouseButton.LeftButton)
    assert pane.mode_bar.isHidden()
    assert replay.isHidden()
    assert canvas.paints(drawn.layer)


def test_what_was_seen_is_told_and_painted(
    read: tuple[MainWindow, Path, list[QImage]], qtbot: QtBot
) -> None:
    window, _, _ = read
    start_replay(window, qtbot)
    canvas, seen = window.panes.active.canvas, panels(window).seen
    press(qtbot, window, Qt.Key.Key_E, CTRL | SHIFT)
    qtbot.waitUntil(lambda: "Tissue seen at 5x" in seen.figures.text(), timeout=20_000)
    assert "Time at 10x" in seen.figures.text()
    window.commands["view.home"].trigger()
    rest(window, qtbot)
    bare = settled_picture(canvas, qtbot)
    painted: list[QImage] = [bare]
    seen.heatmap.setCurrentText("All magnifications")
    painted.append(canvas.grab().toImage())
    seen.scanpath.setChecked(True)
    painted.append(canvas.grab().toImage())
    seen.unseen.setCurrentText("Not seen at 20x or more")
    painted.append(canvas.grab().toImage())
    assert all(a != b for a, b in pairwise(painted))
    # The list of layers and the status bar know of them too.
    overlay = window.panes.active.findChild(PaneOverlay)
    assert isinstance(overlay, PaneOverlay)
    rows = {entry.name: entry for entry in overlay.layers.entries()}
    time_row = rows["Time on screen"]
    assert {"Scanpath", "Unseen tissue"} < rows.keys()
    assert time_row.ramp is not None
    assert time_row.ramp.ends[0] == "0 s"
    assert time_row.fade is not None
    time_row.fade(0.9)
    assert seen.opacity.value() == 90
    qtbot.mouseMove(canvas, canvas.rect().center() + QPoint(3, 3))
    qtbot.waitUntil(lambda: "On screen for" in window.status.overlay.text())
    time_row.show(False)
    assert seen.heatmap.currentIndex() == 0
    time_row.show(True)
    assert seen.heatmap.currentText() == "All magnifications"
    time_row.fade(0.55)
    seen.heatmap.setCurrentIndex(0)
    seen.scanpath.setChecked(False)
    seen.unseen.setCurrentIndex(0)
    qtbot.waitUntil(lambda: canvas.grab().toImage() == bare)


def test_live_reading_tells_what_was_seen(
    make_window: Callable[..., MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    window = make_window(AGREED)
    show_slide(window, sample_slide, qtbot)
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    press(qtbot, window, Qt.Key.Key_5)
    rest(window, qtbot)
    press(qtbot, window, Qt.Key.Key_E, CTRL | SHIFT)
    seen = panels(window).seen
    qtbot.waitUntil(lambda: "Time at 10x" in seen.figures.text(), timeout=20_000)
    assert seen.title.text() == "This reading, up to now"


def test_export_and_delete_from_the_panel(
    read: tuple[MainWindow, Path, list[QImage]], tmp_path: Path, qtbot: QtBot
) -> None:
    window, folder, _ = read
    open_sessions(window, qtbot)
    select(window)
    sessions = panels(window).sessions
    qtbot.waitUntil(lambda: "action" in sessions.model.texts(0)[3])
    select(window)
    qtbot.mouseClick(sessions.export, Qt.MouseButton.LeftButton)
    dialog = open_dialog(window, ExportDialog, qtbot)
    assert isinstance(dialog, ExportDialog)
    dialog.folder.setText(str(tmp_path / "out"))
    dialog.accept()
    qtbot.waitUntil((tmp_path / "out" / "manifest.json").exists, timeout=20_000)

    qtbot.mouseClick(sessions.delete, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: any(b.text() == "Delete" for b in window.findChildren(QPushButton)))
    delete = next(b for b in window.findChildren(QPushButton) if b.text() == "Delete")
    qtbot.mouseClick(delete, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not folder.exists())
    assert Library().summaries() == []


def test_one_press_plays_the_field_of_the_log_at_each_time(
    read: tuple[MainWindow, Path, list[QImage]], qtbot: QtBot
) -> None:
    window, folder, _ = read
    canvas, trace = window.panes.active.canvas, load_trace(folder)
    window.commands["panels.replay"].trigger()
    qtbot.waitUntil(lambda: panels(window).replay.isVisible())
    assert window.commands["panels.replay"].isChecked()
    replayer = panels(window).replay._replayer
    clock = replayer.clock
    assert clock is not None
    assert clock.is_playing
    started_s, start_at_s = time.monotonic(), clock.position_s
    off = 0
    shown = 0
    while clock.is_playing:
        qtbot.wait(20)
        at_s = clock.position_s
        near = (trace.start_s <= at_s + 0.05) & (trace.end_s >= at_s - 0.05)
        gaps = np.hypot(*(trace.centers[near] - np.array(canvas.view.center)).T)
        off += bool(gaps.min() > 1.0)
        shown += 1
    assert shown > 5
    assert off == 0
    elapsed_s = time.monotonic() - started_s
    skipped_s = float((trace.away[:, 1] - trace.away[:, 0]).sum()) if len(trace.away) else 0.0
    assert clock.end_s - start_at_s - skipped_s == pytest.approx(elapsed_s, abs=2.0)


def test_a_session_finds_its_slide_after_a_move_and_under_another_name(
    make_window: Callable[..., MainWindow], sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    slide = here / f"slide{sample_slide.suffix}"
    shutil.copy(sample_slide, slide)
    window = make_window(AGREED)
    show_slide(window, slide, qtbot)
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    qtbot.waitUntil(lambda: window.recording.control.recording_of(window.panes.active) is not None)
    press(qtbot, window, Qt.Key.Key_7)
    rest(window, qtbot)
    ended_session(window, qtbot)
    other = there / "other.tif"
    tifffile.imwrite(other, np.full((600, 800, 3), 235, np.uint8), tile=(256, 256))
    show_slide(window, other, qtbot)
    moved = there / f"renamed{sample_slide.suffix}"
    slide.rename(moved)
    start_replay(window, qtbot)
    assert window.panes.active.path == moved


def test_a_session_made_before_a_change_of_the_pixel_size_says_so(
    read: tuple[MainWindow, Path, list[QImage]], qtbot: QtBot
) -> None:
    window, _, _ = read
    canvas = window.panes.active.canvas
    start_replay(window, qtbot)
    press(qtbot, window, Qt.Key.Key_E, CTRL | SHIFT)
    seen = panels(window).seen
    qtbot.waitUntil(lambda: "reader-7" in seen.title.text(), timeout=20_000)
    assert "pixel size" not in seen.title.text()
    then = read_header(read[1]).slide.mpp_um
    assert then is not None
    canvas.set_optics(Optics((then[0] * 2, then[1] * 2), canvas.optics.objective_power))
    panels(window).refresh_seen()
    qtbot.waitUntil(lambda: "before the pixel size was changed" in seen.title.text())
    model = panels(window).sessions.model
    qtbot.waitUntil(lambda: "former pixel size" in model.texts(0)[3])


def test_a_session_on_another_image_of_a_file_is_replayed_on_that_image(
    make_window: Callable[..., MainWindow], sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as out:
        for name, value, shape in (("spot", 60, (200, 300)), ("section", 160, (600, 500))):
            pixels = np.full((*shape, 3), value, np.uint8)
            out.write(pixels, photometric="rgb", metadata={"Name": name}, tile=(128, 128))
    window = make_window(AGREED)
    pane = window.panes.active
    with qtbot.waitSignal(pane.opened, timeout=20_000):
        window.open_slide(path, 0)
    assert pane.source is not None
    spot = pane.source.info.identity
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    qtbot.waitUntil(lambda: window.recording.control.recording_of(pane) is not None)
    ended_session(window, qtbot)
    show_slide(window, sample_slide, qtbot)
    start_replay(window, qtbot)
    qtbot.waitUntil(lambda: window.recording.panels.replay.isVisible())
    assert pane.source is not None
    assert pane.source.info.identity == spot


def test_a_session_of_a_web_page_is_tied_to_the_slide_that_is_opened(
    make_window: Callable[..., MainWindow],
    sample_slide: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from viewer.recording.importers import import_log
    from viewer.recording.library import sessions_folder

    walk = Path(__file__).parents[1] / "recorders" / "walk.jsonl"
    (session,) = import_log(walk, sessions_folder())
    folder = sessions_folder() / session
    window = make_window(AGREED)
    said: list[str] = []
    monkeypatch.setattr(window, "say", said.append)
    open_sessions(window, qtbot)
    select(window)
    qtbot.mouseClick(panels(window).sessions.replay, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: any("open it" in each for each in said))
    show_slide(window, sample_slide, qtbot)
    qtbot.waitUntil(lambda: panels(window).replay.isVisible())
    qtbot.waitUntil(lambda: any("of another viewer" in each for each in said))
    source = window.panes.active.source
    assert source is not None
    assert read_header(folder).slide.identity == source.info.identity
    canvas, trace = window.panes.active.canvas, load_trace(folder)
    for index in (0, len(trace) // 2, len(trace) - 1):
        panels(window).replay._replayer.seek(float(trace.start_s[index]) + 1e-6)
        box, wanted = canvas.view.box, trace.boxes[index]
        assert canvas.view.center == pytest.approx(trace.centers[index], abs=1.0)
        assert box.x0 <= wanted[0] + 1
        assert box.y1 >= wanted[3] - 1
        assert canvas.view.mirrored == trace.mirrored[index]


def test_a_slide_that_is_opened_meanwhile_stays(
    read: tuple[MainWindow, Path, list[QImage]], tmp_path: Path, qtbot: QtBot
) -> None:
    window, folder, _ = read
    pane = window.panes.active
    others = [tmp_path / "b.png", tmp_path / "c.png"]
    for number, path in enumerate(others):
        Image.new("RGB", (300, 300), (200, 60 * number, 90)).save(path)
    window.open_paths(others[:1])
    qtbot.waitUntil(lambda: pane.path == others[0], timeout=20_000)
    panels(window).start_replay(folder)
    window.open_paths(others[1:])
    qtbot.waitUntil(lambda: pane.path == others[1], timeout=20_000)
    readers = panels(window)._readers
    qtbot.waitUntil(lambda: not (readers.waiting_count or readers._lane.running), timeout=20_000)
    QCoreApplication.sendPostedEvents()
    assert pane.path == others[1]
    assert not pane.is_opening
    assert not panels(window).replay.isVisible()
