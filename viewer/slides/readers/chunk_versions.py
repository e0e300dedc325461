"""Whether the chunks of a Zarr in a folder are still those that it was opened with.

There can be millions of them, so nobody looks at all when the slide is opened: a chunk that is
newer than that moment was changed, and so was one that differs from what it was at the first look.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from cachetools import LRUCache

from viewer.slides.errors import SlideChangedError
from viewer.slides.slide_folders import ZARR_FILES

if TYPE_CHECKING:
    from pathlib import Path

_MOST_SEEN = 200_000
_Stamp = tuple[int, int, int]
"""Inode, bytes, time of the last change in ns."""


class ChunkVersions:
    """Looks at the files of chunks after they were read; for calls from any thread.

    Parameters
    ----------
    opened_ns
        When the slide was opened.
    """

    def __init__(self, folder: Path, opened_ns: int) -> None:
        self._folder = folder
        self._seen: LRUCache[str, _Stamp] = LRUCache(_MOST_SEEN)
        self._lock = threading.Lock()
        described = [self._newest_ns(folder / name) for name in ZARR_FILES]
        # The clock of a server can be ahead of ours; then its times tell nothing.
        is_ahead = max(described) > opened_ns
        self._opened_ns = None if is_ahead else opened_ns

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
        try:
            status = os.stat(self._folder / key)
        except OSError:
            if was_there and self._folder.is_dir():
                raise SlideChangedError(self._folder) from None
            return
        stamp = status.st_ino, status.st_size, status.st_mtime_ns
        newest_ns = max(status.st_mtime_ns, status.st_ctime_ns)
        with self._lock:
            known = self._seen.setdefault(key, stamp)
        is_new = self._opened_ns is not None and newest_ns > self._opened_ns
        if known != stamp or is_new or not was_there:
            raise SlideChangedError(self._folder)

    @staticmethod
    def _newest_ns(path: Path) -> int:
        try:
            status = os.stat(path)
        except OSError:
            return 0
        return max(status.st_mtime_ns, status.st_ctime_ns)


_opened_ns: list[int] = []


def was_opened_at(opened_ns: int) -> None:
    """Let this process know when its slide was opened, maybe in a process before it."""
    _opened_ns[:] = [opened_ns]


def opened_ns() -> int:
    """Return when the slide of this process was opened, by default now."""
    return _opened_ns[0] if _opened_ns else time.time_ns()
