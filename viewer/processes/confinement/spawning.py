"""Starts a program while the other threads of this one go on.

`subprocess` keeps Python's lock until the new program has begun, 10 ms on an idle machine and a
second on a busy one, in which no window answers. The C library's `posix_spawn` is called without.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SET_SIGNALS, _NEW_SESSION = 0x04, 0x80
"""What POSIX_SPAWN_SETSIGDEF and POSIX_SPAWN_SETSID are (spawn.h)."""
_STRUCTURE_BYTES = 1024
"""More than any of the C library's structures for it takes, which are opaque."""
_FIRST_LOOK_S, _LAST_LOOK_S = 0.0005, 0.02
"""Between two looks at whether a process has ended."""


class SpawnedProcess:
    """A process that was started here, as `subprocess.Popen` has them; for any thread.

    Attributes
    ----------
    pid
        Its number, its own until it was waited for.
    stderr
        What it complains, as bytes.
    """

    def __init__(self, pid: int, stderr: IO[bytes]) -> None:
        self.pid = pid
        self.stderr = stderr
        self._lock = threading.Lock()
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return its exit status, negative of a signal; None while it runs."""
        with self._lock:
            if self._status is None:
                try:
                    pid, status = os.waitpid(self.pid, os.WNOHANG)
                except ChildProcessError:  # somebody else waited for all children
                    self._status = 0
                else:
                    self._status = os.waitstatus_to_exitcode(status) if pid else None
            return self._status

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for its end and return its exit status. Raise subprocess.TimeoutExpired."""
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        look_s = _FIRST_LOOK_S
        while (status := self.poll()) is None:
            if until_s is not None and time.monotonic() > until_s:
                raise subprocess.TimeoutExpired(str(self.pid), timeout_s or 0.0)
            time.sleep(look_s)
            look_s = min(2 * look_s, _LAST_LOOK_S)
        return status

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self.poll() is None:
            with self._lock:
                if self._status is None:
                    os.kill(self.pid, signal.SIGKILL)


def can_spawn() -> bool:
    """Return whether the C library of this system does what `spawn` needs."""
    return _library() is not None


def spawn(
    command: Sequence[str],
    *,
    folder: str,
    environment: Mapping[str, str],
    inherited_fds: Sequence[int] = (),
) -> SpawnedProcess:
    """Start a program in a session of its own; what it complains can be read.

    Of this process it has the descriptors that are inherited, under the same numbers, and any that
    a library left open for programs that are started.

    Parameters
    ----------
    command
        An absolute path, and arguments.
    folder
        Its working folder.

    Raises
    ------
    OSError
        It cannot be started.
    """
    library = _library()
    if library is None:
        raise OSError("The C library of this system starts no program in a folder.")
    ours, theirs = os.pipe()
    try:
        pid = _spawned(library, command, folder, environment, inherited_fds, theirs)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return SpawnedProcess(pid, os.fdopen(ours, "rb"))


def _spawned(
    library: ctypes.CDLL,
    command: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    inherited_fds: Sequence[int],
    stderr_fd: int,
) -> int:
    actions, attributes, signals = (ctypes.create_string_buffer(_STRUCTURE_BYTES) for _ in range(3))
    null = os.fsencode(os.devnull)
    pid = ctypes.c_int()
    _checked(library.posix_spawn_file_actions_init(actions))
    _checked(library.posix_spawnattr_init(attributes))
    try:
        add = library.posix_spawn_file_actions_adddup2
        _checked(add(actions, stderr_fd, 2))
        for standard, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY)):
            open_ = library.posix_spawn_file_actions_addopen
            _checked(open_(actions, standard, null, mode, 0))
        for descriptor in inherited_fds:
            _checked(add(actions, descriptor, descriptor))  # no longer closed at the start
        chdir = library.posix_spawn_file_actions_addchdir_np
        _checked(chdir(actions, os.fsencode(folder)))
        library.sigemptyset(signals)
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and so by what it starts
            library.sigaddset(signals, int(ignored))
        _checked(library.posix_spawnattr_setsigdefault(attributes, signals))
        flags = ctypes.c_short(_SET_SIGNALS | _NEW_SESSION)
        _checked(library.posix_spawnattr_setflags(attributes, flags))
        pairs = (f"{name}={value}" for name, value in environment.items())
        _checked(
            library.posix_spawn(
                ctypes.byref(pid),
                os.fsencode(command[0]),
                actions,
                attributes,
                _strings(command),
                _strings([*pairs]),
            )
        )
    finally:
        library.posix_spawn_file_actions_destroy(actions)
        library.posix_spawnattr_destroy(attributes)
    return pid.value


def _strings(texts: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
    """Return the texts as C wants them, the end marked. Raise ValueError of a null in one."""
    coded = [os.fsencode(text) for text in texts]
    if any(b"\0" in each for each in coded):
        raise ValueError("embedded null byte")
    return (ctypes.c_char_p * (len(coded) + 1))(*coded, None)


def _checked(error: int) -> None:
    if error:
        raise OSError(error, os.strerror(error))


@cache
def _library() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)  # its functions are called without Python's lock
        _ = library.posix_spawn_file_actions_addchdir_np  # since glibc 2.29
        _ = library.posix_spawn
    except (OSError, AttributeError):
        return None
    return library
