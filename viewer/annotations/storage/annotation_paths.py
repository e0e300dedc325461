"""Where the annotations of a slide alone are kept: in the data folder, or beside the slide."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from viewer.annotations.storage.home_reader import readers_end
from viewer.folders import data_folder
from viewer.slides.slide_key import file_name_of

if TYPE_CHECKING:
    from pathlib import Path

_NAME_BYTES = 255 - 40
"""Of a name, as long as drives take it, without what locks, journals and copies add to it."""


def annotations_path(
    identity: str, slide: Path | None = None, *, beside: bool = False, reader: str = ""
) -> Path:
    """Return the file of a slide; it need not exist.

    With `beside`, next to the slide, unless its folder cannot be written to. There, too, the
    content key is in its name: a renamed slide finds what is its own, and neither another slide
    in its place nor another image of its file does. Two readers of one account have files of
    their own.
    """
    name = f"{file_name_of(identity)}{readers_end(reader)}.sqlite"
    if not beside or slide is None or not os.access(slide.parent, os.W_OK):
        return data_folder() / "annotations" / name
    end = f".annotations.{name}"
    own = slide.with_name(f"{_begin_of(slide.name, _NAME_BYTES - len(end))}{end}")
    if own.exists():
        return own
    with os.scandir(slide.parent) as entries:
        others = sorted(entry.name for entry in entries if entry.name.endswith(end))
    return slide.with_name(others[0]) if others else own


def unkeyed_paths(slide: Path | None, reader: str = "") -> tuple[Path, ...]:
    """Return the file that earlier versions kept beside a slide by its name alone, if it is there.

    Any slide of that name is taken for its owner.
    """
    if slide is None:
        return ()
    path = slide.with_name(f"{slide.name}.annotations{readers_end(reader)}.sqlite")
    return (path,) if os.path.exists(path) else ()  # Path.exists raises for too long a name


def _begin_of(name: str, most_bytes: int) -> str:
    return os.fsencode(name)[:most_bytes].decode(errors="ignore")
