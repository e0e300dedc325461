"""Whether a slide's files are still those that were opened."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from viewer.slides.errors import SlideChangedError
from viewer.slides.slide_files import slide_files

if TYPE_CHECKING:
    from pathlib import Path

_Stamp = tuple[int, int, int, int]
"""Device, inode, bytes, time of the last change in ns."""


class Version(Protocol):
    """Tells whether a slide is still the one that was opened, wherever it lies."""

    @property
    def path(self) -> Path: ...

    @property
    def has_changed(self) -> bool: ...

    def check(self) -> None:
        """Raise SlideChangedError where the slide is another one now."""
        ...


class FileVersion:
    """The files of a slide as they were when it was opened; may be used by many threads.

    It answers one question only: did a file change since? A file that is gone did not: what is
    open can still be read, or its reader says why not.

    Raises
    ------
    OSError
        The files cannot be looked at.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = {file: _stamp(file) for file in slide_files(path)}
        self._has_changed = False
        self._lock = threading.Lock()

    @property
    def has_changed(self) -> bool:
        """Return whether a change was noticed; the disk is not asked."""
        return self._has_changed

    def check(self) -> None:
        """Look at the files.

        Raises
        ------
        SlideChangedError
            One of them was replaced, overwritten or cut, now or at an earlier look.
        """
        if self._has_changed or any(self._differs(file) for file in self._files):
            with self._lock:
                self._has_changed = True
            raise SlideChangedError(self.path)

    def _differs(self, file: Path) -> bool:
        try:
            return _stamp(file) != self._files[file]
        except OSError:
            return False


def _stamp(file: Path) -> _Stamp:
    status = file.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
