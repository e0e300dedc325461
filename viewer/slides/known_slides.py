"""Where slides lay when they were last open, so that a session finds its slide by identity."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import msgspec

from viewer.access import make_folder
from viewer.files.atomic_write import atomic_write_bytes
from viewer.folders import data_folder
from viewer.limits import read_kept
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.slides.errors import SlideChangedError, SlideError
from viewer.slides.remote.address import slide_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.slides.source import SlideSource

_log = logging.getLogger(__name__)
_FORMER_LENGTH = 20


class _KnownSlide(msgspec.Struct):
    """What is kept; it stays on this machine."""

    identity: str
    path: str


def remember(identity: str, path: Path) -> None:
    """Keep where a slide lies; a later place takes the place of an earlier one.

    Sessions of version 0.1 know it by another name: it is found by that too.

    Raises
    ------
    OSError
        It cannot be written.
    """
    from viewer.slides.identity import former_names_of

    for name in (identity, *former_names_of(identity)):
        target = _path(name)
        make_folder(target.parent)
        known = msgspec.json.encode(_KnownSlide(name, str(path.absolute())))
        atomic_write_bytes(target, known, mode=0o600)


def find(identity: str) -> Path | None:
    """Return where the slide lay when it was last open, if there is still a file.

    `open_known` looks.
    """
    return next((path for path in _former_places(identity) if path.exists()), None)


def last_place(identity: str) -> Path | None:
    """Return where the slide was when it was last open, whether or not it is still there."""
    return next(iter(_former_places(identity)), None)


class KnownPlaces:
    """Where slides were last, each looked up anew only after it was kept anew."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, int], Path | None]] = {}

    def reader(self) -> Callable[[str], Path | None]:
        """Return what tells of an identity as `last_place` does; take another for the next list."""
        from viewer.slides.former_names import former_file_name
        from viewer.slides.slide_key import file_name_of

        folder = str(_folder())

        def place_of(identity: str) -> Path | None:
            names = file_name_of(identity), former_file_name(identity, _FORMER_LENGTH)
            state = _modified_ns(f"{folder}/{names[0]}.json"), 0
            if not state[0]:
                state = 0, _modified_ns(f"{folder}/{names[1]}.json")
            held = self._known.get(identity)
            if held is None or held[0] != state:
                place = last_place(identity) if any(state) else None
                held = self._known[identity] = state, place
            return held[1]

        return place_of


def _modified_ns(path: str) -> int:
    """Return when a file was changed; 0 where there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _former_places(identity: str) -> list[Path]:
    """Return where the slide was when it was last open, whether or not there is still a file."""
    places: list[Path] = []
    for file in (_path(identity), _former_path(identity)):
        try:
            known = msgspec.json.decode(read_kept(file), type=prepared(_KnownSlide))
        except FileNotFoundError:
            continue
        except (OSError, *DECODE_ERRORS) as error:
            _log.warning("Where a slide lay is not known any more (%s)", error)
            continue
        places.append(slide_path(known.path))
    return places


class FoundSlide(msgspec.Struct, frozen=True):
    """A file, and which of its images; None for the one that the file opens with."""

    path: Path
    image: int | None


def find_by_content(identity: str, places: tuple[Path, ...] = ()) -> FoundSlide | None:
    """Find where the slide of this identity lies now, one that was moved or renamed too.

    Looked at are, until one holds the slide: its last known place, the places given, and the
    folder where it lay. Opens slides, so it takes time.
    """
    known = find(identity)
    former = [path.parent for path in _former_places(identity) if path.parent.is_dir()]
    wanted: list[Path] = [*([known] if known else []), *places, *former]
    for place in dict.fromkeys(wanted):
        source = open_known(identity, (place,))
        if source is not None:
            info = source.info
            found = FoundSlide(source.path, info.image if info.images else None)
            source.close()
            return found
    return None


def open_known(identity: str, places: tuple[Path, ...] = ()) -> SlideSource | None:
    """Open the slide of this identity, or None where it is not found.

    Parameters
    ----------
    places
        Slides, and folders of slides, that are looked at before the last known place.
    """
    for path in _candidates(identity, places):
        try:
            source = _image_called(path, identity)
        except SlideError as error:
            _log.info("Passed over while looking for a slide: %s", error)
            continue
        if source is not None:
            return source
    return None


def open_same(path: Path, identity: str) -> SlideSource:
    """Open a slide that is open already once more: of a file with several images the same one.

    Raises
    ------
    SlideError
        It cannot be opened, or the file is no longer the one that was opened.
    """
    source = _image_called(path, identity)
    if source is None:
        raise SlideChangedError(path)
    return source


def _image_called(path: Path, identity: str) -> SlideSource | None:
    """Return the image of a file that has this identity. Raises SlideError."""
    from viewer.slides.opener import open_slide  # with it come the readers

    source = open_slide(path)
    if _is_called(source, identity):
        return source
    others = [entry.index for entry in source.info.images if entry.index != source.info.image]
    source.close()
    for image in others:
        source = open_slide(path, image)
        if _is_called(source, identity):
            return source
        source.close()
    return None


def _is_called(source: SlideSource, identity: str) -> bool:
    try:
        return source.info.is_called(identity)
    except SlideError as error:
        _log.info("Passed over while looking for a slide: %s", error)
        return False


def _candidates(identity: str, places: tuple[Path, ...]) -> list[Path]:
    from viewer.slides.tray import slides_at

    candidates: list[Path] = []
    for place in places:
        try:
            candidates += slides_at(place)
        except OSError as error:
            _log.info("Passed over while looking for a slide: %s", error)
    known = find(identity)
    return [*candidates, known] if known else candidates


def _path(identity: str) -> Path:
    from viewer.slides.slide_key import file_name_of

    return _folder() / f"{file_name_of(identity)}.json"


def _former_path(identity: str) -> Path:
    """Return where version 0.1 kept it."""
    from viewer.slides.former_names import former_file_name

    return _folder() / f"{former_file_name(identity, _FORMER_LENGTH)}.json"


def _folder() -> Path:
    return data_folder() / "known-slides"
