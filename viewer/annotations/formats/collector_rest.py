"""Lets Python's collector rest while many annotations are made or written."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_spares = False
"""Whether objects were left out of collections once: to count them, Python walks through them all,
in milliseconds for each file that is read in a window."""


@contextmanager
def collector_at_rest() -> Generator[None]:
    """Look for no cycles within the block: annotations hold none, and looking takes a third more.

    For threads that end their block at different times the last one wakes it too early or too
    late, which costs time alone.
    """
    global _spares
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_collecting:
            _spares = _spares or gc.get_freeze_count() > 0
            if not _spares:
                # To the old ones: looking through so many new ones is 2 s for a million.
                gc.freeze()
                gc.unfreeze()
            gc.enable()
