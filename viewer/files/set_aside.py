"""Sets damaged files of the program's own aside, so that the next write does not replace them."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, TypeVar

import msgspec

from viewer.errors import reason_of
from viewer.limits import FileTooLargeError, HollowFileError, NoRegularFileError, read_kept
from viewer.prepared_types import DECODE_ERRORS, prepared

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")
_log = logging.getLogger(__name__)
_MOST_APART = 1000
UNUSABLE = (
    FileTooLargeError, HollowFileError, IsADirectoryError, NoRegularFileError, PermissionError,
)  # fmt: skip
"""Errors that come again with each read, unlike those of a drive that is away for a while."""
listeners: list[Callable[[str], object]] = []
"""Each is called, in any thread, with a sentence for each file that cannot be used."""


def say_unusable(sentence: str) -> None:
    """Log that a file of the program's own cannot be used, and have the window say so."""
    _log.warning("%s", sentence)
    for listener in tuple(listeners):
        listener(sentence)


def set_aside(path: Path, reason: object, what: str, suffix: str = ".bad") -> Path | None:
    """Rename a file that cannot be understood, and say so; None where it stays.

    A home that cannot be written keeps nobody from going on: the file is read again next time.

    Parameters
    ----------
    what
        What is not used, as the subject of a sentence: "The kept marks of a slide".
    """
    aside = path.with_suffix(suffix)
    try:
        path.replace(aside)
    except OSError as error:
        _log.warning("%s cannot be set aside (%s)", path, reason_of(error))
        aside = None
    where = f"the file is kept as {aside.name}" if aside is not None else f"mend or remove {path}"
    say_unusable(f"{what} cannot be used ({reason}): {where}.")
    return aside


def set_apart(path: Path, reason: object, what: str) -> Path | None:
    """Set a file aside as `set_aside` does, where nothing was set aside before it."""
    suffixes = (".left", *(f".left{number}" for number in range(2, _MOST_APART)))
    free = (each for each in suffixes if not os.path.lexists(path.with_suffix(each)))
    return set_aside(path, reason, what, next(free, suffixes[-1]))


def kept_bytes(path: Path, what: str, suffix: str = ".bad") -> bytes | None:
    """Return the content of a small file of the program's own; None where there is none to use.

    What is no file, or far too large, is set aside.

    Raises
    ------
    OSError
        It cannot be read now.
    """
    try:
        return read_kept(path)
    except FileNotFoundError:
        return None
    except UNUSABLE as error:
        set_aside(path, reason_of(error), what, suffix)
        return None


def kept_json(path: Path, kind: type[T], what: str, suffix: str = ".bad") -> T | None:
    """Return the record that a small file of the program's own holds; None where there is none.

    What cannot be understood is set aside.
    """
    try:
        content = kept_bytes(path, what, suffix)
        return None if content is None else msgspec.json.decode(content, type=prepared(kind))
    except OSError as error:
        _log.warning("%s cannot be read (%s)", what, error)
    except DECODE_ERRORS as error:
        set_aside(path, error, what, suffix)
    return None
