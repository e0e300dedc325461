"""Place, size and panels of the window from one start to the next, fitted to the screen."""

from __future__ import annotations

import logging
import stat
from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractEventDispatcher, QByteArray, QRect, QSettings, Qt, QTimer
from PySide6.QtWidgets import QApplication

from viewer.access import make_file
from viewer.errors import reason_of
from viewer.files.set_aside import say_unusable
from viewer.folders import config_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtWidgets import QMainWindow

_FILE = "window.ini"
_STATE = "Size and panels of the window"
_FIRST_SIZE_PX = (1280, 820)
_BORDER_PX, _TITLE_BAR_PX = 4, 36
"""What a desktop's frame round the window takes of the screen, at most, as a rule."""
_SETTLED_MS = 1000
_MOST_BYTES = 1 << 20
_log = logging.getLogger(__name__)
_FILLED = Qt.WindowState.WindowMaximized | Qt.WindowState.WindowFullScreen


def forget_window_state() -> None:
    """Delete the saved state, so that the next window has the default size and panels."""
    try:
        (config_folder() / _FILE).unlink(missing_ok=True)
    except OSError as error:
        _log.warning("Size and panels of the window cannot be forgotten (%s)", reason_of(error))


def save_window_state(window: QMainWindow, panels: str) -> None:
    """Write place, size and panels of `window` for the next start; `panels` as it wants them."""
    path = config_folder() / _FILE
    try:
        if path.exists() and not _is_sound(path):
            path.unlink()
        make_file(path)  # Qt keeps the permissions of a file that is there
    except OSError as error:
        say_unusable(f"{_STATE} could not be saved to {path} ({reason_of(error)}).")
        return
    state = _saved()
    state.setValue("geometry", window.saveGeometry())
    state.setValue("panels", panels)
    state.sync()
    if state.status() is not QSettings.Status.NoError:
        say_unusable(f"{_STATE} could not be saved to {path}: make room, or mend or remove it.")


def restore_window_state(window: QMainWindow) -> str | None:
    """Restore the saved place and size of a window that is not shown yet, fitted to the screen.

    A damaged file gives the default.

    Returns
    -------
    What was saved of its panels; None where nothing was.
    """
    window.setGeometry(_first_place(window))
    if not _is_sound(config_folder() / _FILE):
        return None
    state = _saved()
    geometry, panels = state.value("geometry"), state.value("panels")
    if isinstance(geometry, QByteArray):
        window.restoreGeometry(geometry)
    if not window.windowState() & _FILLED:
        window.resize(window.size().boundedTo(_room(window).size()))
    return panels if isinstance(panels, str) else None


def when_drawn(window: QMainWindow, callback: Callable[[], object]) -> None:
    """Call `callback` once, when `window` is on the screen and has nothing more to do.

    A window that lays itself out without end is painted and answers timers, but never rests.
    """
    dispatcher = QAbstractEventDispatcher.instance()
    assert dispatcher is not None

    def on_rest() -> None:
        dispatcher.aboutToBlock.disconnect(on_rest)
        callback()

    def on_first_rest() -> None:
        handle = window.windowHandle()
        if handle is not None and handle.isExposed():
            dispatcher.aboutToBlock.disconnect(on_first_rest)
            # The desktop may still resize the window, as one that is to fill the screen.
            QTimer.singleShot(_SETTLED_MS, window, lambda: dispatcher.aboutToBlock.connect(on_rest))

    dispatcher.aboutToBlock.connect(on_first_rest)


def _first_place(window: QMainWindow) -> QRect:
    """Return the place of a first window: as large as it likes, but within the screen."""
    room = _room(window)
    place = QRect(0, 0, *_FIRST_SIZE_PX).intersected(QRect(0, 0, room.width(), room.height()))
    place.moveCenter(room.center())
    return place


def _room(window: QMainWindow) -> QRect:
    """Return the screen where the window stands, without the desktop's bars and the frame."""
    screen = QApplication.screenAt(window.geometry().center()) or QApplication.primaryScreen()
    return screen.availableGeometry().adjusted(_BORDER_PX, _TITLE_BAR_PX, -_BORDER_PX, -_BORDER_PX)


def _is_sound(path: Path) -> bool:
    """Return whether a file is a plain one of a sensible size; Qt would wait for a pipe."""
    try:
        about = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(about.st_mode) and about.st_size <= _MOST_BYTES


def _saved() -> QSettings:
    return QSettings(str(config_folder() / _FILE), QSettings.Format.IniFormat)
