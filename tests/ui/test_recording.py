"""A reader turns recording on in a real window and reads; the log tells what they did."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QDialog, QInputDialog
from pytestqt.qtbot import QtBot
from session_lines import read_lines
from ui_steps import CTRL, back_to_slide, open_dialog, press, record_rest, rest, show_slide

from viewer.recording.events import (
    Click,
    DisplayChanged,
    FocusChanged,
    NoteTaken,
    PauseChanged,
    Pointer,
    SlideClosed,
    Viewport,
)
from viewer.recording.library import Library
from viewer.recording.log_reader import verify
from viewer.recording.session import read_header
from viewer.settings import Settings
from viewer.ui.main_window import MainWindow
from viewer.ui.recording.consent_dialog import ConsentDialog
from viewer.ui.recording.control import RecordingState

AGREED = Settings(reader="reader-7", consent_utc="2026-11-24T08:00:00+00:00", record_texts=True)


@pytest.fixture
def reading(
    make_window: Callable[[Settings], MainWindow], sample_slide: Path, qtbot: QtBot
) -> MainWindow:
    """A window whose reader agreed earlier, with a slide, recording by a key."""
    window = make_window(AGREED)
    show_slide(window, sample_slide, qtbot)
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    qtbot.waitUntil(lambda: is_recorded(window))
    return window


def is_recorded(window: MainWindow) -> bool:
    return window.recording.control.recording_of(window.panes.active) is not None


def logged(window: MainWindow) -> set[type]:
    """Return the kinds of events that the log of the active pane's slide holds by now."""
    recording = window.recording.control.recording_of(window.panes.active)
    assert recording is not None
    return {type(line.event) for line in read_lines(recording.recorder.folder)}


