"""The window that runs: a later start hands its slides over to it and ends.

Agents of other programs attach to it at a socket of their own (`Purpose`).

There is one such window a user and home. Whoever holds a lock that the system lets go of with its
process listens at a socket in a folder that only the user may enter, so what a killed window left
stops no start. A start that gets no answer opens a window of its own. Systems without such sockets
open a window at each start.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import stat
import struct
import sys
import tempfile
import time
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import msgspec
from filelock import FileLock, Timeout

from viewer.folders import config_folder
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.slides.remote.address import full_address, slide_path

_log = logging.getLogger(__name__)
_PATIENCE_S = 10.0
"""For a window that is starting or busy; one that hangs for longer is left alone."""
_TRIES, _BETWEEN_S = 5, 0.05
MOST_BYTES = 1 << 20
_MOST_PATHS = 10_000
ANSWER = b"opened\n"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


Purpose = Literal["slides", "agents"]
"""What a socket is for: later starts hand slides over at one, agents attach at the other."""


class _Request(msgspec.Struct, frozen=True):
    """What a later start asks: nothing but which slides, folders and projects to open."""

    paths: list[str]


class RunningWindow:
    """A socket at which this process is asked for something; `close` gives it up."""

    def __init__(self, lock: FileLock, listener: socket.socket, path: Path) -> None:
        self._lock = lock
        self.listener = listener
        self._path = path

    @classmethod
    def claim(cls, purpose: Purpose = "slides") -> RunningWindow | None:
        """Be the window that others ask; None where another process is, or none can be."""
        path = _socket_path(purpose)
        if path is None:
            return None
        lock = FileLock(path.with_suffix(".lock"), mode=0o600)
        listener = None
        try:
            lock.acquire(blocking=False)
            path.unlink(missing_ok=True)  # of a window that was killed
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(path))
            path.chmod(0o600)
            listener.listen()
            listener.setblocking(False)
        except Timeout:
            return None
        except (OSError, NotImplementedError) as error:
            _log.warning("This window cannot be asked for %s (%s)", purpose, error)
            if listener is not None:
                listener.close()
            lock.release()
            return None
        return cls(lock, listener, path)

    def accept(self) -> socket.socket | None:
        """Return the next connection of the same user; None where there is none."""
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return None
        connection.setblocking(False)
        if _is_own(connection):
            return connection
        connection.close()
        return None

    def close(self) -> None:
        """Listen no more; the next start is the first again."""
        self.listener.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._lock.release()


def read_request(data: bytes) -> list[Path] | None:
    """Return the paths that a start asks to open; None for anything else, which is not answered."""
    try:
        paths = msgspec.json.decode(data, type=prepared(_Request)).paths
    except DECODE_ERRORS:
        return None
    if len(paths) > _MOST_PATHS or any("\0" in path for path in paths):
        return None
    if not all(os.path.isabs(path) or _ADDRESS.match(path) for path in paths):
        return None
    return [slide_path(path) for path in paths]


def hand_over(paths: list[Path], patience_s: float = _PATIENCE_S) -> bool:
    """Have the window that runs open these paths; False where none answers."""
    place = _socket_path("slides")
    if place is None:
        return False
    request = _Request([_absolute(full_address(path)) for path in paths])
    try:
        with _connected(place, patience_s) as connection:
            if not _is_own(connection):
                return False
            connection.sendall(msgspec.json.encode(request) + b"\n")
            return connection.recv(len(ANSWER)) == ANSWER
    except OSError:  # nobody listens any more, or nobody answers
        return False


def attach(patience_s: float = _PATIENCE_S) -> socket.socket | None:
    """Return a connection to the window that runs, for an agent; None where there is none."""
    place = _socket_path("agents")
    if place is None:
        return None
    try:
        connection = _connected(place, patience_s)
    except OSError:
        return None
    if _is_own(connection):
        connection.settimeout(None)
        return connection
    connection.close()
    return None


def _connected(place: Path, patience_s: float) -> socket.socket:
    """Return a connection; a window that begins at this moment has a moment. Raises OSError."""
    for _ in range(_TRIES):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(patience_s)
        try:
            connection.connect(str(place))
            return connection
        except (ConnectionRefusedError, FileNotFoundError):
            connection.close()
            time.sleep(_BETWEEN_S)
        except OSError:
            connection.close()
            raise
    raise ConnectionRefusedError


def _absolute(path: str) -> str:
    return path if _ADDRESS.match(path) else os.path.abspath(path)


def _socket_path(purpose: Purpose = "slides") -> Path | None:
    """Return where the window of this user and home listens; None where that is not possible."""
    if not hasattr(socket, "AF_UNIX") or not hasattr(os, "getuid"):
        return None
    folder = _own_folder()
    if folder is None:
        return None
    home = blake2b(os.path.realpath(config_folder()).encode(), digest_size=8).hexdigest()
    return folder / (f"{home}.socket" if purpose == "slides" else f"{home}-{purpose}.socket")


def _own_folder() -> Path | None:
    """Return a folder on this machine that nobody else may enter; homes may lie on a share."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    for base, name in ((runtime, "coverslip"), (tempfile.gettempdir(), f"coverslip-{os.getuid()}")):
        if not base:
            continue
        folder = Path(base) / name
        try:
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o700)
            found = folder.lstat()
        except OSError:
            continue
        # Another user may have made it first, to be told what is opened here.
        is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        if is_own and not found.st_mode & 0o077:
            return folder
    return None


def _is_own(connection: socket.socket) -> bool:
    """Return whether the process at the other end is of the same user, where the system tells."""
    if sys.platform != "linux":
        return True
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return struct.unpack("3i", credentials)[1] == os.getuid()
