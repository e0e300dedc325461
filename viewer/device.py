"""The name of this machine and home among those that write to one shared folder.

Each writes files of its own there, so that no lock has to be trusted that a network drive or a
synced folder may not keep. Several processes of one home have places of their own too.
"""

from __future__ import annotations

import hashlib
import os
import platform
from secrets import token_hex
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from viewer.access import OWNER_FILE, make_folder
from viewer.files.atomic_write import atomic_write_bytes
from viewer.files.set_aside import kept_bytes
from viewer.folders import data_folder

if TYPE_CHECKING:
    from pathlib import Path

_FILE = "device"
_LOCKS = "writers"
_LOCK_WAIT_S = 10.0
_MOST_WRITERS = 256


def device_name() -> str:
    """Return the name of this home on this machine: 12 hexadecimal digits that tell nothing.

    A home that was copied to another machine has another name there. Raises OSError.
    """
    path = data_folder() / _FILE
    with FileLock(_lock_path("device"), mode=OWNER_FILE, timeout=_LOCK_WAIT_S):
        content = kept_bytes(path, "The name of this machine among those of a shared folder")
        token = (content or b"").decode(errors="replace").strip()
        if not token:
            token = token_hex(16)
            atomic_write_bytes(path, token.encode(), mode=OWNER_FILE)
    whole = f"{token}\0{platform.node()}".encode()
    return hashlib.blake2b(whole, digest_size=6).hexdigest()


class WriterName:
    """The name of the one process that may write a file, held until it is released or dies.

    Parameters
    ----------
    what
        What is written, such as the beginning of the file's name.

    Raises
    ------
    OSError
        The home cannot be written.
    """

    def __init__(self, what: str) -> None:
        device = device_name()
        for slot in range(1, _MOST_WRITERS + 1):
            name = f"{device}-{slot}"
            lock = FileLock(_lock_path(f"{what}~{name}"), mode=OWNER_FILE, thread_local=False)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            self._lock = lock
            self.name = name
            return
        raise OSError(f"{_MOST_WRITERS} windows write to it already")

    def release(self) -> None:
        """Let another process take the name."""
        self._lock.release()


def files_of_writers(folder: Path, beginning: str) -> list[Path]:
    """Return the files of all writers whose names begin so, and what synced folders made of them.

    Raises OSError; a folder that is missing has none.
    """
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    return [folder / name for name in names if name.startswith(beginning)]


def _lock_path(what: str) -> Path:
    """Locks lie in the home, whose drive keeps them."""
    name = hashlib.blake2b(what.encode(), digest_size=12).hexdigest()
    return make_folder(data_folder() / _LOCKS) / f"{name}.lock"
