"""Slides that were moved are found again by what they are, not by where they lay."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from viewer.errors import reason_of
from viewer.slides.errors import SlideError
from viewer.slides.files.slide_folders import is_slide_folder
from viewer.slides.identity import former_names_of, same_slide
from viewer.slides.known_slides import find
from viewer.slides.opener import open_slide
from viewer.slides.tray import slides_at, slides_in
from viewer.studies.project import ProjectSlide, slide_path, stored_path

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from viewer.studies.project import Change, Project

_log = logging.getLogger(__name__)
_DEPTH = 4
"""Folders within folders that are searched."""
MOST_OPENED = 5000
"""Slides that a search opens at most: a drive of a hospital holds millions."""
MOST_OPENED_UNASKED = 300


def identity_of(path: Path) -> str:
    """Return the key that names a slide. Raises SlideError where it does not open."""
    source = open_slide(path)
    try:
        source.info.learn_identity()  # a project may know it by a name of version 0.1
        return source.info.identity
    finally:
        source.close()


def project_slides(
    paths: Iterable[Path], folder: Path, refused: list[str]
) -> Iterator[ProjectSlide]:
    """Slides, and those in folders, as a project in `folder` lists them.

    What does not open goes to `refused`, a sentence each.
    """
    for path in paths:
        try:
            slides = slides_at(path)
        except OSError as error:
            refused.append(f"{path} cannot be read ({reason_of(error)}).")
            continue
        for slide in slides:
            try:
                identity = identity_of(slide)
            except SlideError as error:
                refused.append(str(error))
                continue
            yield ProjectSlide(identity=identity, path=stored_path(slide, folder), name=slide.name)


def missing_slides(
    project: Project, folder: Path, replaced: Collection[tuple[str, str]] = ()
) -> list[ProjectSlide]:
    """Return those that do not lie where the project takes them to be.

    Parameters
    ----------
    replaced
        Identities and stored paths of slides in whose place others were found.
    """
    return [
        slide
        for slide in project.slides
        if (slide.identity, slide.path) in replaced or not slide_path(slide, folder).exists()
    ]


def find_slides(
    wanted: Sequence[ProjectSlide],
    places: Sequence[Path],
    *,
    most_opened: int = MOST_OPENED,
    is_wanted: Callable[[], bool] = lambda: True,
) -> dict[str, Path]:
    """Return where slides lie now, by identity.

    In folders and those in them, files of the same name or size first; of several copies, one in
    these folders comes before the one that was open last on this machine.

    Parameters
    ----------
    is_wanted
        Asked between slides; False gives up.
    """
    copies: dict[str, Path] = {}
    for slide in wanted:
        known = find(slide.identity)
        if known is not None and same_slide(_identity(known), slide.identity):
            copies[slide.identity] = known
    found = {
        identity: path
        for identity, path in copies.items()
        if any(path.is_relative_to(place.absolute()) for place in places)
    }
    left = {slide.identity for slide in wanted} - found.keys()
    names = {_file_name(slide).casefold() for slide in wanted if slide.identity in left}
    sizes = {_size(path) for identity, path in copies.items() if identity in left}
    files = _files(places) if left else []
    likely = [each for each in files if each.name.casefold() in names or _size(each) in sizes]
    others = [each for each in files if each not in set(likely)]

    def look(candidates: Sequence[Path]) -> None:
        for path in candidates:
            if not left or not is_wanted():
                return
            identity = _identity(path)
            for name in (identity, *former_names_of(identity)):
                if name in left:
                    found[name] = path
                    left.discard(name)

    look(likely[:most_opened])
    for identity in left & copies.keys():
        found[identity] = copies[identity]
        left.discard(identity)
    look(others[: max(0, most_opened - len(likely))])
    return found


def neighborhood(folder: Path) -> tuple[Path, ...]:
    """Return where moved slides of a project are looked for unasked."""
    folder = folder.absolute()
    return (folder, folder.parent)


def taking_places(places: Mapping[str, Path], folder: Path) -> Change:
    """Return the change that notes where slides were found."""

    def change(project: Project) -> Project:
        slides = tuple(
            msgspec.structs.replace(slide, path=stored_path(places[slide.identity], folder))
            if slide.identity in places
            else slide
            for slide in project.slides
        )
        return msgspec.structs.replace(project, slides=slides)

    return change


def _files(places: Sequence[Path]) -> list[Path]:
    """Each file once, those of the first place first; folders that cannot be read hold none."""
    files: dict[Path, None] = {}
    for place in places:
        depth = len(place.parts) + _DEPTH
        for name, folders, _ in os.walk(place):
            folder = Path(name)
            folders[:] = sorted(
                each
                for each in folders
                if not each.startswith(".") and not is_slide_folder(folder / each)
            )
            if len(folder.parts) >= depth:
                folders.clear()
            try:
                files.update(dict.fromkeys(slides_in(folder)))
            except OSError as error:
                _log.info("Passed over while looking for slides: %s", error)
    return list(files)


def _identity(path: Path) -> str:
    try:
        return identity_of(path)
    except SlideError as error:
        _log.info("Passed over while looking for slides: %s", error)
        return ""


def _size(path: Path) -> int:
    """Return the size of a file in bytes; -1 where it cannot be told."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _file_name(slide: ProjectSlide) -> str:
    return slide.path.rpartition("/")[2]
