"""What the allocator of the C library keeps of memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def give_memory_back() -> None:
    """Give back whole pages that nothing lies in; elsewhere than with glibc this does nothing.

    It keeps what threads freed until they need it again: of a million annotations that were
    changed, hundreds of megabytes. Takes some hundredths of a second, in which Python goes on.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library than glibc
        return None
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return trim
