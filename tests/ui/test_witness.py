"""A witness apart from the recorder samples what the window shows while a seeded driver works.

Afterwards the log, read as replay and behaviors read it, agrees with the witness at each sample.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, press, show_slide

from viewer.recording.log_reader import verify
from viewer.recording.session import read_header
from viewer.recording.trace_loading import load_trace
from viewer.settings import Settings
from viewer.ui.main_window import MainWindow
from viewer.ui.recording.control import RecordingState

AGREED = Settings(reader="reader-7", consent_utc="2026-11-24T08:00:00+00:00", record_texts=True)
_SAMPLE_MS = 20
_TOLERANCE_S = 0.1
_LEFT = Qt.MouseButton.LeftButton


@dataclass(frozen=True, slots=True)
class Sample:
    """What the canvas showed, at a time of the session."""

    at_s: float
    slide: str
    x: float
    y: float
    downsample: float


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
                )
            )  # fmt: skip


class Driver:
    """Does what users do, in an order that the seed gives."""

    def __init__(self, window: MainWindow, slides: list[Path], seed: int, qtbot: QtBot) -> None:
        self._window, self._slides, self._qtbot = window, slides, qtbot
        self._chance = random.Random(seed)

    def step(self) -> None:
        chance, window = self._chance, self._window
        canvas = window.panes.active.canvas
        match chance.randrange(12):
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
            case _:
                keys = (
                    Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_5, Qt.Key.Key_6,
                    Qt.Key.Key_7, Qt.Key.Key_8, Qt.Key.Key_Plus, Qt.Key.Key_Minus,
                )  # fmt: skip
                press(self._qtbot, window, chance.choice(keys))
        self._qtbot.wait(chance.choice((5, 20, 60, 150)))

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
    qtbot.wait(200)
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


@pytest.fixture
def slides(sample_slide: Path, tmp_path: Path) -> list[Path]:
    other = tmp_path / "other.tif"
    pixels = np.full((900, 1200, 3), 235, np.uint8)
    pixels[200:600, 300:800] = (180, 90, 160)
    tifffile.imwrite(other, pixels, tile=(256, 256), photometric="rgb", compression="deflate")
    return [sample_slide, other]


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
    assert not [record for record in caplog.records if record.exc_info]
