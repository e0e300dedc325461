"""Keeps Python's garbage collector and its other threads from holding up a frame."""

from __future__ import annotations

import gc
import math
import sys
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication

from viewer import window_first
from viewer.memory.uncollected import MANY, is_under_way, take_left_out
from viewer.processes import giving_way
from viewer.ui.user_input import RestWatch

if TYPE_CHECKING:
    from collections.abc import Callable

_EVERY_MS = 20_000
_YOUNG, _MIDDLE, _NEVER = 700, 10, 1 << 30
"""What comes before each kind of collection: Python's own, so that young ones take no time."""
_MANY = 300_000
"""Blocks of memory, as of fifty thousand annotations, that take longer than a frame to look at."""
_FEW = 700_000
"""Those that are looked at within a tenth of a second: a window has 500,000, with a project of
5,000 slides and sessions 900,000."""
_AWAY_S = 300.0
"""Without mouse, pen and keys, until nobody sees that the window stands still for longer."""
_SWITCH_S = 0.0002
"""As long as another thread may compute before the window's gets its turn; Python's own: 5 ms.

Several threads that compute share the turns with it. While 200,000 annotations are changed the
window answers two to three times as soon as at 1 ms, and the change takes a sixth longer.
"""


def let_window_come_first() -> None:
    """Let the window's thread take its turn sooner while others compute.

    It asks for its turn at each call into Qt, many times a frame: at 5 ms each a frame takes
    hundreds of milliseconds. Long work in threads waits while the window is busy, and processes
    that compute for long give way, too.
    """
    sys.setswitchinterval(_SWITCH_S)
    giving_way.let_window_come_first()
    window_first.set_window(_Answering(QCoreApplication.instance()).asked.emit)


class _Answering(QObject):
    """Answers work in threads once the window's thread has done all that it has to do in a turn.

    Events come with timers, of which the one that is due last answers: what is to be painted or was
    typed by then is done first. The end of the program ends it.
    """

    asked = Signal()

    def __init__(self, application: QCoreApplication | None) -> None:
        super().__init__(application)
        # Not 0: such a timer would come before those that are due.
        self._turn = QTimer(self, singleShot=True, interval=1)
        self._turn.setTimerType(Qt.TimerType.PreciseTimer)
        self._turn.timeout.connect(window_first.answer)
        self.asked.connect(self._turn.start, Qt.ConnectionType.QueuedConnection)
        if application is not None:
            application.aboutToQuit.connect(lambda: window_first.set_window(None))


def spare_standing_objects() -> None:
    """Leave all that is there now out of every later collection, and end full ones.

    A full collection looks at every object, and modules alone are hundreds of thousands: 40 ms in
    the middle of a movement. Called once the window stands, until when nothing is collected;
    short-lived cycles are from now on, and `Collector` does the rest.
    """
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)


class Collector(QObject):
    """Collects in full now and then, when neither the slide nor the hand moves.

    Very many objects that have come to stay are not looked at, but left out. What was left out and
    refers to itself is freed at the user's next rest, as all that the program holds is looked at
    then, or, where that takes longer than a tenth of a second, once the user is away.
    """

    def __init__(self, is_moving: Callable[[], bool], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._is_moving = is_moving
        # Fifteen million blocks of memory are counted in 2 ms; objects would have to be walked.
        self._most = sys.getallocatedblocks()
        """What was there at most since all was looked at."""
        self._left_out = self._most
        """What was there when others were left out beside it last."""
        self._has_left_out = False
        """Whether anything was, since all was looked at."""
        self._rest, self._absence = RestWatch(self), RestWatch(self, _AWAY_S, math.inf)
        self._timer = QTimer(self, interval=_EVERY_MS)
        self._timer.timeout.connect(self._collect)
        self._timer.start()

    def begin(self) -> None:
        """Leave out what is there now; called once the window stands."""
        spare_standing_objects()
        self._stand()

    def _stand(self) -> None:
        self._most = self._left_out = sys.getallocatedblocks()
        self._has_left_out = False

    @property
    def _is_in_the_way(self) -> bool:
        """Return whether a collection would be in the way now."""
        is_held = QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton
        return is_held or self._is_moving() or is_under_way()

    def _collect(self) -> None:
        if self._is_in_the_way:
            return
        now = sys.getallocatedblocks()
        self._most = max(self._most, now)
        self._has_left_out |= take_left_out()
        if self._is_worth_it(now):
            self._absence.wait(self._collect_left_out)
            if now < _FEW:
                self._rest.wait(self._collect_few_left_out)
        self._left_out = min(self._left_out, now)
        # As many may have come as went: all of a slide changed, or another slide opened.
        if now > self._left_out + _MANY or _come_to_stay() > MANY:
            gc.freeze()
            self._left_out, self._has_left_out = now, True
        else:
            gc.collect()

    def _collect_few_left_out(self) -> None:
        if sys.getallocatedblocks() < _FEW:
            self._collect_left_out()

    def _is_worth_it(self, now: int) -> bool:
        """Return whether some were left out, or very many went, since all was looked at."""
        return self._has_left_out or now < self._most - _MANY

    def _collect_left_out(self) -> None:
        # Rest and absence wait at the same time: whichever comes first does it.
        if self._is_worth_it(sys.getallocatedblocks()) and not self._is_in_the_way:
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            self._stand()


def _come_to_stay() -> int:
    """Return about how many objects came, and stayed, since the last full collection."""
    young, middle, _ = gc.get_threshold()
    return gc.get_count()[2] * young * middle
