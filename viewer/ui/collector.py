"""Keeps Python's garbage collector and its other threads from holding up a frame."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QGuiApplication

if TYPE_CHECKING:
    from collections.abc import Callable

_EVERY_MS = 20_000
_NEVER = 1 << 30
_MANY = 100_000
"""Objects, as of fifty thousand annotations, that take longer than a frame to look at."""
_SWITCH_S = 0.001
"""As long as another thread may compute before the window's gets its turn; Python's own: 5 ms."""


def let_window_come_first() -> None:
    """Let the window's thread take its turn sooner while others compute.

    It asks for its turn at each call into Qt, many times a frame: at 5 ms each a frame takes
    hundreds.
    """
    sys.setswitchinterval(_SWITCH_S)


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
    """Collects in full now and then, when neither the slide nor the hand moves.

    Very many objects that have come to stay are not looked at, but spared until they are gone
    again; what was spared with them and refers to itself is freed then.
    """

    def __init__(self, is_moving: Callable[[], bool], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._is_moving = is_moving
        self._standing = 0
        """How many objects all collections leave out."""
        self._has_spared = False
        """Whether others are left out beside them."""
        self._timer = QTimer(self, interval=_EVERY_MS)
        self._timer.timeout.connect(self._collect)
        self._timer.start()

    def _collect(self) -> None:
        is_held = QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton
        if is_held or self._is_moving():
            return
        self._standing = self._standing or gc.get_freeze_count()
        if self._has_spared and gc.get_freeze_count() < self._standing + _MANY:
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            self._standing, self._has_spared = gc.get_freeze_count(), False
        elif len(gc.get_objects(generation=2)) > _MANY:
            gc.freeze()
            self._has_spared = True
        else:
            gc.collect()
