"""Which processor cores threads run on, where the operating system lets a program say so.

Linux wakes two threads on one core and moves one of them away only milliseconds later, which is as
long as the tiles of a whole view take: two workers on two cores were hardly faster than one.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable


def keep_apart(index: int, count: int) -> None:
    """Let this thread, one of `count` that share work, run on its own part of the cores alone.

    Where cores are few, something else may be at work on its part: the others take over what it
    would have done. Threads and processes that it starts are bound like it, see `on_all_cores`.
    """
    cores = _cores_of_program()
    if own := sorted(cores)[index::count]:
        _bind(own)


@contextmanager
def on_all_cores() -> Generator[None]:
    """Let what this thread starts meanwhile run on all cores of the program."""
    cores = _cores_of_program()
    own = os.sched_getaffinity(0) if cores else cores
    if own == cores:
        yield
        return
    _bind(cores)
    try:
        yield
    finally:
        _bind(own)


def _cores_of_program() -> set[int]:
    """Return the cores that the main thread may run on, which nobody binds; none if not known."""
    return os.sched_getaffinity(os.getpid()) if hasattr(os, "sched_getaffinity") else set()


def _bind(cores: Iterable[int]) -> None:
    # Cores can be taken from a program while it runs; then the kernel knows better.
    with suppress(OSError):
        os.sched_setaffinity(0, cores)
