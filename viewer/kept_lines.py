"""Append-only files of checksummed lines, which several programs can read while one writes.

A line is the CRC-32 of its body in eight hexadecimal digits, a space and the body. A line that a
crash, a full disk or a drive tore is passed over; lines before and after it hold.
"""

from __future__ import annotations

import contextlib
import os
import stat
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from viewer.access import make_folder, open_kept
from viewer.limits import LOG_BYTES, open_regular

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_BINARY = getattr(os, "O_BINARY", 0)
_CHECK_CHARACTERS = 8


def line_of(body: bytes) -> bytes:
    """Return a body as a line; it must hold no line feed, as JSON does not."""
    return b"%08x %b\n" % (zlib.crc32(body), body)


def append_lines(path: Path, bodies: Iterable[bytes]) -> None:
    """Add lines and return when they are on the disk; the file and its folder are made.

    A torn line at the end is ended first, so that it spoils no other. Only one program at a time
    may add to a file.

    Raises
    ------
    OSError
        They cannot be written; the file is as it was.
    """
    data = b"".join(map(line_of, bodies))
    make_folder(path.parent)
    descriptor = open_kept(path, os.O_RDWR | os.O_APPEND | _BINARY)
    try:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        if size:
            os.lseek(descriptor, size - 1, os.SEEK_SET)
            data = data if os.read(descriptor, 1) == b"\n" else b"\n" + data
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):  # what is torn is passed over where it must stay
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def bodies_of(data: bytes) -> list[bytes]:
    """Return the bodies of the lines that are whole, in their order."""
    found: list[bytes] = []
    for line in data.split(b"\n"):
        body = line[_CHECK_CHARACTERS + 1 :]
        if body and line[:_CHECK_CHARACTERS] == b"%08x" % zlib.crc32(body):
            found.append(body)
    return found


def read_bodies(path: Path) -> list[bytes]:
    """Return the bodies of all whole lines; none where there is no file. Raises OSError."""
    try:
        with open_regular(path, LOG_BYTES) as file:
            return bodies_of(file.read(LOG_BYTES.most))
    except FileNotFoundError:
        return []


@dataclass(slots=True)
class _Seen:
    """How far a file was read: another inode or a shorter file is read anew."""

    inode: int
    size: int
    modified_ns: int
    read: int


class GrowingFiles:
    """Files that are read as they grow, each line once; a file that was replaced is read again."""

    def __init__(self) -> None:
        self._seen: dict[Path, _Seen] = {}

    def is_changed(self, paths: Iterable[Path]) -> bool:
        """Return whether any file is another than when it was read last."""
        return any(self._is_changed(path) for path in paths)

    def read(self, path: Path) -> list[bytes]:
        """Return the bodies of the lines that came since the last time. Raises OSError."""
        with open_regular(path, LOG_BYTES) as file:
            about = os.fstat(file.fileno())
            seen = self._seen.get(path)
            begin = 0
            if seen is not None and seen.inode == about.st_ino and seen.read <= about.st_size:
                begin = seen.read
            file.seek(begin)
            data = file.read(LOG_BYTES.most)
        whole = data.rfind(b"\n") + 1
        modified_ns = about.st_mtime_ns
        size = begin + len(data)
        self._seen[path] = _Seen(about.st_ino, size, modified_ns, begin + whole)
        return bodies_of(data[:whole])

    def _is_changed(self, path: Path) -> bool:
        seen = self._seen.get(path)
        try:
            about = path.stat()
        except OSError:
            return False
        if not stat.S_ISREG(about.st_mode):
            return False
        now = (about.st_ino, about.st_size, about.st_mtime_ns)
        return seen is None or (seen.inode, seen.size, seen.modified_ns) != now
