"""Frees very many objects piece by piece in a thread: at once it would hold up every other one."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from viewer.memory.allocator import give_memory_back
from viewer.unwaited_thread import UnwaitedThread
from viewer.window_first import give_way

if TYPE_CHECKING:
    from collections.abc import Generator

    from viewer.memory.long_list import LongList
    from viewer.progress import Tell

_AT_ONCE = 500
_MANY = 50_000
"""Objects whose room is given back to the system once they are freed: of a million at once that
takes a tenth of a second, in which nobody gets memory, not the window either."""
_LATER_S = 0.5
"""Until whoever hands something over has let go of it, too: the last one frees it."""
_MOST_LOOKS = 120
"""At something that others still use: after a minute the last of them frees it."""
_ALONE = 2
"""References to what nobody else has: a name here, and the question after their number."""

_ROOM_S = 10.0
"""Somebody may use what is to be freed for longer."""
_LOOK_S = 0.05

_Container = list[Any] | dict[Any, Any]


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

    Of a list of lists or dictionaries each is let go of by itself.
    """
    _release(*(_Waiting(each) for each in containers if each))


def release_unshared(*containers: _Container) -> None:
    """Empty containers as `release_slowly` does, each as soon as nobody else refers to it."""
    _release(*(_Waiting(each, _MOST_LOOKS) for each in containers if each))


def _release(*waiting: _Waiting) -> None:
    global _is_running
    with _lock:
        _waiting.extend(waiting)
        if _is_running or not _waiting:
            return
        _is_running = True
    UnwaitedThread(_serve, "slow release").start()


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
        return _under_way + sum(_size(each.container) for each in _waiting) > _MANY


def _size(container: _Container) -> int:
    """Return how many things a container holds, of a list of lists about how many those hold."""
    return len(container) * (len(container[0]) if _is_nested(container) else 1)


def _is_nested(container: _Container) -> TypeGuard[list[_Container]]:
    return isinstance(container, list) and bool(container) and isinstance(container[0], list | dict)


@contextmanager
def let_go_if_stopped(found: LongList[Any]) -> Generator[None]:
    """Free what was gathered so far piece by piece where the work in the block is stopped."""
    try:
        yield
    except BaseException:
        waiting = [*found.parts]
        found.parts.clear()
        release_slowly(waiting)
        raise


def _serve() -> None:
    global _is_running
    freed = _Freed()
    while True:
        time.sleep(_LATER_S)
        with _lock:
            count = len(_waiting)
            if not count and not freed.is_left:
                _is_running = False
                return
        if not count:
            freed.give_back()
        # All that waited as long, not one after each wait: who opens a file waits for them.
        for _ in range(count):
            _free_next(freed)


def _free_next(freed: _Freed) -> None:
    global _under_way
    with _lock:
        container, looks = _waiting.popleft()
        _under_way = _size(container)
    if looks and sys.getrefcount(container) > _ALONE:
        if looks > 1:
            _release(_Waiting(container, looks - 1))
    else:
        _empty(container, freed)
    _under_way = 0


class _Freed:
    """Counts what was freed, and gives its room back part by part.

    Attributes
    ----------
    is_left
        Whether there is more to give back, of very much.
    """

    def __init__(self) -> None:
        self._count = 0
        self._was_many = False

    @property
    def is_left(self) -> bool:
        return self._was_many and self._count > 0

    def note(self, count: int) -> None:
        self._count += count
        if self._count >= _MANY:
            self.give_back()
            self._was_many = True

    def give_back(self) -> None:
        self._count = 0
        self._was_many = False
        give_memory_back()


def _empty(container: _Container, freed: _Freed) -> None:
    if _is_nested(container):
        while container:
            give_way()
            part = container.pop()
            if isinstance(part, list) and sys.getrefcount(part) == _ALONE:
                _empty(part, freed)
            else:
                freed.note(len(part))
        return
    while container:
        give_way()
        count = min(_AT_ONCE, len(container))
        _shorten(container, count)
        freed.note(count)


def _shorten(container: _Container, count: int) -> None:
    if isinstance(container, list):
        del container[-count:]
    else:
        for _ in range(count):
            container.popitem()
