"""Frees very many objects piece by piece in a thread: at once it would hold up every other one."""

from __future__ import annotations

import sys
import threading
import time
from _thread import start_new_thread
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from viewer.allocator import give_memory_back
from viewer.window_first import give_way

if TYPE_CHECKING:
    from collections.abc import Generator

    from viewer.progress import Tell

_AT_ONCE = 500
_MANY = 50_000
"""Objects whose room is worth giving back to the system once they are freed."""
_LATER_S = 0.5
"""Until whoever hands something over has let go of it, too: the last one frees it."""
_MOST_LOOKS = 120
"""At something that others still use: after a minute the last of them frees it."""
_ALONE = 2
"""References to what nobody else has: a name here, and the question after their number."""

_ROOM_S = 10.0
"""Somebody may use what is to be freed for longer."""
_LOOK_S = 0.05

_Container = list[Any] | dict[Any, Any] | tuple[Any, ...] | frozenset[Any]


class _Waiting(NamedTuple):
    """What is to be freed, or looked at again so many times where others may use it still."""

    container: _Container
    looks: int = 0


_waiting: deque[_Waiting] = deque()
_lock = threading.Lock()
_is_running = False
_under_way = 0
"""Things in what is being emptied now."""


def release_slowly(*containers: _Container | None) -> None:
    """Empty containers that nobody uses any more, in a thread that ends when it is done.

    Tuples and sets, which cannot be emptied, are only let go of, the things in a tuple one by one.
    """
    _release(*(_Waiting(each) for each in containers if each))


def release_unshared(*containers: dict[Any, Any]) -> None:
    """Empty containers as `release_slowly` does, each as soon as nobody else refers to it."""
    _release(*(_Waiting(each, _MOST_LOOKS) for each in containers if each))


def _release(*waiting: _Waiting) -> None:
    global _is_running
    with _lock:
        _waiting.extend(waiting)
        if _is_running or not _waiting:
            return
        _is_running = True
    # A `Thread` lets the window's thread wait until it has begun, which takes its turn from it.
    start_new_thread(_serve, ())


def wait_for_room(tell: Tell) -> None:
    """Wait a moment while very much is being freed, before as much is made in a thread.

    Both take turns else, and what is freed would be there twice. `tell` may raise to end it.
    """
    until_s = time.monotonic() + _ROOM_S
    while _is_releasing_many() and time.monotonic() < until_s:
        tell(0.0)
        time.sleep(_LOOK_S)


def _is_releasing_many() -> bool:
    with _lock:
        return _under_way + sum(len(each.container) for each in _waiting) > _MANY


@contextmanager
def let_go_if_stopped(found: list[Any]) -> Generator[None]:
    """Free what was gathered so far piece by piece where the work in the block is stopped."""
    try:
        yield
    except BaseException:
        waiting = found[:]
        found.clear()
        release_slowly(waiting)
        raise


def _serve() -> None:
    global _is_running, _under_way
    released = 0
    while True:
        time.sleep(_LATER_S)
        with _lock:
            waiting = _waiting.popleft() if _waiting else None
            _under_way = len(waiting.container) if waiting is not None else 0
            if waiting is None and released < _MANY:
                _is_running = False
                return
        if waiting is None:
            give_memory_back()
            released = 0
            continue
        container, looks = waiting
        del waiting
        if looks and sys.getrefcount(container) > _ALONE:
            if looks > 1:
                _release(_Waiting(container, looks - 1))
        else:
            released += len(container)
            if isinstance(container, tuple):
                pieces = _pieces(container)
                container = pieces  # the tuple goes, and with it nothing yet
                while pieces:
                    give_way()
                    pieces.pop()
            elif not isinstance(container, frozenset):
                _empty(container)
        del container


def _pieces(things: tuple[Any, ...]) -> list[list[Any]]:
    """Return what a tuple holds, in lists that can be freed one by one."""
    pieces: list[list[Any]] = []
    for start in range(0, len(things), _AT_ONCE):
        give_way()
        pieces.append(list(things[start : start + _AT_ONCE]))
    return pieces


def _empty(container: list[Any] | dict[Any, Any]) -> None:
    if isinstance(container, list):
        while container:
            give_way()
            del container[-_AT_ONCE:]
        return
    while container:
        give_way()
        for _ in range(min(_AT_ONCE, len(container))):
            container.popitem()
