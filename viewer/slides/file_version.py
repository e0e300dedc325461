"""Whether a slide's files are still those that were opened."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, NamedTuple, Protocol

from viewer.errors import reason_of
from viewer.slides.errors import SlideChangedError, SlideLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_MOST_VOUCHED = 16
"""Times that the content was looked at for a change of the status: some file systems give another
time of it each time that they are asked."""


class Version(Protocol):
    """Tells whether a slide is still the one that was opened, wherever it lies."""

    @property
    def path(self) -> Path: ...

    @property
    def has_changed(self) -> bool: ...

    def check(self) -> None:
        """Raise SlideChangedError where the slide is another one now."""
        ...

    def check_there(self) -> None:
        """Raise SlideLostError where a file of the slide is gone; for a read that failed."""
        ...

    @property
    def gone(self) -> str:
        """Return a sentence where a file was gone at the last look; "" where all were there."""
        ...

    def vouch(self, is_same: Callable[[], bool]) -> None:
        """Take what tells by the content whether the slide is still the same, as far as sampled."""
        ...


class Look(NamedTuple):
    """What a file was when it was looked at.

    Attributes
    ----------
    stamp
        Device, inode, bytes, time of the last change in ns.
    access
        Mode, owner, group and how many names it has, which change without the content.
    status_ns
        When any of all that changed last; 0 where the system does not tell.
    """

    stamp: tuple[int, int, int, int]
    access: tuple[int, int, int, int]
    status_ns: int


class FileVersion:
    """The files of a slide as they were when it was opened; may be used by many threads.

    It answers one question only: did a file change since? A file that is gone did not: what is
    open can still be read, or its reader says why not. Neither did one of which the status alone
    is another, and the content is not: its permissions were changed, it got another name, or a
    backup set its times back. One that was written and had its time set back has other content.

    Parameters
    ----------
    files
        The files of the slide, where they are known already.

    Raises
    ------
    OSError
        The files cannot be looked at.
    """

    def __init__(self, path: Path, files: Sequence[Path] = ()) -> None:
        # It knows all formats of several files.
        from viewer.slides.files.slide_files import pictures_beside, slide_files

        self.path = path
        files = files or (*slide_files(path), *pictures_beside(path))
        self._looks = {name: look_at(name) for name in map(str, files)}
        self._opened_as = (os.path.realpath(path), *self._looks.values())
        self._has_changed = False
        self._gone = ""
        self._is_same: Callable[[], bool] | None = None
        self._vouched = 0
        self._lock = threading.Lock()

    @property
    def has_changed(self) -> bool:
        """Return whether a change was noticed; the disk is not asked."""
        return self._has_changed

    @property
    def opened_as(self) -> tuple[str | Look, ...]:
        """Return what the files were when the slide was opened; equal for the same files alone."""
        return self._opened_as

    def check(self) -> None:
        """Look at the files.

        Raises
        ------
        SlideChangedError
            One of them was replaced, overwritten or cut, now or at an earlier look.
        """
        if not self._has_changed:
            gone = ""
            for name, before in self._looks.items():
                try:
                    now = look_at(name)
                except OSError:
                    gone = gone or name
                    continue
                if now != before and not self._is_vouched_for(name, now):
                    self._has_changed = True
                    break
            self._gone = gone
        if self._has_changed:
            raise SlideChangedError(self.path)

    def check_there(self) -> None:
        """Look whether the files are there, after a read that failed.

        Raises
        ------
        SlideLostError
            One of them is gone, or cannot be looked at.
        """
        for name in self._looks:
            try:
                look_at(name)
            except OSError as error:
                raise SlideLostError(
                    self.path,
                    f"{self._named(name)} cannot be read any more ({reason_of(error)}): check that "
                    "its drive or share is connected and that it was not moved, renamed or "
                    "deleted, then open it again.",
                ) from error

    @property
    def gone(self) -> str:
        """Return a sentence where a file was gone at the last look; "" where all were there."""
        name = self._gone
        return name and (
            f"{self._named(name)} is not in its place any more: it was moved, renamed or deleted, "
            "or its drive is gone. What is still open of it is shown."
        )

    def _named(self, name: str) -> str:
        """Return what a file of the slide is called in a sentence."""
        own, path = os.path.basename(name), self.path.name
        return path if own == path else f"{own} of {path}"

    def vouch(self, is_same: Callable[[], bool]) -> None:
        """Take what tells by the content whether the slide is still the same, as far as sampled."""
        self._is_same = is_same

    def _is_vouched_for(self, name: str, now: Look) -> bool:
        """Return whether a file that is not quite as before is still the same."""
        with self._lock:
            before = self._looks[name]
            if now == before:
                return True  # another thread has just looked
            if now.stamp != before.stamp:
                return False
            if self._vouched < _MOST_VOUCHED:
                self._vouched += 1
                if not self._has_same_content(before, now):
                    return False
            self._looks[name] = now
            return True

    def _has_same_content(self, before: Look, now: Look) -> bool:
        try:
            if self._is_same is not None:
                return self._is_same()
        except OSError:
            pass  # it may not be read any more, which is said where it is
        # Nothing is known of the content: what was written has the permissions that it had.
        return now.access != before.access


def look_at(name: str) -> Look:
    """Look at a file. Raises OSError."""
    status = os.stat(name)  # as text: after each tile, for each file of the slide
    return Look(
        (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns),
        (status.st_mode, status.st_uid, status.st_gid, status.st_nlink),
        0 if os.name == "nt" else status.st_ctime_ns,
    )
