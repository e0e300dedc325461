"""Whether a slide's files are still those that were opened."""

from __future__ import annotations

import os
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
        self._files = [(name, _stamp(name)) for name in map(str, slide_files(path))]
        self._has_changed = False

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
        self._has_changed = self._has_changed or any(
            _differs(name, stamp) for name, stamp in self._files
        )
        if self._has_changed:
            raise SlideChangedError(self.path)


def _differs(name: str, stamp: _Stamp) -> bool:
    try:
        return _stamp(name) != stamp
    except OSError:
        return False


def _stamp(name: str) -> _Stamp:
    status = os.stat(name)  # as text: after each tile, for each file of the slide
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
