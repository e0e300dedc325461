"""Imports what will be needed soon before it is, so that it does not hold up the window then."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from viewer.ui.background_runner import Urgency
from viewer.ui.user_input import RestWatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.ui.background_runner import BackgroundRunner

_REST_S = 1.0
"""Of mouse and keys, before modules are imported in the window's thread."""


class LoadingAhead(QObject):
    """Imports modules without Qt in a thread, the others one by one while the user rests.

    Before CPython 3.12 PySide keeps what it knows of its classes in one map, in which the window's
    thread looks things up without Python's lock: a class that another thread adds meanwhile can end
    the process by a segmentation fault (seen with PySide 6.11).

    Parameters
    ----------
    without_qt
        Modules that neither import PySide6 nor define a class of it.
    with_qt
        The others.
    """

    def __init__(
        self,
        without_qt: Sequence[str],
        with_qt: Sequence[str],
        background: BackgroundRunner,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._with_qt = list(with_qt)
        self._rest = RestWatch(self, rest_s=_REST_S)
        background.run(
            lambda: [import_module(name) for name in without_qt],
            lambda _: self._await_rest(),
            urgency=Urgency.REST,
        )

    def _await_rest(self) -> None:
        """Import at the next rest what an earlier window has not: to wait costs with each event."""
        self._with_qt = [name for name in self._with_qt if name not in sys.modules]
        if self._with_qt:
            self._rest.wait(self._import_next)

    def _import_next(self) -> None:
        import_module(self._with_qt.pop(0))
        if self._with_qt:
            QTimer.singleShot(0, self, self._import_next)  # paints, and answers the user, between
