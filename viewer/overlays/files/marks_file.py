"""The marks of a slide's few-shot classes, kept from one reading to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.access import make_folder
from viewer.files.atomic_write import atomic_write_bytes
from viewer.files.set_aside import kept_json
from viewer.folders import data_folder
from viewer.geometry import Box
from viewer.overlays.heatmap import Mark
from viewer.slides.slide_key import file_name_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class _Kept(msgspec.Struct):
    name: str
    box: tuple[float, float, float, float]


def load_marks(identity: str) -> tuple[Mark, ...]:
    """Return the marks of a slide; none where there are none or they cannot be read."""
    kept = kept_json(_path(identity), list[_Kept], "The marks of a slide") or []
    return tuple(Mark(Box(*each.box), each.name) for each in kept)


def save_marks(identity: str, marks: Sequence[Mark]) -> None:
    """Raise OSError where they cannot be written."""
    path = _path(identity)
    make_folder(path.parent)
    kept = [_Kept(mark.name, mark.box.bounds) for mark in marks]
    atomic_write_bytes(path, msgspec.json.encode(kept))


def _path(identity: str) -> Path:
    name = file_name_of(identity)
    return data_folder() / "marks" / f"{name}.json"
