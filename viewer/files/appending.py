"""Adding to a file of lines: what is added is there whole or not at all.

What a line holds, such as a checksum, a signature or the edits of a set, is its writer's to say.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import time
from typing import TYPE_CHECKING

from viewer.access import make_folder, open_kept
from viewer.files.atomic_write import sync_folder, sync_open

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

BINARY = getattr(os, "O_BINARY", 0)
_LOCK_WAIT_S = 10.0
_LOCK_PAUSE_S = 0.01
_BLOCK_BYTES = 1 << 16


def append_whole(
    path: Path,
    pieces: Iterable[bytes],
    *,
    cuts_torn: bool = False,
    synced: bool = True,
    mode: int | None = None,
    first_at_last: Callable[[], bytes] | None = None,
) -> None:
    """Add lines and return when they are on the disk; the file and its folder are made.

    Programs that add to a file at once take turns. A line that a crash tore at the end is mended
    first, so that it spoils no other.

    Parameters
    ----------
    pieces
        Whole lines together, the last with its line feed; they are written as they come.
    cuts_torn
        Whether a torn line is cut off, for files whose readers refuse damaged lines; else it is
        ended, for it may lack no more than its line feed.
    synced
        Whether to wait until the disk has the lines.
    mode
        Permissions of a file that is made; by default those of `viewer.access`.
    first_at_last
        Gives what takes the place of the first piece, as many bytes, once all are on the disk.

    Raises
    ------
    OSError
        They cannot be written; the file is as it was but for a torn line.
    """
    make_folder(path.parent)
    is_new = synced and not path.exists()
    flags = os.O_RDWR | BINARY
    descriptor = open_kept(path, flags) if mode is None else os.open(path, flags | os.O_CREAT, mode)
    try:
        _take_turn(descriptor)
        size = os.fstat(descriptor).st_size
        whole_bytes = _whole_bytes(descriptor, size)
        if whole_bytes < size and cuts_torn:
            os.ftruncate(descriptor, whole_bytes)
            size = whole_bytes
        elif whole_bytes < size:
            pieces = itertools.chain([b"\n"], pieces)
        write_behind(descriptor, size, pieces, synced=synced)
        if first_at_last is not None:
            at = size + (whole_bytes < size)
            _write_over(descriptor, at, first_at_last(), or_cut_at=size)
        if is_new:
            sync_folder(path.parent)
    finally:
        os.close(descriptor)  # which ends the turn


def write_behind(
    fd: int,
    start: int,
    pieces: Iterable[bytes],
    *,
    synced: bool,
    write: Callable[[int, memoryview], int] | None = None,
) -> None:
    """Write at `start`, the end of the file, or leave it as it was. Raises OSError."""
    os.lseek(fd, start, os.SEEK_SET)
    try:
        for piece in pieces:
            left = memoryview(piece)
            while left:
                left = left[(write or os.write)(fd, left) :]
        if synced:
            sync_open(fd)
    except BaseException:
        with contextlib.suppress(OSError):  # what is torn is mended by whoever comes next
            os.ftruncate(fd, start)
        raise


def _write_over(fd: int, at: int, piece: bytes, or_cut_at: int) -> None:
    try:
        os.lseek(fd, at, os.SEEK_SET)
        if os.write(fd, piece) < len(piece):
            raise OSError(errno.EIO, "a part was not written")
        sync_open(fd)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(fd, or_cut_at)
        raise


def _whole_bytes(fd: int, size: int) -> int:
    """Return where the last whole line of a file ends."""
    end = size
    while end:
        begin = max(0, end - _BLOCK_BYTES)
        os.lseek(fd, begin, os.SEEK_SET)
        found = os.read(fd, end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _take_turn(fd: int) -> None:
    """Wait until no other program adds to the file. Raises OSError after ten seconds."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    until_s = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= until_s:
                raise TimeoutError(errno.EAGAIN, "another program is writing it") from error
            time.sleep(_LOCK_PAUSE_S)
        except OSError:  # the drive has no locks
            return
