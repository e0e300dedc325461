"""What the allocator of the C library keeps of memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
"""What `mallopt` calls them (malloc.h)."""
_ARENAS = 2
_LARGE_TILE_BYTES, _TILES_BYTES = 4 << 20, 64 << 20
_KEPT_BYTES = 512 << 20
_GROWTH_BYTES = 64 << 20
_LARGEST_BYTES = 1 << 30
"""Larger parts come from the system and go back to it, one by one."""


def share_arenas() -> None:
    """Let all threads take memory from the same two arenas; without glibc this does nothing.

    By itself it makes eight a processor, and each comes to keep up to 64 MB of what was freed once
    threads have computed with large arrays: `give_memory_back` does not reach the end of an arena.
    Called before threads start.
    """
    _set({_ARENA_MAX: _ARENAS})


def keep_memory_of_tiles() -> None:
    """Let memory of tiles that go serve those that come; without glibc this does nothing.

    By itself it gives the end of what it has back as soon as some hundred kilobytes are free there.
    By luck of what lay there each tile had its pages taken away and given anew: 5,000 JPEG tiles of
    256 px a second instead of 6,500. `give_memory_back` gives them back where much was freed.
    """
    _set({_MMAP_THRESHOLD: _LARGE_TILE_BYTES, _TRIM_THRESHOLD: _TILES_BYTES})


def keep_freed_memory() -> None:
    """Let memory of one computation serve the next; without glibc this does nothing.

    By itself glibc gives each large array back when it is freed. A network makes the same ones
    again and again, and a third of its time went into getting pages and clearing them. Called
    before threads start; `give_memory_back` ends a computation.
    """
    _set(
        {
            _MMAP_THRESHOLD: _LARGEST_BYTES,
            _TRIM_THRESHOLD: _KEPT_BYTES,
            _TOP_PAD: _GROWTH_BYTES,
            _ARENA_MAX: 1,  # another than the first holds no large arrays
        }
    )


def give_memory_back() -> None:
    """Give back whole pages that nothing lies in; elsewhere than with glibc this does nothing.

    It keeps what threads freed until they need it again: of a million annotations that were
    changed, hundreds of megabytes. Takes some hundredths of a second, in which Python goes on.
    """
    trim = _of_glibc("malloc_trim", ctypes.c_size_t)
    if trim is not None:
        trim(0)


def _set(values: dict[int, int]) -> None:
    change = _of_glibc("mallopt", ctypes.c_int, ctypes.c_int)
    if change is not None:
        for parameter, value in values.items():
            change(parameter, value)


@cache
def _of_glibc(name: str, *takes: type[ctypes.c_int | ctypes.c_size_t]) -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        found = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):  # another C library than glibc
        return None
    found.argtypes, found.restype = takes, ctypes.c_int
    return found
