"""What a recording says was on screen is what was on screen, of the slide that it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QInputDialog, QPlainTextEdit
from pytestqt.qtbot import QtBot
from session_lines import read_lines
from ui_steps import CTRL, drop, open_dialog, press, rest, show_slide, stay

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.recording import recorder as recorder_module
from viewer.recording.events import (
    AnnotationChanged,
    DisplayChanged,
    Event,
    IdleChanged,
    NoteTaken,
    OverlayChanged,
    PauseChanged,
    PlaceChanged,
    SlideClosed,
    Viewport,
)
from viewer.recording.library import Library
from viewer.recording.session import read_header
from viewer.recording.trace_loading import load_trace
from viewer.settings import Settings
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.main_window import MainWindow
from viewer.ui.slides.slide_pane import SlidePane

AGREED = Settings(reader="reader-7", consent_utc="2026-11-24T08:00:00+00:00", record_texts=True)


@pytest.fixture
def reading(
    make_window: Callable[[Settings], MainWindow], sample_slide: Path, qtbot: QtBot
) -> MainWindow:
    window = make_window(AGREED)
    show_slide(window, sample_slide, qtbot)
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    control = window.recording.control
    qtbot.waitUntil(lambda: control.recording_of(window.panes.active) is not None)
    return window


@pytest.fixture
def other_slide(tmp_path: Path) -> Path:
    """A slide of another size than the sample, without a pixel size."""
    path = tmp_path / "other.tif"
    pixels = np.full((700, 900, 3), 240, np.uint8)
    pixels[100:400, 200:500] = (180, 90, 160)
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", compression="deflate")
    return path


def annotations_of(window: MainWindow, pane: SlidePane) -> PaneAnnotations:
    found = window.annotations.of(pane)
    assert found is not None
    return found


def folder_of(window: MainWindow, pane: SlidePane | None = None) -> Path:
    recording = window.recording.control.recording_of(pane or window.panes.active)
    assert recording is not None
    return recording.recorder.folder


def events_of(folder: Path, qtbot: QtBot) -> list[Event]:
    """Of a session that ended."""
    qtbot.waitUntil(
        lambda: (
            (folder / "events.jsonl").exists()
            and any(isinstance(line.event, SlideClosed) for line in read_lines(folder))
        ),
    )
    return [line.event for line in read_lines(folder)]


def stop(window: MainWindow, qtbot: QtBot) -> list[Event]:
    folder = folder_of(window)
    window.recording.control.stop()
    return events_of(folder, qtbot)


def test_a_pause_ends_with_the_view_and_the_look_as_they_are(
    reading: MainWindow, qtbot: QtBot
) -> None:
    window, canvas = reading, reading.panes.active.canvas
    press(qtbot, window, Qt.Key.Key_F9)
    press(qtbot, window, Qt.Key.Key_6)
    press(qtbot, window, Qt.Key.Key_2, Qt.KeyboardModifier.AltModifier)
    rest(window, qtbot)
    press(qtbot, window, Qt.Key.Key_F9)
    stay(window, qtbot, 0.6)
    folder, center = folder_of(window), canvas.view.center
    events = stop(window, qtbot)
    trace = load_trace(folder)
    assert trace.centers[-1] == pytest.approx([center.x, center.y], abs=1)
    assert trace.downsample[-1] == pytest.approx(canvas.view.downsample)
    resumed_s = max(
        line.elapsed_ns / 1e9
        for line in read_lines(folder)
        if isinstance(line.event, PauseChanged) and not line.event.begins
    )
    is_after = trace.start_s >= resumed_s
    assert is_after.any()
    assert abs(trace.centers[is_after] - [center.x, center.y]).max() < 1
    since_s = trace.end_s[-1] - resumed_s
    assert trace.looked_s()[is_after].sum() == pytest.approx(since_s, rel=0.1)
    looks = [event for event in events if isinstance(event, DisplayChanged)]
    assert looks[-1].look["stain"] != "none"


def test_a_switch_of_slides_leaves_nothing_of_the_next_in_the_former_session(
    reading: MainWindow, other_slide: Path, qtbot: QtBot
) -> None:
    window = reading
    press(qtbot, window, Qt.Key.Key_5)
    rest(window, qtbot)
    source = window.panes.active.source
    assert source is not None
    before, size = folder_of(window), source.levels[0]
    last = window.panes.active.canvas.view
    show_slide(window, other_slide, qtbot)
    views = [event for event in events_of(before, qtbot) if isinstance(event, Viewport)]
    assert views[-1].x + views[-1].width / 2 == pytest.approx(last.center.x, abs=1)
    assert views[-1].downsample == pytest.approx(last.downsample)
    assert views[-1].cause != "open"
    header = read_header(before)
    assert (header.slide.width_px, header.slide.height_px) == (size.width_px, size.height_px)


def test_a_polygon_under_way_is_finished_on_its_own_slide(
    reading: MainWindow, other_slide: Path, qtbot: QtBot
) -> None:
    window, pane = reading, reading.panes.active
    qtbot.waitUntil(lambda: window.annotations.of(pane) is not None)
    press(qtbot, window, Qt.Key.Key_P)
    for at in (QPoint(200, 150), QPoint(300, 160), QPoint(250, 260)):
        QTest.mouseMove(pane.canvas, at)
        QTest.mouseClick(pane.canvas, Qt.MouseButton.LeftButton, pos=at)
    QTest.mouseMove(pane.canvas, QPoint(230, 200))
    before, document = folder_of(window), annotations_of(window, pane).document
    show_slide(window, other_slide, qtbot)
    qtbot.waitUntil(lambda: window.annotations.of(pane) is not None)
    assert len(document) == 1
    assert len(annotations_of(window, pane).document) == 0
    assert window.status.drawing.text() == ""
    made = [event for event in events_of(before, qtbot) if isinstance(event, AnnotationChanged)]
    assert {event.change for event in made} <= {"made", "changed"}
    assert made
    after = stop(window, qtbot)
    assert not [event for event in after if isinstance(event, AnnotationChanged)]


def test_a_note_being_typed_belongs_to_the_slide_it_was_begun_on(
    reading: MainWindow, other_slide: Path, qtbot: QtBot
) -> None:
    window, before = reading, folder_of(reading)
    press(qtbot, window, Qt.Key.Key_N, CTRL)
    note = open_dialog(window, QInputDialog, qtbot)
    assert isinstance(note, QInputDialog)
    note.setTextValue("Dense lymphocytes.")
    show_slide(window, other_slide, qtbot)
    assert NoteTaken(18, "Dense lymphocytes.") in events_of(before, qtbot)


def test_typing_a_note_is_not_idle_and_its_time_counts(
    reading: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "_IDLE_NS", 600_000_000)
    window, folder = reading, folder_of(reading)
    press(qtbot, window, Qt.Key.Key_N, CTRL)
    note = open_dialog(window, QInputDialog, qtbot)

    for letter in "mitoses here":
        qtbot.keyClicks(note.findChild(QPlainTextEdit), letter)
        qtbot.wait(150)  # as people type: longer than idleness in all
    note.accept()
    events = stop(window, qtbot)
    assert not [event for event in events if isinstance(event, IdleChanged) and event.begins]

    assert PlaceChanged("dialog") in events
    away = load_trace(folder).away
    assert float((away[:, 1] - away[:, 0]).sum() if len(away) else 0.0) < 0.5


def test_layers_over_the_slide_are_events_and_the_state_at_the_start_is_one(
    reading: MainWindow, qtbot: QtBot
) -> None:
    window, pane = reading, reading.panes.active
    qtbot.waitUntil(lambda: window.annotations.of(pane) is not None)
    press(qtbot, window, Qt.Key.Key_R)
    QTest.mousePress(pane.canvas, Qt.MouseButton.LeftButton, pos=QPoint(200, 150))
    QTest.mouseMove(pane.canvas, QPoint(260, 200))
    QTest.mouseMove(pane.canvas, QPoint(300, 250))
    QTest.mouseRelease(pane.canvas, Qt.MouseButton.LeftButton, pos=QPoint(300, 250))
    qtbot.waitUntil(lambda: "annotations" in pane.canvas.shown_layers)
    window.commands["annotate.shown"].trigger()
    qtbot.waitUntil(lambda: not pane.canvas.shown_layers)
    window.commands["annotate.shown"].trigger()
    qtbot.waitUntil(lambda: "annotations" in pane.canvas.shown_layers)
    shown = [e.shown for e in stop(window, qtbot) if isinstance(e, OverlayChanged)]
    assert shown == [True, False, True]
    window.recording.control.start()
    events = stop(window, qtbot)
    assert OverlayChanged("annotations", shown=True) in events


def test_closing_the_replay_takes_its_layers_away(reading: MainWindow, qtbot: QtBot) -> None:
    window, pane = reading, reading.panes.active
    press(qtbot, window, Qt.Key.Key_5)
    rest(window, qtbot)
    stay(window, qtbot, 1.3)
    stop(window, qtbot)
    panels = window.recording.panels
    panels.seen.show()
    panels.seen.raise_()
    panels.seen.heatmap.setCurrentIndex(1)
    panels.seen.scanpath.setChecked(True)
    (summary,) = Library().summaries()
    panels.start_replay(summary.folder)
    qtbot.waitUntil(lambda: panels.replay.isVisible())
    qtbot.waitUntil(lambda: "time heatmap" in pane.canvas.shown_layers)
    panels.replay.close()
    qtbot.waitUntil(lambda: not pane.canvas.shown_layers)


def test_a_second_pane_of_the_slide_records_its_own_strokes(
    reading: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    window, first = reading, reading.panes.active
    second = window.panes.add_pane()
    show_slide(window, sample_slide, qtbot)
    control = window.recording.control
    qtbot.waitUntil(lambda: control.recording_of(second) is not None)
    qtbot.waitUntil(lambda: window.annotations.of(second) is not None)
    press(qtbot, window, Qt.Key.Key_P)
    for at in (QPoint(100, 100), QPoint(160, 100), QPoint(130, 160)):
        QTest.mouseClick(second.canvas, Qt.MouseButton.LeftButton, pos=at)
    window.panes.activate(first)
    qtbot.waitUntil(lambda: len(annotations_of(window, second).document) == 1)
    folders = [folder_of(window, pane) for pane in (first, second)]
    window.recording.control.stop()
    of_first, of_second = (events_of(folder, qtbot) for folder in folders)
    assert [e for e in of_second if isinstance(e, AnnotationChanged)]
    assert not [e for e in of_first if isinstance(e, AnnotationChanged)]


def test_whose_annotations_are_shown_is_an_event_and_in_the_state_at_the_start(
    reading: MainWindow, qtbot: QtBot
) -> None:
    window, pane = reading, reading.panes.active
    qtbot.waitUntil(lambda: window.annotations.of(pane) is not None)
    box = shapely.box(100, 100, 900, 900)
    theirs = Annotation(box).signed("reader-2")
    annotations_of(window, pane).do(adding("Import", [theirs]))
    qtbot.waitUntil(lambda: "annotations of reader-2" in pane.canvas.shown_layers)
    press(qtbot, window, Qt.Key.Key_F9)
    press(qtbot, window, Qt.Key.Key_A)
    qtbot.waitUntil(lambda: not pane.canvas.shown_layers)
    press(qtbot, window, Qt.Key.Key_F9)
    events = stop(window, qtbot)
    shown = [(e.name, e.shown) for e in events if isinstance(e, OverlayChanged)]
    assert ("annotations of reader-2", True) in shown
    assert shown[-2:] == [("annotations", False), ("annotations of reader-2", False)]
    press(qtbot, window, Qt.Key.Key_A)
    qtbot.waitUntil(lambda: bool(pane.canvas.shown_layers))
    window.recording.control.start()
    assert OverlayChanged("annotations of reader-2", shown=True) in stop(window, qtbot)


def test_an_overlay_shown_in_a_pause_is_told_at_its_end(
    reading: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    window, pane = reading, reading.panes.active
    press(qtbot, window, Qt.Key.Key_F9)
    results = tmp_path / "cells.csv"
    results.write_text("x,y,score\n100,100,0.5\n356,100,0.9\n612,100,0.1\n")
    drop(pane.canvas, [results])
    qtbot.waitUntil(lambda: bool(window.overlays.all_of(pane)), timeout=20_000)
    press(qtbot, window, Qt.Key.Key_F9)
    shown = [e for e in stop(window, qtbot) if isinstance(e, OverlayChanged)]
    assert [(e.name, e.shown) for e in shown] == [("file", True)]
