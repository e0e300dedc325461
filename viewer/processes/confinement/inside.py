"""What a confined process knows of its confinement, and how it gives up further rights."""

from __future__ import annotations

import os

_readable: list[str] | None = None


def remember(readable: list[str]) -> None:
    """Keep which paths may be read; called once by the entry of the process."""
    global _readable
    _readable = list(readable)


def is_confined() -> bool:
    """Return whether this process was confined at its start."""
    return _readable is not None


def narrow(readable: list[str], *, instead_of: list[str] | tuple[str, ...] = ()) -> None:
    """Allow from now on only the libraries and these paths to be read; nothing more to be written.

    Call it while the process has one thread: a thread that exists already keeps its rights. Where
    the process is not confined nothing happens.

    Parameters
    ----------
    readable
        Files, and folders with all that they hold.
    instead_of
        What the process was given at its start and gives up, such as "/".

    Raises
    ------
    RuntimeError
        There is more than one thread.
    LandlockError
        The kernel refused.
    """
    if _readable is None:
        return
    from viewer.processes.confinement import landlock

    if len(os.listdir("/proc/self/task")) != 1:
        raise RuntimeError("Rights can only be given up while there is one thread.")
    kept = [path for path in _readable if path not in instead_of]
    landlock.restrict([*kept, *readable], devices=["/dev/null"])
    remember([*kept, *readable])
