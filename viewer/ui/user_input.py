"""What the user does with mouse, pen and keys, and when they rest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QApplication

from viewer.canvas.qt_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

INPUTS = frozenset(
    {
        QEvent.Type.KeyPress,
        QEvent.Type.MouseButtonPress,
        QEvent.Type.MouseButtonDblClick,
        QEvent.Type.MouseMove,
        QEvent.Type.Wheel,
        QEvent.Type.TouchUpdate,
        QEvent.Type.TabletMove,
        QEvent.Type.NativeGesture,
        QEvent.Type.InputMethod,
        QEvent.Type.DragMove,
        QEvent.Type.Drop,
    }
)
_REST_S = 5.0
LONGEST_S = 300.0
"""Until what waits for a rest is done although the user works on."""


class RestWatch(QObject):
    """Calls once the user has not touched mouse, pen or keys for some seconds.

    It looks at events only while something waits for a rest: each costs some microseconds.

    Parameters
    ----------
    rest_s
        How long is a rest; also an attribute.
    longest_s
        Until it calls although there was no rest; also an attribute.
    """

    def __init__(
        self, parent: QObject, rest_s: float = _REST_S, longest_s: float = LONGEST_S
    ) -> None:
        super().__init__(parent)
        self.rest_s, self.longest_s = rest_s, longest_s
        self._then: Callable[[], object] | None = None
        self._asked_s = self._input_s = 0.0
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._look)

    @property
    def is_waiting(self) -> bool:
        """Return whether something waits for a rest."""
        return self._then is not None

    def wait(self, then: Callable[[], object]) -> None:
        """Call `then` at the next rest, or after minutes of work; does nothing while one waits."""
        application = QApplication.instance()
        if self._then is not None or application is None:
            return
        self._then = then
        self._asked_s = self._input_s = time.monotonic()
        application.installEventFilter(self)
        self._timer.start(round(1000 * self.rest_s))

    @guarded(False)
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in INPUTS:
            self._input_s = time.monotonic()
        return False

    def _look(self) -> None:
        now_s = time.monotonic()
        left_s = min(self._input_s + self.rest_s, self._asked_s + self.longest_s) - now_s
        if left_s > 0:
            self._timer.start(max(1, round(1000 * left_s)))
            return
        application = QApplication.instance()
        if application is not None:
            application.removeEventFilter(self)
        then, self._then = self._then, None
        if then is not None:
            then()
