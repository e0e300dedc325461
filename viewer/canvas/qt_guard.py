"""Keeps errors of our Qt virtuals inside Python.

On CPython 3.11 an error that leaves a virtual method can end the process: raised by C code
(`[][0]`, `1 // 0`) below a Python `event()`, PySide turns it into a segmentation fault. So every
method that Qt calls by overriding is guarded at its own edge.
"""

from __future__ import annotations

import functools
import logging
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from PySide6.QtCore import QObject, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

GUARD_MARK = "is_qt_guard"
"""The attribute by which a guarded method is known."""

_log = logging.getLogger(__name__)
_QUIET_S = 5.0
"""A paint can fail sixty times a second: one place is logged at most this often."""


class HandlerFailures(QObject):
    """Says which handlers failed; the window shows it."""

    failed = Signal(str, str)
    """The place in the code, the same for each failure there, and one sentence for the user."""

    def __init__(self) -> None:
        super().__init__()
        self._logged_s: dict[str, float] = {}

    def report(self, handler: str, error: Exception) -> None:
        """Log an error with its traceback and tell the window."""
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{handler} {frame.filename}:{frame.lineno} {type(error).__name__}"
        now_s = time.monotonic()
        if now_s - self._logged_s.get(place, -_QUIET_S) < _QUIET_S:
            return
        self._logged_s[place] = now_s
        _log.error("unexpected error in %s", handler, exc_info=error)
        at = f"{Path(frame.filename).name}:{frame.lineno}"
        self.failed.emit(
            place,
            f"Something failed ({type(error).__name__} in {at}). You can go on working; "
            "what is on screen may be incomplete. Details are in the log.",
        )


failures = HandlerFailures()
"""Of all windows."""


def guarded(fallback: object = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate an override of a Qt method: its errors are reported, and `fallback` is returned.

    Parameters
    ----------
    fallback
        What Qt gets where the method fails: False of a filter, nothing of an event handler, a
        neutral value of the method's type elsewhere.
    """

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        name = getattr(method, "__qualname__", repr(method))

        @functools.wraps(method)
        def guard(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return method(*args, **kwargs)
            except Exception as error:
                failures.report(name, error)
                return cast("R", fallback)

        setattr(guard, GUARD_MARK, True)
        return guard

    return decorate
