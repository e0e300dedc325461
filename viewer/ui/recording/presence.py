"""Whether anybody works with the program, and in which part of a window."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QEvent, QObject, QTimer, Signal
from PySide6.QtWidgets import QApplication

from viewer.canvas.qt_guard import guarded
from viewer.ui.user_input import INPUTS

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

Place = Literal["slide", "panel", "dialog", "elsewhere"]

_INPUT_GAP_S = 0.1
"""Input is logged at most this often: a mouse sends hundreds of events a second."""


class Presence(QObject):
    """Watches one window, and the input to any window of the program while it is started.

    Parameters
    ----------
    panes
        What shows slides in that window, which may go before this does.
    """

    input_came = Signal()
    """The reader touched mouse, pen or keys in any window, panel or dialog of the program."""
    place_changed = Signal(object)
    """The new Place."""

    def __init__(self, panes: QWidget, parent: QObject) -> None:
        super().__init__(parent)
        self._panes = panes
        self._logged_s = 0.0
        self.place: Place = "elsewhere"
        """Where the keyboard is: on the slide, in a panel or a dialog of the window, elsewhere."""
        # Between two windows none is active for an instant; only what it comes to counts.
        self._settle = QTimer(self, singleShot=True, interval=0)
        self._settle.timeout.connect(self._look)
        panes.window().installEventFilter(self)
        panes.destroyed.connect(self._leave)
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        self._application = application
        application.focusChanged.connect(self._on_focus_changed)
        application.focusWindowChanged.connect(self._on_focus_changed)

    def start(self) -> None:
        """Tell of input from now on."""
        self.place = self._place()
        self._application.installEventFilter(self)

    def stop(self) -> None:
        """Tell of input no more."""
        self._application.removeEventFilter(self)

    @guarded(False)
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind in INPUTS:
            now_s = time.monotonic()
            if now_s - self._logged_s >= _INPUT_GAP_S:
                self._logged_s = now_s
                self.input_came.emit()
        elif kind in (QEvent.Type.WindowActivate, QEvent.Type.WindowDeactivate):
            self._on_focus_changed()
        return False

    def _leave(self) -> None:
        """Look no more where the keyboard is, as in a window that was closed."""
        self._settle.stop()
        self._application.focusChanged.disconnect(self._on_focus_changed)
        self._application.focusWindowChanged.disconnect(self._on_focus_changed)

    def _on_focus_changed(self, *_: object) -> None:
        if QApplication.activeWindow() is None:
            self._settle.start()
        else:
            self._look()

    def _look(self) -> None:
        place = self._place()
        if place != self.place:
            self.place = place
            self.place_changed.emit(place)

    def _place(self) -> Place:
        window = self._panes.window()
        active = QApplication.activeWindow()
        if active is window:
            focused = QApplication.focusWidget()
            is_panel = focused is not None and not self._panes.isAncestorOf(focused)
            return "panel" if is_panel and focused is not window else "slide"
        above: QWidget | None = active
        while above is not None:
            if above is window:
                return "dialog"
            above = above.parentWidget()
        return "elsewhere"
