"""Where the annotations of a slide alone are kept: in the data folder, or beside the slide."""

from __future__ import annotations

import os
from pathlib import Path

from viewer.annotations.storage.home_reader import readers_end
from viewer.folders import data_folder
from viewer.slides.slide_key import file_name_of

_NAME_BYTES = 255 - 40
"""Of a name, as long as drives take it, without what locks, journals and copies add to it."""


def annotations_path(
    identity: str, slide: Path | None = None, *, beside: bool = False, reader: str = ""
) -> Path:
    """Return the file of a slide; it need not exist.

    With `beside`, next to the slide, or where a link to it leads, unless that folder cannot be
    written to. There, too, the content key is in its name: a renamed slide finds what is its own,
    and neither another slide in its place nor another image of its file does. Two readers of one
    account have files of their own.
    """
    name = f"{file_name_of(identity)}{readers_end(reader)}.sqlite"
    places = _writable_places(slide) if beside and slide is not None else []
    end = f".annotations.{name}"
    own = [
        place.with_name(f"{_begin_of(place.name, _NAME_BYTES - len(end))}{end}") for place in places
    ]
    for path in own:
        if path.exists():
            return path
        with os.scandir(path.parent) as entries:
            others = sorted(entry.name for entry in entries if entry.name.endswith(end))
        if others:
            return path.with_name(others[0])
    return own[0] if own else data_folder() / "annotations" / name


def unkeyed_paths(slide: Path | None, reader: str = "") -> tuple[Path, ...]:
    """Return the file that earlier versions kept beside a slide by its name alone, if it is there.

    Any slide of that name is taken for its owner.
    """
    if slide is None:
        return ()
    path = slide.with_name(f"{slide.name}.annotations{readers_end(reader)}.sqlite")
    return (path,) if os.path.exists(path) else ()  # Path.exists raises for too long a name


def _writable_places(slide: Path) -> list[Path]:
    """Return the slide, and before it the one that it is a link to, if it is, where one may write.

    Whoever opens the slide by its own name, or by another link, finds what was drawn.
    """
    places = [Path(os.path.realpath(slide)), slide] if slide.is_symlink() else [slide]
    return [place for place in places if os.access(place.parent, os.W_OK)]


def _begin_of(name: str, most_bytes: int) -> str:
    return os.fsencode(name)[:most_bytes].decode(errors="ignore")
