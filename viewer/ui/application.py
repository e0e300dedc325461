"""Starts the window, or paints it to a file where there is no display."""

from __future__ import annotations

import gc
import os
import sys
import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QEventLoop
from PySide6.QtWidgets import QApplication, QMessageBox

from viewer.folders import config_folder
from viewer.memory.allocator import keep_memory_of_tiles, share_arenas
from viewer.settings import read_settings
from viewer.slides.reader_process.pool import reader_pool
from viewer.start_guard import StartGuard
from viewer.tiles.cache import TileCache
from viewer.ui.collector import Collector, let_window_come_first
from viewer.ui.crash_dialog import CrashWatch
from viewer.ui.figures.view_picture import write_picture
from viewer.ui.main_window import MainWindow
from viewer.ui.theme import apply_colors, apply_theme, theme_named
from viewer.ui.window_door import WindowDoor
from viewer.ui.window_state import forget_window_state, when_drawn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.running_window import RunningWindow
    from viewer.settings import Settings

_PATIENCE_S = 30.0
_LAYOUT_ROUNDS = 4
_NOT_DRAWN = "The last start showed no window, so this one has the default size and panels."
_PICTURE_SIZE_PX = (1280, 800)


def run(
    paths: list[Path],
    *,
    reset_window: bool = False,
    image: int | None = None,
    picture: Path | None = None,
    running: RunningWindow | None = None,
    as_channels: bool = False,
    stores: Sequence[str] = (),
) -> int:
    """Open the window with slides or folders; return the exit code when it is closed.

    Parameters
    ----------
    reset_window
        Forget the place, size and panels of the last time.
    image
        Which image of the one slide to open.
    picture
        Paint the window to this file once the slide is sharp, instead of showing it.
    as_channels
        Open the slides as channels of one.
    running
        Where later starts ask this window to open slides.
    stores
        Whose results are shown too, besides those of the settings.
    """
    reader_pool().keep_spare()  # it loads its readers while the window is made
    if picture is not None:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    application = QApplication(sys.argv[:1])
    application.setApplicationName("Coverslip")
    settings, problems = read_settings(config_folder())
    settings.result_stores = list(dict.fromkeys([*settings.result_stores, *stores]))
    theme = theme_named(settings.theme)
    apply_colors(application, theme)
    watch = CrashWatch()
    watch.install()
    guard = StartGuard(os.getpid())
    crash_trace = guard.take_trace()
    guard.keep_traces()
    last_start_drew = guard.begin()
    if reset_window or not last_start_drew:
        forget_window_state()
    share_arenas()
    keep_memory_of_tiles()
    window = make_window(settings, problems)
    apply_theme(application, theme)
    outcomes: list[object] = []
    pane = window.panes.active
    pane.opened.connect(outcomes.append)
    pane.failed.connect(lambda path, _sentence: outcomes.append(path))
    when_drawn(window, guard.drawn)
    collector = Collector(lambda: any(each.canvas.is_moving for each in window.panes.panes), window)
    when_drawn(window, collector.begin)
    let_window_come_first()
    window.show()
    if not last_start_drew:
        window.say(_NOT_DRAWN)
    if crash_trace:
        watch.show_trace(crash_trace)
    door = None if running is None else WindowDoor(running, window)
    if door is not None:
        door.asked.connect(window.open_paths)
        window.agents.clients.listen()
    if as_channels:
        window.open_as_channels(paths)
    elif image is None:
        window.open_paths(paths)
    else:
        window.open_slide(paths[0], image)
    try:
        if picture is None:
            code = application.exec()
        else:
            code = _paint_window(window, picture, lambda: not paths or bool(outcomes))
        guard.drawn()
    finally:
        if door is not None:
            door.close()
        window.home_notice.let_go()
        window.close()
        reader_pool().close()
        guard.end()
        watch.remove()
        gc.enable()
    if picture is None:
        _tell(window.home_notice.last_words)
    return code


def make_window(settings: Settings, problems: Sequence[str]) -> MainWindow:
    """Return a window that says what of the settings could not be read."""
    window = MainWindow(settings, TileCache(settings.cache_limit_bytes()))
    window.panes.active.focus()
    if problems:
        window.settings_bar.tell(" ".join(problems), "warning", "Settings...")
    return window


def _tell(last_words: Sequence[str]) -> None:
    """Show what was said as the window closed, until it was read."""
    if last_words:
        box = QMessageBox(QMessageBox.Icon.Warning, "Coverslip", "Coverslip could not keep all.")
        box.setInformativeText(" ".join(dict.fromkeys(last_words)))
        box.exec()


def _paint_window(window: MainWindow, picture: Path, has_outcome: Callable[[], bool]) -> int:
    """Write what the window would show, once the slide is sharp or it is known why it is not."""
    window.resize(*_PICTURE_SIZE_PX)
    until_s = time.monotonic() + _PATIENCE_S
    canvas = window.panes.active.canvas
    while time.monotonic() < until_s and not (
        has_outcome() and (canvas.source is None or canvas.is_sharp)
    ):
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        time.sleep(0.005)
    # What was said last is laid out by posted events, each of which may post more.
    for _ in range(_LAYOUT_ROUNDS):
        QCoreApplication.sendPostedEvents()
        QCoreApplication.processEvents()
    write_picture(window.grab().toImage(), picture)
    return 0
