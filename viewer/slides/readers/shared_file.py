"""A file that many threads read at once."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from viewer.limits import open_regular
from viewer.slides.remote.ranged import RangedBytes, ranges_of

if TYPE_CHECKING:
    from pathlib import Path


def shared_file(path: Path) -> AnyFile:
    """Return what reads a slide's file from many threads, be it here or on a server.

    Raises OSError.
    """
    return ranges_of(path) or SharedFile(path)


class SharedFile:
    """Reads at any position from any thread.

    The file closes when its last user lets go of the object, never under a read: a number of a
    closed file could by then belong to another file.
    """

    def __init__(self, path: Path) -> None:
        self._file = open_regular(path)
        self._fd = self._file.fileno()
        self._seek_lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """Return how long the file is now."""
        return os.fstat(self._fd).st_size

    def expect(self, ranges: list[tuple[int, int]]) -> None:
        """Take note of what will be read; of a file on the disk there is nothing to do."""

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    if hasattr(os, "pread"):

        def read(self, offset: int, size: int) -> bytes:
            """Return the bytes there; fewer than `size` at the file's end. Raises OSError."""
            return os.pread(self._fd, size, offset)

    else:  # Windows

        def read(self, offset: int, size: int) -> bytes:
            """Return the bytes there; fewer than `size` at the file's end. Raises OSError."""
            with self._seek_lock:
                os.lseek(self._fd, offset, os.SEEK_SET)
                return os.read(self._fd, size)


AnyFile = SharedFile | RangedBytes
"""What is read by ranges: a file of this machine, or one on a server."""
