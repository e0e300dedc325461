"""A window that is handed files which ask for more than a machine has, and is watched meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QDialog, QLabel
from pytestqt.qtbot import QtBot
from ui_steps import back_to_slide, drop, press, settled_picture

from viewer.ui.main_window import MainWindow

MOST_TURN_S = 0.1
"""Of the window's thread, of its own CPU."""
MOST_GROWN_BYTES = 100 << 20
NAMELESS = ("card", "vast", "title")
"""Files in a zip file, and sessions that are read but cannot be shown."""

Way = Callable[[MainWindow, Path], object]
Make = Callable[[Path], Path]


def opened(window: MainWindow, path: Path) -> None:
    window.open_paths([path])


def dropped(window: MainWindow, path: Path) -> None:
    drop(window, [path])


def imported(window: MainWindow, path: Path) -> None:
    window.annotations.files.take(path, window.panes.active)


def results(window: MainWindow, path: Path) -> None:
    window.overlays.take_results(path, window.panes.active)


def model(window: MainWindow, path: Path) -> None:
    window.overlays.model_files.add(path)


class GuiWatch(QObject):
    """The longest turn of the window's thread, of its own CPU, and what memory it took."""

    def __init__(self) -> None:
        super().__init__()
        self._process = psutil.Process()
        self._begun_bytes = self._process.memory_info().rss
        self._before_s = time.thread_time()
        self.longest_s = 0.0
        self.grown_bytes = 0
        self._timer = QTimer(self, interval=2)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def end(self) -> None:
        self._look()
        self._timer.stop()

    def _look(self) -> None:
        self.longest_s = max(self.longest_s, time.thread_time() - self._before_s)
        grown_bytes = self._process.memory_info().rss - self._begun_bytes
        self.grown_bytes = max(self.grown_bytes, grown_bytes)
        self._before_s = time.thread_time()


def said(window: MainWindow) -> str:
    """All sentences that the window shows."""
    pane = window.panes.active
    places = (pane.page.sentence, pane.bars.notice.sentence, window.banner.sentence)
    texts = [place.text() for place in places if place.isVisible()]
    texts += [window.status.currentMessage(), window.status.trouble.text()]
    dialogs = [each for each in window.findChildren(QDialog) if each.isVisible()]
    texts += [label.text() for dialog in dialogs for label in dialog.findChildren(QLabel)]
    return "\n".join(texts)


def tidy(window: MainWindow) -> None:
    for dialog in window.findChildren(QDialog):
        if dialog.isVisible():
            dialog.reject()
    window.show_error("")
    window.status.clearMessage()
    window.panes.active.bars.notice.hide()


def wait_said(window: MainWindow, sentence: str, case: str, qtbot: QtBot) -> None:
    def is_said() -> None:
        assert sentence in said(window), f"{case}: {said(window)}"

    qtbot.waitUntil(is_said, timeout=60_000)


def try_all(
    window: MainWindow, cases: list[tuple[Way, str, Make, str]], folder: Path, qtbot: QtBot
) -> None:
    qtbot.waitUntil(lambda: window.annotations.active is not None)
    pane = window.panes.active
    source = pane.source
    for number, (way, name, make, sentence) in enumerate(cases):
        path = folder / str(number) / name
        path.parent.mkdir()
        path = make(path)
        tidy(window)
        case = f"{way.__name__} {name}"
        watch = GuiWatch()
        way(window, path)
        wait_said(window, sentence, case, qtbot)
        watch.end()
        assert path.name in said(window) or path.name.split(".")[0] in NAMELESS, case
        assert watch.longest_s < MOST_TURN_S, case
        assert watch.grown_bytes < MOST_GROWN_BYTES, case
        assert pane.source is source, case
    tidy(window)
    back_to_slide(window, qtbot)
    settled_picture(pane.canvas, qtbot)  # without the notices it has another size
    before = pane.canvas.view.downsample
    press(qtbot, window, Qt.Key.Key_Plus)
    qtbot.waitUntil(lambda: pane.canvas.view.downsample < before)
    qtbot.waitUntil(lambda: pane.canvas.is_sharp)
