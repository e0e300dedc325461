"""A witness apart from the recorder samples what the window shows while a seeded driver works.

Afterwards the log, read as replay and behaviors read it, agrees with the witness at each sample.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import tifffile
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QInputDialog, QMessageBox, QPlainTextEdit, QWidget
from pytestqt.qtbot import QtBot
from session_lines import read_lines
from test_dropped_files import make_geojson
from ui_steps import CTRL, drop, press, rest, show_slide

from viewer.recording.events import AnnotationChanged, FocusChanged, OverlayChanged
from viewer.recording.log_reader import verify
from viewer.recording.session import read_header
from viewer.recording.trace_loading import load_trace
from viewer.settings import Settings
from viewer.ui.main_window import MainWindow
from viewer.ui.recording.control import RecordingState

AGREED = Settings(reader="reader-7", consent_utc="2026-11-24T08:00:00+00:00", record_texts=True)
_SAMPLE_MS = 20
_TOLERANCE_S = 0.1
T = TypeVar("T")
_LEFT = Qt.MouseButton.LeftButton


@dataclass(frozen=True, slots=True)
class Sample:
    """What the canvas showed, at a time of the session."""

    at_s: float
    slide: str
    x: float
    y: float
    downsample: float
    layers: frozenset[str]
    is_in_front: bool


class Witness:
    """Looks at the panes themselves; of the recorder it takes the clock and the folder alone."""

    def __init__(self, window: MainWindow) -> None:
        self.samples: dict[Path, list[Sample]] = defaultdict(list)
        self._window = window
        self._timer = QTimer(window, interval=_SAMPLE_MS)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    def _look(self) -> None:
        control = self._window.recording.control
        if control.state is not RecordingState.ON:
            return
        for pane in self._window.panes.panes:
            recording, source = control.recording_of(pane), pane.source
            if recording is None or source is None:
                continue
            view = pane.canvas.view
            self.samples[recording.recorder.folder].append(
                Sample(
                    recording.recorder.elapsed_s, source.info.identity,
                    view.center.x, view.center.y, view.downsample,
                    pane.canvas.shown_layers,
                    self._is_in_front(),
                )
            )  # fmt: skip

    def _is_in_front(self) -> bool:
        """Whether the window, or a dialog over it, has the keyboard."""
        active = QApplication.activeWindow()
        while active is not None and active is not self._window:
            active = active.parentWidget()
        return active is not None


class Driver:
    """Does what users do, in an order that the seed gives."""

    def __init__(self, window: MainWindow, slides: list[Path], seed: int, qtbot: QtBot) -> None:
        self._window, self._slides, self._qtbot = window, slides, qtbot
        self._chance = random.Random(seed)

    def step(self) -> None:
        chance, window = self._chance, self._window
        canvas = window.panes.active.canvas
        match chance.randrange(18):
            case 0:
                press(self._qtbot, window, Qt.Key.Key_F9)
            case 1:
                window.open_slide(chance.choice(self._slides))
            case 2:
                key = chance.choice((Qt.Key.Key_P, Qt.Key.Key_B, Qt.Key.Key_S, Qt.Key.Key_M))
                press(self._qtbot, window, key)
            case 3:
                QTest.mouseClick(canvas, _LEFT, pos=self._place())
            case 4:
                QTest.mousePress(canvas, _LEFT, pos=self._place())
                QTest.mouseMove(canvas, self._place())
                QTest.mouseRelease(canvas, _LEFT, pos=self._place())
            case 5:
                press(self._qtbot, window, Qt.Key.Key_Z, CTRL)
            case 6:
                window.commands["view.rotate_right"].trigger()
            case 7 if len(window.panes.panes) < 3:
                window.panes.add_pane()
                window.open_slide(chance.choice(self._slides))
            case 8 if len(window.panes.panes) > 1:
                window.panes.close_pane(chance.choice(window.panes.panes))
            case 9:
                self._drop()
            case 10:
                self._note()
            case 11:
                self._leave()
            case 12:
                command = chance.choice(("annotate.shown", "annotate.filled", "annotate.names"))
                window.commands[command].trigger()
            case _:
                keys = (
                    Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_5, Qt.Key.Key_6,
                    Qt.Key.Key_7, Qt.Key.Key_8, Qt.Key.Key_Plus, Qt.Key.Key_Minus,
                )  # fmt: skip
                press(self._qtbot, window, chance.choice(keys))
        self._qtbot.wait(chance.choice((5, 20, 60, 150)))

    def _drop(self) -> None:
        """Drop annotations, or a slide with annotations of its name."""
        slide = self._chance.choice(self._slides)
        beside = slide.with_suffix(".geojson")
        beside = beside if beside.exists() else self._slides[-1].with_suffix(".geojson")
        paths = self._chance.choice(([beside], [slide, beside], [slide]))
        drop(self._window.panes.active.canvas, paths)
        self._qtbot.wait(50)
        self._answer(QMessageBox)

    def _note(self) -> None:
        press(self._qtbot, self._window, Qt.Key.Key_N, CTRL)
        for dialog in self._window.findChildren(QInputDialog):
            if dialog.isVisible():
                field = dialog.findChild(QPlainTextEdit)
                self._qtbot.keyClicks(field, self._chance.choice(("mitosis", "necrosis here")))
                (dialog.accept if self._chance.random() < 0.7 else dialog.reject)()

    def _answer(self, kind: type[QMessageBox]) -> None:
        """Press any button of the questions that are asked."""
        for box in self._window.findChildren(kind):
            if box.isVisible():
                self._chance.choice(box.buttons()).click()

    def _leave(self) -> None:
        """Work in another program for a moment, and come back."""
        other = QWidget()
        self._qtbot.addWidget(other)
        other.show()
        other.activateWindow()
        self._qtbot.wait(self._chance.choice((20, 120)))
        other.close()
        self._window.activateWindow()
        self._qtbot.waitUntil(self._window.isActiveWindow)
        self._window.panes.active.focus()

    def _place(self) -> QPoint:
        return QPoint(self._chance.randrange(60, 300), self._chance.randrange(60, 250))


def run(
    window: MainWindow, slides: list[Path], seed: int, steps: int, qtbot: QtBot
) -> dict[Path, list[Sample]]:
    show_slide(window, slides[0], qtbot)
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    witness, driver = Witness(window), Driver(window, slides, seed, qtbot)
    for _ in range(steps):
        driver.step()
    rest(window, qtbot)
    witness.stop()
    window.close()
    return witness.samples


def assert_agrees(folder: Path, samples: list[Sample]) -> None:
    assert verify(folder).is_good
    slide = read_header(folder).slide.identity
    assert {sample.slide for sample in samples} == {slide}
    trace = load_trace(folder)
    for sample in samples:
        first, last = np.searchsorted(
            trace.start_s, [sample.at_s - _TOLERANCE_S, sample.at_s + _TOLERANCE_S], side="right"
        )
        near = slice(max(first - 1, 0), last)
        # The path within the tolerance: a view between two that were logged in a motion is on it.
        centers, zooms = trace.centers[near], trace.downsample[near]
        # Turns of less than a pixel of the screen are not logged.
        slack_px = max(1.0, sample.downsample)
        low, high = centers.min(0) - slack_px, centers.max(0) + slack_px
        assert (low <= (sample.x, sample.y)).all(), sample
        assert ((sample.x, sample.y) <= high).all(), sample
        assert zooms.min() * 0.999 <= sample.downsample <= zooms.max() * 1.001, sample
    assert_layers_agree(folder, samples)
    assert_focus_agrees(folder, samples)


def assert_layers_agree(folder: Path, samples: list[Sample]) -> None:
    """Each layer that was over the slide is shown by the log too, within the tolerance."""
    steps: list[tuple[float, frozenset[str]]] = [(0.0, frozenset())]
    for line in read_lines(folder):
        if isinstance(line.event, OverlayChanged):
            before, name = steps[-1][1], line.event.name
            now = before | {name} if line.event.shown else before - {name}
            steps.append((line.elapsed_ns / 1e9, now))
    for sample in samples:
        logged = _within(steps, sample.at_s)
        assert any(sample.layers == each for each in logged), (sample, logged)


def assert_focus_agrees(folder: Path, samples: list[Sample]) -> None:
    steps: list[tuple[float, bool]] = [(0.0, True)]
    for line in read_lines(folder):
        if isinstance(line.event, FocusChanged):
            steps.append((line.elapsed_ns / 1e9, line.event.gained))
    for sample in samples:
        assert sample.is_in_front in _within(steps, sample.at_s), sample


def _within(steps: list[tuple[float, T]], at_s: float) -> list[T]:
    """The states that held at some time within the tolerance."""
    begins = [begin_s for begin_s, _ in steps]
    first = bisect_right(begins, at_s - _TOLERANCE_S) - 1
    last = bisect_right(begins, at_s + _TOLERANCE_S)
    return [state for _, state in steps[max(first, 0) : last]]


def assert_each_stroke_is_in_one_slide(folders: Iterable[Path], slides: list[Path]) -> None:
    """What was drawn on a slide is in sessions of that slide alone; files may be on both."""
    dropped = "".join(slide.with_suffix(".geojson").read_text() for slide in slides)
    drawn: dict[str, set[str]] = defaultdict(set)
    for folder in folders:
        identity = read_header(folder).slide.identity
        events = [line.event for line in read_lines(folder)]
        drawn[identity] |= {each.id for each in events if isinstance(each, AnnotationChanged)}
    for one, other in combinations(drawn.values(), 2):
        assert not [each for each in one & other if each not in dropped]


@pytest.fixture
def slides(sample_slide: Path, tmp_path: Path) -> list[Path]:
    other = tmp_path / "other.tif"
    pixels = np.full((900, 1200, 3), 235, np.uint8)
    pixels[200:600, 300:800] = (180, 90, 160)
    tifffile.imwrite(other, pixels, tile=(256, 256), photometric="rgb", compression="deflate")
    slide = tmp_path / f"slide{sample_slide.suffix}"
    slide.symlink_to(sample_slide)
    for number, path in enumerate((slide, other)):
        make_geojson(path.with_suffix(".geojson"), name=f"Class {number}")
    return [slide, other]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_log_agrees_with_the_witness(
    make_window: Callable[..., MainWindow],
    slides: list[Path],
    seed: int,
    qtbot: QtBot,
    caplog: pytest.LogCaptureFixture,
) -> None:
    samples = run(make_window(AGREED), slides, seed, 60, qtbot)
    assert sum(map(len, samples.values())) > 50
    for folder, seen in samples.items():
        assert_agrees(folder, seen)
    assert_each_stroke_is_in_one_slide(samples, slides)
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10, 20))
def test_the_log_agrees_with_the_witness_for_long(
    make_window: Callable[..., MainWindow],
    slides: list[Path],
    seed: int,
    qtbot: QtBot,
    caplog: pytest.LogCaptureFixture,
) -> None:
    samples = run(make_window(AGREED), slides, seed, 500, qtbot)
    for folder, seen in samples.items():
        assert_agrees(folder, seen)
    assert_each_stroke_is_in_one_slide(samples, slides)
    assert not [record for record in caplog.records if record.exc_info]
