"""Place, size and panels of the window from one start to the next, fitted to the screen."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractEventDispatcher, QByteArray, QRect, QSettings, Qt, QTimer
from PySide6.QtWidgets import QApplication, QDockWidget

from viewer.access import make_file
from viewer.folders import config_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtCore import QSize
    from PySide6.QtWidgets import QMainWindow

_FILE = "window.ini"
_VERSION = 2
_FIRST_SIZE_PX = (1280, 820)
_BORDER_PX, _TITLE_BAR_PX = 4, 36
"""What a desktop's frame round the window takes of the screen, at most, as a rule."""
_SETTLED_MS = 1000
_log = logging.getLogger(__name__)
_FILLED = Qt.WindowState.WindowMaximized | Qt.WindowState.WindowFullScreen


def forget_window_state() -> None:
    """Delete the saved state, so that the next window has the default size and panels."""
    (config_folder() / _FILE).unlink(missing_ok=True)


def save_window_state(window: QMainWindow) -> None:
    """Write place, size and panels of `window` for the next start."""
    try:
        make_file(config_folder() / _FILE)  # Qt keeps the permissions of a file that is there
    except OSError as error:
        _log.warning("Size and panels of the window cannot be kept (%s)", error.strerror)
        return
    state = _saved()
    state.setValue("geometry", window.saveGeometry())
    state.setValue("docks", window.saveState(_VERSION))
    state.sync()


def restore_window_state(window: QMainWindow) -> list[str]:
    """Restore the saved place, size and panels of a window that is not shown yet.

    A damaged file gives the default. The size is fitted to the screen, and panels for which the
    screen has no room stay closed.

    Returns
    -------
    The titles of the panels that were open and did not fit.
    """
    window.setGeometry(_first_place(window))
    state = _saved()
    geometry, docks = state.value("geometry"), state.value("docks")
    if isinstance(geometry, QByteArray):
        window.restoreGeometry(geometry)
    if isinstance(docks, QByteArray):
        _restore_docks(window, docks)
    return _close_what_does_not_fit(window)


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


def _restore_docks(window: QMainWindow, docks: QByteArray) -> None:
    """Restore panels as those of a window that fills no screen.

    Qt keeps a state that does not fit a maximized window and applies it again at every layout,
    which asks for the next layout: on a smaller screen than the saved one that never ends.
    Of any other window it fits the panels to the size, once.
    """
    states = window.windowState()
    window.setWindowState(states & ~_FILLED)
    window.restoreState(docks, _VERSION)
    window.setWindowState(states)


def _close_what_does_not_fit(window: QMainWindow) -> list[str]:
    """Close docked panels, the last added first, until the window's smallest size fits."""
    room = _room(window).size()
    closed: list[str] = []
    shown = [
        dock
        for dock in window.findChildren(QDockWidget)
        if not dock.isHidden() and not dock.isFloating()
    ]
    while shown and _overflows(window, room):
        dock = shown.pop()
        dock.hide()
        closed.append(dock.windowTitle())
    if not window.windowState() & _FILLED:
        window.resize(window.size().boundedTo(room))
    return closed[::-1]


def _overflows(window: QMainWindow, room: QSize) -> bool:
    layout = window.layout()
    assert layout is not None
    layout.invalidate()
    least = layout.minimumSize()
    return least.width() > room.width() or least.height() > room.height()


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


def _saved() -> QSettings:
    return QSettings(str(config_folder() / _FILE), QSettings.Format.IniFormat)
