"""What a slide is called, found out when it is first asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from viewer.slides.access_errors import access_error
from viewer.slides.errors import SlideAccessError, SlideChangedError, SlideError
from viewer.slides.former_names import former_names, has_former_home, take_over
from viewer.slides.remote.address import is_address
from viewer.slides.remote.shared_fetch import RangesError
from viewer.slides.slide_key import is_slide_key, slide_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viewer.slides.file_version import Version

_former_names_by_key: dict[str, tuple[str, ...]] = {}
"""Of the slides that this process opened. A name of version 0.1 can stand for several slides."""
_keys_by_former_name: dict[str, dict[str, None]] = {}
"""The other way round, in the order in which the slides were opened."""
_lock = threading.Lock()


class SlideIdentity:
    """The content key of an open slide, and the names that version 0.1 gave it.

    Both are read from the file when they are first asked for, so that the first picture does not
    wait for them; may be used by many threads.

    Parameters
    ----------
    part
        Which image of a file with several, where it is not the one that the file opens with.
    """

    def __init__(self, version: Version, properties: Mapping[str, str], part: str = "") -> None:
        self._version = version
        self._part = part
        self._properties = properties
        self._key = ""
        self._former: tuple[str, ...] | None = None
        self._lock = threading.RLock()

    @property
    def part(self) -> str:
        """Return which image of its file it is; "" for the one that the file opens with."""
        return self._part

    @property
    def key(self) -> str:
        """Return the content key; what version 0.1 kept of the slide is there under it from now on.

        Raises
        ------
        SlideError
            The file cannot be read any more, or is no longer the one that was opened.
        """
        with self._lock:
            if not self._key:
                try:
                    key = self._key_now()
                    self._version.check()
                    if has_former_home():
                        take_over(key, self.former_names)
                        _note(key, self.former_names)
                except OSError as error:
                    raise _unreadable(self._version, error) from error
                self._key = key
                self._version.vouch(lambda: self._key_now() == key)
            return self._key

    @property
    def former_names(self) -> tuple[str, ...]:
        """Return what version 0.1 called the slide; other slides can be called so, too.

        Raises
        ------
        SlideError
            The file cannot be read any more, or is no longer the one that was opened.
        """
        with self._lock:
            if self._former is None:
                try:
                    # Version 0.1 knew no images but the first, and no folders.
                    path = self._version.path
                    is_new = bool(self._part) or path.is_dir()
                    names = () if is_new else former_names(path, self._properties)
                    self._version.check()
                except OSError as error:
                    raise _unreadable(self._version, error) from error
                self._former = names
            return self._former

    def check(self) -> None:
        """Look whether the slide would be called the same now; for worker threads.

        A file that came to those of the slide, such as a channel or instance that is copied later,
        changes no file that is open.

        Raises
        ------
        SlideChangedError
            It would not be.
        """
        path = self._version.path
        if is_address(path):
            return  # its server tells
        try:
            is_same = self._key_now() == self.key
        except OSError:
            return  # a file that is gone is told of by the version
        if not is_same:
            raise SlideChangedError(path)

    def _key_now(self) -> str:
        return slide_key(self._version.path, self._part)

    def learn(self) -> None:
        """Read all names now; for worker threads, so that nobody waits for the disk later.

        Raises
        ------
        SlideError
            The file cannot be read any more.
        """
        _note(self.key, self.former_names)

    def is_called(self, name: str) -> bool:
        """Return whether a name, written by this version or an earlier one, means this slide.

        Raises
        ------
        SlideError
            The file cannot be read any more, or is no longer the one that was opened.
        """
        if is_slide_key(name):
            return name == self.key
        if name not in self.former_names:
            return False
        self.learn()  # from now on both names are known to mean the same slide
        return True


def same_slide(first: str, second: str) -> bool:
    """Return whether two names mean the same slide; one of them may be of version 0.1.

    Of slides that were not opened in this process only equal names are known to be the same.
    """
    if first == second:
        return bool(first)
    return second in former_names_of(first) or first in former_names_of(second)


def former_names_of(key: str) -> tuple[str, ...]:
    """Return what version 0.1 called a slide; () where it was not opened in this process."""
    with _lock:
        return _former_names_by_key.get(key, ())


def other_names_of(name: str) -> tuple[str, ...]:
    """Return what else means the same slide, as `same_slide` says of it."""
    with _lock:
        return (*_former_names_by_key.get(name, ()), *_keys_by_former_name.get(name, ()))


def _note(key: str, names: tuple[str, ...]) -> None:
    with _lock:
        _former_names_by_key[key] = names
        for name in names:
            _keys_by_former_name.setdefault(name, {})[key] = None


def _unreadable(version: Version, error: OSError) -> SlideError:
    if isinstance(error, RangesError):
        return SlideAccessError(version.path, str(error))
    return access_error(version.path, error)
