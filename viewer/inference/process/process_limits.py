"""How much memory a model process may take and how long it may be silent."""

from __future__ import annotations

import os

import psutil

NO_PROGRESS_S = 60.0
"""A process that was asked for something and achieves nothing for as long is stopped."""
MEMORY_VARIABLE = "COVERSLIP_MODEL_MEMORY_GIB"
_MEMORY_SHARE = 0.75
_GIB = 1 << 30


def memory_limit_bytes() -> int:
    """Return three quarters of the machine's memory, or what COVERSLIP_MODEL_MEMORY_GIB says."""
    try:
        return int(float(os.environ[MEMORY_VARIABLE]) * _GIB)
    except (KeyError, ValueError, OverflowError):
        return int(psutil.virtual_memory().total * _MEMORY_SHARE)


def too_much_memory(limit_bytes: int) -> str:
    """Return the sentence about a process that was stopped for its memory."""
    return (
        f"The model took more than {limit_bytes / _GIB:.1f} GiB of memory and was stopped "
        f"({MEMORY_VARIABLE} sets another limit)."
    )


def no_progress() -> str:
    """Return the sentence about a process that was stopped because it achieved nothing."""
    return f"The model made no progress for {NO_PROGRESS_S:.0f} s and was stopped."
