"""Keeps Python's garbage collector from holding up a frame."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QGuiApplication

if TYPE_CHECKING:
    from collections.abc import Callable

_EVERY_MS = 20_000
_NEVER = 1 << 30


def spare_standing_objects() -> None:
    """Leaves all that is there now out of every later collection, and ends full ones.

    A full collection looks at every object, and modules alone are hundreds of thousands: 40 ms in
    the middle of a movement. Called once the window stands, until when nothing is collected;
    short-lived cycles are from now on, and `Collector` does the rest.
    """
    gc.enable()
    gc.collect()
    gc.freeze()
    first, second, _ = gc.get_threshold()
    gc.set_threshold(first, second, _NEVER)


class Collector(QObject):
    """Collects in full now and then, when neither the slide nor the hand moves."""

    def __init__(self, is_moving: Callable[[], bool], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._is_moving = is_moving
        self._timer = QTimer(self, interval=_EVERY_MS)
        self._timer.timeout.connect(self._collect)
        self._timer.start()

    def _collect(self) -> None:
        is_held = QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton
        if not is_held and not self._is_moving():
            gc.collect()
