"""Imports what will be needed soon before it is, so that it does not hold up the window then."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from viewer.ui.background_runner import Urgency
from viewer.ui.user_input import RestWatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from viewer.ui.background_runner import BackgroundRunner

_REST_S = 1.0
"""Of mouse and keys, before modules are imported in the window's thread."""
_ALL_OF = ".*"
_CLASSES_AT_ONCE = 20


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
        The others. Of "module.*" all classes are made, some at a time: PySide makes each when it is
        first asked for, and `from module import *` asks for all.
    """

    def __init__(
        self,
        without_qt: Sequence[str],
        with_qt: Sequence[str],
        background: BackgroundRunner,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._steps = _steps(with_qt)
        self._rest = RestWatch(self, rest_s=_REST_S)
        # What an earlier window has imported is there: to wait for a rest costs with each event.
        is_there = {name.removesuffix(_ALL_OF) for name in with_qt} <= sys.modules.keys()
        background.run(
            lambda: [import_module(name) for name in without_qt],
            lambda _: None if is_there else self._rest.wait(self._take_step),
            urgency=Urgency.REST,
        )

    def _take_step(self) -> None:
        if next(self._steps, False):
            QTimer.singleShot(0, self, self._take_step)  # paints, and answers the user, between


def _steps(names: Sequence[str]) -> Iterator[bool]:
    """Import modules; yields true after some milliseconds each."""
    for name in names:
        module = import_module(name.removesuffix(_ALL_OF))
        yield True
        if name.endswith(_ALL_OF):
            for number, each in enumerate(dir(module)):
                getattr(module, each, None)
                if number % _CLASSES_AT_ONCE == 0:
                    yield True
