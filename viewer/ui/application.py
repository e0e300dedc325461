"""Starts the window, or paints it to a file where there is no display."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QEventLoop
from PySide6.QtWidgets import QApplication

from viewer.folders import config_folder
from viewer.settings import load_settings
from viewer.tiles.cache import TileCache
from viewer.ui.collector import Collector
from viewer.ui.crash_dialog import CrashWatch
from viewer.ui.main_window import MainWindow
from viewer.ui.theme import apply_theme, theme_named

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_S = 30.0
_PICTURE_SIZE_PX = (1280, 800)
WINDOW_PICTURE = Path("coverslip-window.png")


def run(paths: list[Path]) -> int:
    """Opens the window with slides or folders; gives the exit code when it is closed."""
    has_display = _has_display()
    if not has_display:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    application = QApplication(sys.argv[:1])
    application.setApplicationName("Coverslip")
    settings = load_settings(config_folder())
    apply_theme(application, theme_named(settings.theme))
    watch = CrashWatch()
    watch.install()
    window = MainWindow(settings, TileCache(settings.cache_limit_bytes()))
    outcomes: list[object] = []
    pane = window.panes.active
    pane.opened.connect(outcomes.append)
    pane.failed.connect(lambda path, _sentence: outcomes.append(path))
    window.show()
    Collector(lambda: any(each.canvas.is_moving for each in window.panes.panes), window)
    window.open_paths(paths)
    try:
        if has_display:
            return application.exec()
        return _paint_window(window, lambda: not paths or bool(outcomes))
    finally:
        window.close()
        watch.remove()


def _has_display() -> bool:
    """Whether a window can be seen; a platform that the user chose is taken at their word."""
    if sys.platform != "linux" or os.environ.get("QT_QPA_PLATFORM"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _paint_window(window: MainWindow, has_outcome: Callable[[], bool]) -> int:
    """Writes what the window would show, once the slide is sharp or has told why it is not."""
    window.resize(*_PICTURE_SIZE_PX)
    until_s = time.monotonic() + _PATIENCE_S
    canvas = window.panes.active.canvas
    while time.monotonic() < until_s and not (
        has_outcome() and (canvas.source is None or canvas.is_sharp)
    ):
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        time.sleep(0.005)
    window.grab().save(str(WINDOW_PICTURE))
    print(
        "There is no display here, so the window cannot be shown: "
        f"what it would show is in {WINDOW_PICTURE}.",
        file=sys.stderr,
    )
    return 0
