"""Runs side by side share the work: each piece is done by one of them."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path


def do_each(pieces: Iterable[tuple[Path, Callable[[], object]]]) -> None:
    """Do what is not there yet: first what no other run is at, then wait for the others.

    Parameters
    ----------
    pieces
        What a piece makes, and how. It is there when the path is.
    """
    pieces = list(pieces)
    for waits in (False, True):
        for path, make in pieces:
            if path.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with alone(path, waits=waits) as is_alone:
                if is_alone and not path.exists():
                    make()


@contextmanager
def alone(path: Path, *, waits: bool = True) -> Generator[bool]:
    """Hold a piece of work, and give whether it is held; without waiting it may not be."""
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
