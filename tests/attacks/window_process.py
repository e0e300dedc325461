"""Run the window as `coverslip` does, and do in it what the arguments say, a command a turn.

`maximize`, `full_screen`, `close`, `die` (end at once), `geometry`, `sizes`, `status` and `report`
(print them), or the name of a command, such as `panels.overlays`.
"""

from __future__ import annotations

import os
import sys
from typing import TypeGuard

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QWidget

from viewer.ui import application
from viewer.ui.crash_dialog import CrashDialog
from viewer.ui.main_window import MainWindow
from viewer.ui.shell.panel import Panel

_EVERY_MS = 300


def _main_window() -> MainWindow | None:
    windows = [each for each in QApplication.topLevelWidgets() if isinstance(each, MainWindow)]
    return windows[0] if windows and windows[0].isVisible() else None


def _is_offered(widget: QWidget) -> TypeGuard[CrashDialog]:
    return isinstance(widget, CrashDialog) and widget.isVisible()


class ScriptedApplication(QApplication):
    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        self._steps = sys.argv[1:]
        self._timer = QTimer(self, interval=_EVERY_MS)
        self._timer.timeout.connect(self._step)
        self._timer.start()

    def _step(self) -> None:
        window = _main_window()
        if window is None:
            return
        step = self._steps.pop(0)
        if step == "maximize":
            # Without a window manager nobody gives a maximized window its size.
            window.setGeometry(window.screen().availableGeometry())
            window.showMaximized()
        elif step == "full_screen":
            window.setGeometry(window.screen().geometry())
            window.showFullScreen()
        elif step == "geometry":
            place = window.geometry()
            print(place.x(), place.y(), place.width(), place.height(), flush=True)
        elif step == "sizes":
            for panel in window.findChildren(Panel):
                if panel.isVisible():
                    print(panel.windowTitle(), panel.width(), panel.height(), sep="|")
        elif step == "status":
            print(window.status.currentMessage(), flush=True)
        elif step == "report":
            (dialog,) = (each for each in QApplication.topLevelWidgets() if _is_offered(each))
            print(dialog.report.toPlainText(), flush=True)
            dialog.reject()
        elif step == "die":
            os._exit(0)
        elif step == "close":
            window.close()
        else:
            window.commands[step].trigger()


if __name__ == "__main__":
    application.QApplication = ScriptedApplication
    sys.exit(application.run([]))
