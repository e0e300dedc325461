"""Starts the window, or paints it to a file where there is no display."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEventLoop
from PySide6.QtWidgets import QApplication

from viewer.folders import config_folder
from viewer.settings import load_settings
from viewer.ui.crash_dialog import CrashWatch
from viewer.ui.main_window import MainWindow

_PATIENCE_S = 30.0
WINDOW_PICTURE = Path("coverslip-window.png")


def run(paths: list[Path]) -> int:
    """Opens the window with slides or folders; gives the exit code when it is closed."""
    has_display = _has_display()
    if not has_display:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    application = QApplication(sys.argv[:1])
    application.setApplicationName("Coverslip")
    watch = CrashWatch()
    watch.install()
    window = MainWindow(load_settings(config_folder()))
    window.show()
    window.open_paths(paths)
    try:
        if has_display:
            return application.exec()
        return _paint_window(window)
    finally:
        window.close()
        watch.remove()


def _has_display() -> bool:
    """Whether a window can be seen; a platform that the user chose is taken at their word."""
    if sys.platform != "linux" or os.environ.get("QT_QPA_PLATFORM"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _paint_window(window: MainWindow) -> int:
    """Writes what the window would show, once the slide is sharp or has told why it is not."""
    until_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until_s and not window.is_settled:
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        time.sleep(0.005)
    window.grab().save(str(WINDOW_PICTURE))
    print(
        "There is no display here, so the window cannot be shown: "
        f"what it would show is in {WINDOW_PICTURE}.",
        file=sys.stderr,
    )
    return 0
