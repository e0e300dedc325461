"""Append-only files of checksummed lines, which several programs can read while one writes.

A line is the CRC-32 of its body in eight hexadecimal digits, a space and the body. A line that a
crash, a full disk or a drive tore is passed over; lines before and after it hold.
"""

from __future__ import annotations

import itertools
import os
import stat
import zlib
from typing import TYPE_CHECKING

import msgspec

from viewer.files.appending import append_whole
from viewer.limits import (
    LINE_BYTES,
    LINES_BYTES,
    LOG_BYTES,
    FileTooLargeError,
    open_regular,
    read_regular,
)
from viewer.progress import tell_progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from viewer.limits import Limit

_CHECK_CHARACTERS = 8
_AT_ONCE_BYTES = 1 << 20
_TOGETHER = b'["together",'
"""Begins the body of a line that tells how many bytes of lines behind it count all or none."""


def line_of(body: bytes) -> bytes:
    """Return a body as a line; it must hold no line feed, as JSON does not."""
    return b"%08x %b\n" % (zlib.crc32(body), body)


def append_lines(path: Path, bodies: Iterable[bytes]) -> None:
    """Add lines with their checksums, as `append_whole` does. Raises OSError.

    The bodies are written as they come: never all of them are in memory.
    """
    append_whole(path, _gathered(bodies))


def append_together(path: Path, bodies: Iterable[bytes]) -> None:
    """Add lines that count all or none, also where the program is killed amid them.

    The line before them says 0 until they are on the disk, and nobody reads beyond it. Raises
    OSError.
    """
    written_bytes = 0

    def pieces() -> Iterator[bytes]:
        nonlocal written_bytes
        yield _line_before(0)
        for piece in _gathered(bodies):
            written_bytes += len(piece)
            yield piece

    append_whole(path, pieces(), first_at_last=lambda: _line_before(written_bytes))


def _line_before(size_bytes: int) -> bytes:
    return line_of(b"%b%-15d]" % (_TOGETHER, size_bytes))


def _is_unfinished(body: bytes) -> bool:
    """Return whether what follows is being written, or was when its program was killed."""
    return body.startswith(_TOGETHER) and not body[len(_TOGETHER) : -1].strip(b" 0")


def _gathered(bodies: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines, many short ones together."""
    waiting, size = list[bytes](), 0
    for body in bodies:
        waiting.append(line_of(body))
        size += len(body)
        if size > _AT_ONCE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def bodies_of(data: bytes) -> list[bytes]:
    """Return the bodies of the lines that are whole, in their order."""
    found = (body for line in data.split(b"\n") if (body := _body_of(line)) is not None)
    whole = itertools.takewhile(lambda body: not _is_unfinished(body), found)
    return [body for body in whole if not body.startswith(_TOGETHER)]


def _body_of(line: bytes) -> bytes | None:
    body = line[_CHECK_CHARACTERS + 1 :]
    return body if body and line[:_CHECK_CHARACTERS] == b"%08x" % zlib.crc32(body) else None


def read_bodies(path: Path) -> list[bytes]:
    """Return the bodies of all whole lines; none where there is no file. Raises OSError."""
    try:
        return bodies_of(read_regular(path, LOG_BYTES))
    except FileNotFoundError:
        return []


class _Seen(msgspec.Struct):
    """How far a file was read: another inode or a shorter file is read anew."""

    inode: int
    size: int
    modified_ns: int
    read: int


class GrowingFiles:
    """Files that are read as they grow, each line once; a file that was replaced is read again."""

    def __init__(self) -> None:
        self._seen: dict[Path, _Seen] = {}

    @property
    def paths(self) -> set[Path]:
        """Return the files that were read."""
        return set(self._seen)

    def is_changed(self, paths: Iterable[Path]) -> bool:
        """Return whether any file is another than when it was read last."""
        return any(self._is_changed(path) for path in paths)

    def read(self, path: Path) -> list[bytes]:
        """Return the bodies of the lines that came since the last time. Raises OSError."""
        return list(self.each(path, LOG_BYTES))

    def each(self, path: Path, limit: Limit = LINES_BYTES) -> Iterator[bytes]:
        """Yield the same one by one, and tell how far it is; what was not yielded comes again.

        Raises
        ------
        OSError
            It cannot be read, or it is larger than `limit`.
        """
        with open_regular(path, limit) as file:
            about = os.fstat(file.fileno())
            seen = self._seen.get(path)
            begin = 0
            if seen is not None and seen.inode == about.st_ino and seen.read <= about.st_size:
                begin = seen.read
            file.seek(begin)
            read = size = told = begin
            while line := file.readline(LINE_BYTES.most + 1):
                size += len(line)
                if len(line) > LINE_BYTES.most:
                    raise FileTooLargeError(path, LINE_BYTES.sentence(path.name, len(line)))
                if not line.endswith(b"\n"):  # is being written, or torn
                    break
                body = _body_of(line[:-1])
                if body is not None and _is_unfinished(body):
                    break
                read = size
                if body is not None and not body.startswith(_TOGETHER):
                    yield body
                if read - told > _AT_ONCE_BYTES or told == begin:
                    told = read
                    tell_progress(read / max(read, about.st_size))
        self._seen[path] = _Seen(about.st_ino, size, about.st_mtime_ns, read)

    def cut_unfinished(self, path: Path) -> None:
        """Cut off lines that count together and were not all written; for who writes the file.

        Raises OSError.
        """
        seen = self._seen[path]
        with path.open("r+b") as file:
            file.seek(seen.read)
            body = _body_of(file.readline(LINE_BYTES.most)[:-1])
            if body is not None and _is_unfinished(body):
                file.truncate(seen.read)

    def pass_over(self, path: Path) -> None:
        """Take all that a file holds now as read. Raises OSError."""
        about = path.stat()
        self._seen[path] = _Seen(about.st_ino, about.st_size, about.st_mtime_ns, about.st_size)

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
