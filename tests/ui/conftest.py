"""A real window, shown and active, that is closed after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication, QMainWindow
from pytestqt.qtbot import QtBot
from scaled_tiles import load_scaling
from ui_steps import show_slide

from viewer.folders import config_folder
from viewer.settings import Settings, load_settings
from viewer.tiles.cache import TileCache
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.main_window import MainWindow
from viewer.ui.theme import DARK, apply_theme

CACHE_BYTES = 256 << 20


@pytest.fixture(scope="session", autouse=True)
def _scaled_tiles() -> None:
    """Load OpenCV first: it comes at a moment of its own, and rounds otherwise than Qt."""
    load_scaling()


@pytest.fixture
def make_window(qtbot: QtBot, own_home: Path) -> Iterator[Callable[[], MainWindow]]:
    """Opens a window with the settings kept so far, as a start of the program does."""
    windows: list[MainWindow] = []

    def make(settings: Settings | None = None) -> MainWindow:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        # Never without the sheet for a while, though a window is made faster so: where widgets are
        # left in cycles, their end after a change of the application's style crashes.
        apply_theme(app, DARK)
        window = MainWindow(settings or load_settings(config_folder()), TileCache(CACHE_BYTES))
        windows.append(window)
        window.resize(1000, 700)
        window.show()
        qtbot.waitExposed(window)
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)
        window.panes.active.focus()
        return window

    yield make
    for window in windows:
        window.close()
        window.deleteLater()
    # At once: a later change of theme would reach all windows that wait for their end.
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def window(make_window: Callable[[], MainWindow]) -> MainWindow:
    return make_window()


@pytest.fixture
def slide_window(window: MainWindow, sample_slide: Path, qtbot: QtBot) -> MainWindow:
    """A window that shows the sample slide, sharp and with the keyboard on it."""
    show_slide(window, sample_slide, qtbot)
    return window


@pytest.fixture
def opened_annotations(slide_window: MainWindow, qtbot: QtBot) -> PaneAnnotations:
    """Those of the sample slide, in a window that shows their page."""
    annotations = slide_window.annotations
    annotations.panel.show()
    qtbot.waitUntil(lambda: annotations.active is not None, timeout=20_000)
    active = annotations.active
    assert active is not None
    return active


@pytest.fixture
def shown(qtbot: QtBot) -> Iterator[QMainWindow]:
    """A window for one panel, shown and as wide as a panel."""
    window = QMainWindow()
    qtbot.addWidget(window)
    window.resize(340, 600)
    window.show()
    qtbot.waitExposed(window)
    yield window
    window.close()
