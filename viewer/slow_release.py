"""Frees very many objects piece by piece in a thread: at once it would hold up every other one."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from viewer.window_first import give_way

if TYPE_CHECKING:
    from collections.abc import Generator

_AT_ONCE = 500
_LATER_S = 0.5
"""Until whoever hands something over has let go of it, too: the last one frees it."""
_waiting: deque[list[Any] | dict[Any, Any]] = deque()
_lock = threading.Lock()
_is_running = False


def release_slowly(*containers: list[Any] | dict[Any, Any]) -> None:
    """Empty containers that nobody uses any more, in a thread that ends when it is done."""
    global _is_running
    with _lock:
        _waiting.extend(each for each in containers if each)
        if _is_running or not _waiting:
            return
        _is_running = True
    threading.Thread(target=_serve, name="release", daemon=True).start()


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
    global _is_running
    while True:
        time.sleep(_LATER_S)
        with _lock:
            if not _waiting:
                _is_running = False
                return
            container = _waiting.popleft()
        _empty(container)


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
