"""What a file held when it was last open, so that what belongs to that is not missed in silence."""

from __future__ import annotations

import contextlib
import logging
import os
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from viewer.access import make_folder
from viewer.files.atomic_write import atomic_write_bytes
from viewer.folders import data_folder
from viewer.limits import read_kept
from viewer.prepared_types import DECODE_ERRORS, prepared

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.source import SlideSource

_log = logging.getLogger(__name__)
_MOST, _LEFT = 10_000, 9_000
"""Of more files than the first, so many are kept: those that were opened last."""


class _Held(msgspec.Struct):
    """What is kept; it stays on this machine."""

    identity: str


def note_held(source: SlideSource) -> None:
    """Keep which slide a file holds; of very many files, what was not opened for longest goes.

    Raises OSError, and SlideError as `SlideInfo.identity`.
    """
    place = _place(source)
    if held_before(source) == source.info.identity:
        os.utime(place)
        return
    is_new = not place.exists()
    make_folder(place.parent)
    atomic_write_bytes(place, msgspec.json.encode(_Held(source.info.identity)), mode=0o600)
    if is_new:
        _forget_oldest(place.parent)


def _forget_oldest(folder: Path) -> None:
    """Remove the files of the slides that were not opened for longest.

    Each goes by itself, so that a program that is killed meanwhile leaves the others as they are.
    """
    kept: list[tuple[int, str]] = []
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):  # another window was quicker
            if entry.name.endswith(".json"):
                kept.append((entry.stat().st_mtime_ns, entry.path))
    if len(kept) > _MOST:
        for _, path in sorted(kept)[:-_LEFT]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def held_before(source: SlideSource) -> str:
    """Return which slide the file of this one held when it was last open; "" where none is known.

    Of a file with several images, the same image.
    """
    try:
        return msgspec.json.decode(read_kept(_place(source)), type=prepared(_Held)).identity
    except FileNotFoundError:
        return ""
    except (OSError, *DECODE_ERRORS) as error:
        _log.warning("What a file held is not known any more (%s)", error)
        return ""


def _place(source: SlideSource) -> Path:
    naming = source.info.naming
    part = "" if naming is None else naming.part
    name = f"{source.path.absolute()}\0{part}".encode("utf-8", "surrogateescape")
    return data_folder() / "held-before" / f"{blake2b(name, digest_size=16).hexdigest()}.json"
