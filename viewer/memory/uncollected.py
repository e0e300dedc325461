"""Lets work that makes very many objects go on without Python looking through them."""

from __future__ import annotations

import gc
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

MANY = 50_000
"""Objects that take longer than a frame to look at."""
_LONG_S = 0.05
"""Computed by a thread that may have made as many."""


class _Work:
    """How many blocks are under way, and whether what one made was left out since it was asked."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.under_way = 0
        self.was_enabled = False
        self.has_left_out = False


_work = _Work()


@contextmanager
def uncollected(count: int = 0) -> Generator[None]:
    """Let nothing be collected during the block, and leave out of later collections what it made.

    A collection of what is young looks at each new container once, in whichever thread makes the
    next object, while all others wait: at a set of a million ids for 50 ms, and often it is the
    window's thread. For threads that make such containers, none of which refers to itself.

    Parameters
    ----------
    count
        How many things the containers hold that are made. Of few, and where few objects came
        during a short block, nothing is left out: Python counts those that go at the same time
        against those that come.
    """
    began_s = time.thread_time()
    with _work.lock:
        if not _work.under_way:
            _work.was_enabled = gc.isenabled()
            gc.disable()
        _work.under_way += 1
    try:
        yield
    finally:
        with _work.lock:
            is_long = time.thread_time() - began_s > _LONG_S
            if is_long or max(count, gc.get_count()[0]) > MANY:
                gc.freeze()
                _work.has_left_out = True
            _work.under_way -= 1
            if not _work.under_way and _work.was_enabled:
                gc.enable()


def is_under_way() -> bool:
    """Return whether such a block is under way, whose objects nobody may look through."""
    return _work.under_way > 0


def take_left_out() -> bool:
    """Return whether anything was left out since this was asked last; `gc.unfreeze` ends that."""
    with _work.lock:
        found, _work.has_left_out = _work.has_left_out, False
        return found
