"""The slides that a command or a page names: slides, folders and lists of them, and projects."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from viewer.cohort.bucket_slides import is_bucket_folder, slides_in_bucket
from viewer.cohort.errors import BatchError
from viewer.cohort.slide_lists import is_slide_list, read_slide_list
from viewer.errors import reason_of
from viewer.plain_text import shown_text
from viewer.slides.errors import SlideError
from viewer.slides.files.slide_folders import is_slide_folder
from viewer.slides.opener import check_name
from viewer.slides.remote.address import is_address, slide_path
from viewer.slides.tray import slides_in
from viewer.studies.finding import (
    MOST_OPENED_UNASKED,
    find_slides,
    missing_slides,
    neighborhood,
)
from viewer.studies.project import slide_path as project_slide_path
from viewer.studies.project_file import ProjectError, is_project, project_folder, read_project

if TYPE_CHECKING:
    from collections.abc import Iterable


class NamedSlides(msgspec.Struct):
    """What was named.

    Attributes
    ----------
    slides
        Path and name of each, every path once.
    is_list
        Whether a folder or a project was named, or more than one slide.
    problems
        A sentence for each thing that gives no slides, or not all.
    missing
        Names of slides that cannot be run, such as those of a project that are not found; each
        has its sentence in `problems`.
    """

    slides: list[tuple[Path, str]] = msgspec.field(default_factory=list[tuple[Path, str]])
    is_list: bool = False
    problems: list[str] = msgspec.field(default_factory=list[str])
    missing: list[tuple[str, str]] = msgspec.field(default_factory=list[tuple[str, str]])


def named_slides(paths: Iterable[Path]) -> NamedSlides:
    """Return the slides of paths. Opens slides only where a project's were moved."""
    found = NamedSlides()
    given = [slide_path(path) for path in paths]
    found.is_list = len(given) > 1
    for path in given:
        if is_project(path):
            found.is_list = True
            _add_project(found, project_folder(path))
        elif is_slide_list(path):
            found.is_list = True
            _add_list(found, path)
        elif is_bucket_folder(path):
            found.is_list = True
            _add_bucket(found, path)
        elif path.is_dir() and not is_slide_folder(path):
            found.is_list = True
            _add_folder(found, path)
        else:
            found.slides.append((path, path.name))
    _leave_out_unnamable(found)
    found.slides = list({path: (path, name) for path, name in found.slides}.values())
    return found


def _leave_out_unnamable(found: NamedSlides) -> None:
    """Have a slide whose name no list can hold cost no other."""
    kept: list[tuple[Path, str]] = []
    for path, name in found.slides:
        try:
            check_name(path)
        except SlideError as error:
            found.problems.append(str(error))
            found.missing.append((shown_text(name), str(error)))
        else:
            kept.append((path, name))
    found.slides = kept


def _add_folder(found: NamedSlides, folder: Path) -> None:
    try:
        slides = slides_in(folder)
    except OSError as error:
        found.problems.append(f"{folder} cannot be read ({reason_of(error)}).")
        return
    if not slides:
        found.problems.append(f"There are no slides in {folder}.")
    found.slides += [(slide, slide.name) for slide in slides]


def _add_list(found: NamedSlides, file: Path) -> None:
    try:
        slides = read_slide_list(file)
    except BatchError as error:
        found.problems.append(str(error))
        return
    for path in slides:
        # Asked in this way, what can be no name is a file that is not there.
        if not is_address(path) and os.path.isdir(path) and not is_slide_folder(path):
            _add_folder(found, path)
        elif is_address(path) or os.path.exists(path):
            found.slides.append((path, path.name))
        else:
            name = shown_text(path.name)
            sentence = f"{name} is missing: {file.name} expects it at {shown_text(str(path))}."
            found.problems.append(sentence)
            found.missing.append((name, sentence))


def _add_bucket(found: NamedSlides, folder: Path) -> None:
    try:
        slides = slides_in_bucket(folder)
    except BatchError as error:
        found.problems.append(str(error))
        return
    if not slides:
        found.problems.append(f"There are no slides in {folder}.")
    found.slides += [(slide, unquote(slide.name)) for slide in slides]


def _add_project(found: NamedSlides, folder: Path) -> None:
    try:
        project = read_project(folder)
    except ProjectError as error:
        found.problems.append(str(error))
        return
    if not project.slides:
        found.problems.append(f"There are no slides in the project {folder}.")
    missing = missing_slides(project, folder)
    places = (
        find_slides(missing, neighborhood(folder), most_opened=MOST_OPENED_UNASKED)
        if missing
        else {}
    )
    absent = {slide.identity for slide in missing} - places.keys()
    for slide in project.slides:
        path = places.get(slide.identity) or project_slide_path(slide, folder)
        if slide.identity in absent:
            sentence = f"{slide.shown_name} is missing: the project expects it at {path}."
            found.problems.append(sentence)
            found.missing.append((slide.shown_name, sentence))
        else:
            found.slides.append((path, slide.shown_name))
