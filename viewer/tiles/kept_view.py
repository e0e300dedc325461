"""Where each reader looked at each slide last, kept from one opening to the next."""

from __future__ import annotations

import math
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from viewer.access import make_folder
from viewer.files.atomic_write import atomic_write_bytes
from viewer.files.set_aside import kept_json
from viewer.folders import data_folder
from viewer.geometry import Point, Size, View
from viewer.slides.slide_key import file_name_of

if TYPE_CHECKING:
    from pathlib import Path


class _Kept(msgspec.Struct):
    """The members of `View` without the size of the window, which may be another next time."""

    x: float
    y: float
    downsample: float
    rotation_deg: float = 0.0
    mirrored: bool = False


def load_view(identity: str, reader: str) -> View | None:
    """Return the last view of a slide; None where there is none, or it cannot be used."""
    kept = kept_json(_path(identity, reader), _Kept, "The last view of a slide")
    if kept is None:
        return None
    numbers = (kept.x, kept.y, kept.downsample, kept.rotation_deg)
    if not all(map(math.isfinite, numbers)) or kept.downsample <= 0:
        return None
    center, turn = Point(kept.x, kept.y), kept.rotation_deg % 360.0
    return View(center, kept.downsample, Size(1, 1), turn, kept.mirrored)


def save_view(identity: str, reader: str, view: View | None) -> None:
    """Keep the last view of a slide; None for the whole slide, which needs no file.

    Raises
    ------
    OSError
        It cannot be written.
    """
    path = _path(identity, reader)
    if view is None:
        path.unlink(missing_ok=True)
        return
    make_folder(path.parent)
    kept = _Kept(view.center.x, view.center.y, view.downsample, view.rotation_deg, view.mirrored)
    atomic_write_bytes(path, msgspec.json.encode(kept))


def _path(identity: str, reader: str) -> Path:
    """A reader's name may hold anything, and tells who read: it is not in the name of a folder."""
    who = blake2b(reader.encode(), digest_size=8).hexdigest()
    return data_folder() / "views" / who / f"{file_name_of(identity)}.json"
