"""Whether the chunks of a Zarr in a folder are still those that it was opened with.

There can be millions of them, so nobody looks at all when the slide is opened: a chunk that is
newer than that moment was changed, and so was one that differs from what it was at the first look.
A file that was moved into the place of a chunk, or written with its time set back, shows only in
the time of its status, as does one whose permissions alone were changed: those tell the two apart.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from cachetools import LRUCache

from viewer.slides.errors import SlideChangedError
from viewer.slides.files.slide_folders import ZARR_FILES

if TYPE_CHECKING:
    from pathlib import Path

_MOST_SEEN = 200_000


class _Look(NamedTuple):
    """What a file was when it was looked at.

    Attributes
    ----------
    stamp
        Inode, bytes, time of the last change in ns.
    access
        Mode, owner, group and how many names it has, which change without the content.
    status_ns
        When any of all that changed last.
    """

    stamp: tuple[int, int, int]
    access: tuple[int, int, int, int]
    status_ns: int


class ChunkVersions:
    """Looks at the files of chunks after they were read; for calls from any thread.

    Parameters
    ----------
    opened_ns
        When the slide was opened.
    """

    def __init__(self, folder: Path, opened_ns: int) -> None:
        self._folder = folder
        self._seen: LRUCache[str, _Look] = LRUCache(_MOST_SEEN)
        self._lock = threading.Lock()
        described = [look for name in ZARR_FILES if (look := _look(folder / name)) is not None]
        # The clock of a server can be ahead of ours; then its times tell nothing.
        is_ahead = any(max(look.stamp[2], look.status_ns) > opened_ns for look in described)
        self._opened_ns = None if is_ahead else opened_ns
        self._usual_access = described[0].access if described else None

    def check(self, key: str, *, was_there: bool) -> None:
        """Look at a chunk.

        Parameters
        ----------
        was_there
            Whether it had a file when that was looked for.

        Raises
        ------
        SlideChangedError
            It was replaced, overwritten, cut or taken away.
        """
        path = self._folder / key
        look = _look(path)
        if look is None:
            if was_there and self._folder.is_dir():
                raise SlideChangedError(self._folder)
            return
        with self._lock:
            known = self._seen.get(key)
            is_other = known is not None and known.stamp != look.stamp
            if not was_there or is_other or self._is_new(path, look, known):
                raise SlideChangedError(self._folder)
            self._seen[key] = look

    def _is_new(self, path: Path, look: _Look, known: _Look | None) -> bool:
        """Return whether a chunk was written since it was looked at, or since the opening."""
        if self._opened_ns is None:
            return False
        if look.stamp[2] > self._opened_ns:
            return True
        if look.status_ns <= (self._opened_ns if known is None else known.status_ns):
            return False
        if known is not None:
            return look.access == known.access
        folder = _look(path.parent)
        was_put_there = folder is None or folder.stamp[2] > self._opened_ns
        return was_put_there or look.access == self._usual_access


def _look(path: Path) -> _Look | None:
    """Look at a file; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    stamp = status.st_ino, status.st_size, status.st_mtime_ns
    access = status.st_mode, status.st_uid, status.st_gid, status.st_nlink
    return _Look(stamp, access, status.st_ctime_ns)


_opened_ns: list[int] = []


def was_opened_at(opened_ns: int) -> None:
    """Let this process know when its slide was opened, maybe in a process before it."""
    _opened_ns[:] = [opened_ns]


def opened_ns() -> int:
    """Return when the slide of this process was opened, by default now."""
    return _opened_ns[0] if _opened_ns else time.time_ns()
