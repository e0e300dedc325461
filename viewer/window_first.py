"""Work in threads gives way to the window.

Python lets one thread compute at a time, and no one first: a window that takes its turn among three
others is late by all of theirs. So they ask it now and then whether it has something to do, go on,
and wait once its answer is late, which it gives when that is done.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

_EVERY_S = 0.002
"""Work between two looks at whether the window has answered, and until it is late."""
_WAIT_S = 0.05
"""For an answer. A window that waits for the work itself, as when it closes, gives none: after each
wait in vain a thread works twice as long until the next."""
_LONGEST_S = 1.0
"""Between two waits in vain."""
_AT_ONCE = 100
_LONGEST_FRAME_S = 0.05
_T = TypeVar("_T")


class _Asked(threading.local):
    """When a thread went on last."""

    went_on_s = 0.0


class _Window:
    """Whom threads ask; one question is on its way at a time, for all of them."""

    def __init__(self) -> None:
        self.ask: Callable[[], object] | None = None
        self.thread = 0
        self.answered = threading.Event()
        self.answered.set()
        self.works_s = _EVERY_S
        self.waits_from_s = 0.0
        """When threads begin to wait for its answer, `works_s` after they went on."""
        self.lock = threading.Lock()


_window = _Window()
_asked = _Asked()
_is_drawn = threading.Event()
_is_drawn.set()


def set_window(ask: Callable[[], object] | None) -> None:
    """Let threads give way to the one that calls this; None ends it.

    `ask` is called in any thread, and has `answer` called in the window's once that has done what
    it had to do before.
    """
    _window.ask, _window.thread = ask, threading.get_ident()
    _window.answered.set()


def answer() -> None:
    """Tell the threads that wait that the window has nothing to do."""
    _window.answered.set()


def give_way() -> None:
    """Wait while the window is late, though not for ever; called every few hundred things of work.

    It returns at once where there is no window, in the window's own thread, and soon after it was
    called before. Nobody may hold a lock here that the window's thread asks for.
    """
    ask = _window.ask
    if ask is None or threading.get_ident() == _window.thread:
        return
    now_s = time.perf_counter()
    if now_s < _asked.went_on_s + _EVERY_S:
        return
    if _take_question():
        ask()
    elif now_s >= _window.waits_from_s:
        _wait()
    _asked.went_on_s = time.perf_counter()


def wait_for_window() -> None:
    """Wait until the window has done what it is at, though not for ever.

    Called before work begins that the window asked for: it would take turns with what the window
    does until then, which can take nothing from it sooner.
    """
    ask = _window.ask
    if ask is None or threading.get_ident() == _window.thread:
        return
    if _take_question():
        ask()
        _wait()
    elif _window.works_s == _EVERY_S or time.perf_counter() >= _window.waits_from_s:
        _wait()
    _asked.went_on_s = time.perf_counter()


def _take_question() -> bool:
    """Return whether the window is to be asked now: one question is on its way at a time."""
    with _window.lock:
        if not _window.answered.is_set():
            return False
        _window.answered.clear()
        _window.works_s, _window.waits_from_s = _EVERY_S, time.perf_counter() + _EVERY_S
        return True


def _wait() -> None:
    works_s = _window.works_s
    if not _window.answered.wait(_WAIT_S):
        _window.works_s = min(2 * works_s, _LONGEST_S)
        _window.waits_from_s = time.perf_counter() + _window.works_s


@contextlib.contextmanager
def drawing_in_motion() -> Generator[None]:
    """Have threads wait in `wait_for_frame` until a frame is drawn that another follows at once.

    To draw takes hundreds of calls that leave the interpreter's lock to others, and each waits for
    it in the end behind all who compute.
    """
    _is_drawn.clear()
    try:
        yield
    finally:
        _is_drawn.set()


def wait_for_frame() -> None:
    """Wait while the window draws in motion, though not for long; called before a short work."""
    _is_drawn.wait(_LONGEST_FRAME_S)


def giving_way(things: Iterable[_T]) -> Iterator[_T]:
    """Yield things, and give way among them."""
    for number, each in enumerate(things):
        if number % _AT_ONCE == 0:
            give_way()
        yield each