def ended_session(window: MainWindow, qtbot: QtBot) -> Path:
    """Turns recording off by the pill; the folder of the session, whole on the disk."""
    recording = window.recording.control.recording_of(window.panes.active)
    assert recording is not None
    folder = recording.recorder.folder
    qtbot.mouseClick(window.recording.pill, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(
        lambda: (
            (folder / "events.jsonl").exists()
            and any(isinstance(line.event, SlideClosed) for line in read_lines(folder))
        ),
    )
    return folder


def test_nothing_is_recorded_before_the_reader_agreed(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    window = slide_window
    assert window.recording.pill.text() == "Record"
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    dialog = open_dialog(window, ConsentDialog, qtbot)
    assert window.recording.control.state is RecordingState.OFF
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    back_to_slide(window, qtbot)
    press(qtbot, window, Qt.Key.Key_Plus)
    rest(window, qtbot)
    assert Library().summaries() == []
    assert not window.commands["recording.on"].isChecked()

    press(qtbot, window, Qt.Key.Key_R, CTRL)
    dialog = open_dialog(window, ConsentDialog, qtbot)
    dialog.reader.setFocus()
    dialog.reader.selectAll()
    qtbot.keyClicks(dialog.reader, "reader-9")
    qtbot.mouseClick(dialog.agree, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: is_recorded(window))
    assert window.recording.pill.text().startswith("● 0:")
    header = read_header(ended_session(window, qtbot))
    assert header.reader == "reader-9"
    assert header.consent.given_utc
    assert header.slide.name is None


def test_the_log_tells_what_the_reader_did(reading: MainWindow, qtbot: QtBot) -> None:
    window, canvas = reading, reading.panes.active.canvas
    press(qtbot, window, Qt.Key.Key_5)
    rest(window, qtbot)
    record_rest(window, qtbot)
    shown = canvas.view
    qtbot.mouseMove(canvas, QPoint(200, 150))
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(200, 150))
    qtbot.waitUntil(lambda: {Pointer, Click} <= logged(window))
    press(qtbot, window, Qt.Key.Key_2, Qt.KeyboardModifier.AltModifier)
    press(qtbot, window, Qt.Key.Key_N, CTRL)
    note = open_dialog(window, QInputDialog, qtbot)
    assert isinstance(note, QInputDialog)
    note.setTextValue("Dense lymphocytes.")
    note.accept()
    back_to_slide(window, qtbot)
    folder = ended_session(window, qtbot)

    assert verify(folder).bad_line is None
    events = [line.event for line in read_lines(folder)]
    views = [event for event in events if isinstance(event, Viewport)]
    at_ten = [view for view in views if view.at_rest and view.cause == "magnification"]
    assert at_ten
    assert at_ten[-1].magnification == pytest.approx(10.0)
    assert at_ten[-1].x + at_ten[-1].width / 2 == pytest.approx(shown.center.x)
    assert at_ten[-1].width == pytest.approx(canvas.width() * at_ten[-1].downsample)
    (click,) = [event for event in events if isinstance(event, Click)]
    assert click.button == "left"
    assert any(isinstance(event, Pointer) for event in events)
    looks = [event.look for event in events if isinstance(event, DisplayChanged)]
    assert looks[0]["stain"] == "none"
    assert looks[-1]["stain"] != "none"
    assert NoteTaken(18, "Dense lymphocytes.") in events


def test_a_pause_is_shown_and_kept(reading: MainWindow, qtbot: QtBot) -> None:
    window = reading
    press(qtbot, window, Qt.Key.Key_F9)
    assert window.recording.pill.text().startswith("Ⅱ Paused 0:")
    press(qtbot, window, Qt.Key.Key_6)
    rest(window, qtbot)
    qtbot.wait(200)  # what would be recorded of the rest comes by then
    press(qtbot, window, Qt.Key.Key_F9)
    assert window.recording.pill.text().startswith("● 0:")
    assert window.status.recording.text() == "Recording"
    assert [each.isEnabled() for each in window.recording.pill.actions()] == [True, True]
    folder = ended_session(window, qtbot)
    events = [line.event for line in read_lines(folder)]
    begin = events.index(PauseChanged(begins=True))
    assert events[begin + 1] == PauseChanged(begins=False)


def test_the_end_says_what_was_saved_and_replays_it(reading: MainWindow, qtbot: QtBot) -> None:
    window, notice = reading, reading.recording.saved.bar
    press(qtbot, window, Qt.Key.Key_5)
    rest(window, qtbot)
    record_rest(window, qtbot)
    assert window.recording.control.elapsed_s > 0
    size = window.panes.active.canvas.size()
    folder = ended_session(window, qtbot)
    assert window.status.recording.text() == "Not recording"
    qtbot.waitUntil(notice.isVisible)
    assert re.fullmatch(r"Saved, 0:0\d, \d actions?\.", notice.sentence.text())
    assert window.panes.active.canvas.size() == size
    assert window.panes.rect().contains(notice.geometry())
    assert notice.button.text() == "Replay"
    qtbot.mouseClick(notice.button, Qt.MouseButton.LeftButton)
    replay = window.recording.panels.replay
    qtbot.waitUntil(replay.isVisible)
    assert replay.replayed == folder
    assert not notice.isVisible()


def test_what_was_saved_lies_over_no_replay(reading: MainWindow, qtbot: QtBot) -> None:
    window, notice, panels = reading, reading.recording.saved.bar, reading.recording.panels
    press(qtbot, window, Qt.Key.Key_5)
    rest(window, qtbot)
    first = ended_session(window, qtbot)
    qtbot.waitUntil(notice.isVisible)
    qtbot.mouseClick(notice.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(panels.replay.isVisible)
    qtbot.mouseClick(window.recording.pill, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: is_recorded(window))
    press(qtbot, window, Qt.Key.Key_5)
    rest(window, qtbot)
    second = ended_session(window, qtbot)
    qtbot.waitUntil(notice.isVisible)
    assert panels.replay.replayed == first
    panels.start_replay(second)
    qtbot.waitUntil(lambda: panels.replay.replayed == second)
    assert not notice.isVisible()


def test_another_slide_is_another_session(
    reading: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    window = reading
    copy = tmp_path / "copy.svs"
    copy.write_bytes(sample_slide.read_bytes())
    show_slide(window, copy, qtbot)
    qtbot.waitUntil(lambda: len(Library().summaries()) == 2)
    window.close()
    assert all(summary.ended_well for summary in Library().summaries())


def test_the_window_tells_of_focus(reading: MainWindow, qtbot: QtBot) -> None:
    window = reading
    other = QDialog()
    qtbot.addWidget(other)
    other.show()
    other.activateWindow()
    qtbot.waitUntil(lambda: not window.isActiveWindow())
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    events = [line.event for line in read_lines(ended_session(window, qtbot))]
    focus = [event.gained for event in events if isinstance(event, FocusChanged)]
    assert focus == [False, True]


def test_a_vanished_folder_shows_a_banner(reading: MainWindow, qtbot: QtBot) -> None:
    window = reading
    recording = window.recording.control.recording_of(window.panes.active)
    assert recording is not None
    folder = recording.recorder.folder
    qtbot.waitUntil(lambda: (folder / "events.jsonl").exists())
    away = folder.with_name("away")
    folder.rename(away)
    press(qtbot, window, Qt.Key.Key_5)
    qtbot.waitUntil(window.banner.isVisible)
    away.rename(folder)
    press(qtbot, window, Qt.Key.Key_6)
    qtbot.waitUntil(lambda: not window.banner.isVisible())
    assert verify(ended_session(window, qtbot)).bad_line is None
