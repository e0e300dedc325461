"""From a project of QuPath to slides and annotations of ours."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.document import adding
from viewer.annotations.formats.exchange import read_annotations
from viewer.annotations.formats.problems import AnnotationFileError, Problems
from viewer.annotations.formats.slide_place import SlidePlace
from viewer.annotations.storage.annotation_paths import annotations_path
from viewer.annotations.storage.slide_file import kept_annotations, open_annotations
from viewer.annotations.storage.store import AnnotationStoreError, Stamped
from viewer.folders import data_folder
from viewer.plurals import plural
from viewer.resource_files import resource
from viewer.slides import open_slide
from viewer.slides.errors import SlideError
from viewer.studies.finding import identity_of
from viewer.studies.project import Project, ProjectSlide, stored_path
from viewer.studies.project_file import create_project, is_project
from viewer.studies.qupath_project import read_qupath_project

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.studies.qupath_project import QuPathImage, QuPathProject

_FOLDER = "coverslip"
EXPORT_SCRIPT = resource("qupath", "export_annotations.groovy")


class TakenOver(msgspec.Struct, frozen=True):
    """What became of a project.

    Attributes
    ----------
    annotations
        Objects that were added to the slides.
    left_out
        A sentence for each image or object that was not taken, or not as it was.
    """

    slides: tuple[ProjectSlide, ...]
    annotations: int
    left_out: list[str]


def taken_over(project: QuPathProject, folder: Path) -> TakenOver:
    """Open the images of a project once, and add what was drawn on them to their annotations."""
    slides: dict[str, ProjectSlide] = {}
    left_out: list[str] = []
    count = 0
    for image in project.images:
        if image.path is None:
            left_out.append(f"{image.name} was left out: {image.reason}.")
            continue
        try:
            identity = identity_of(image.path)
        except SlideError as error:
            left_out.append(f"{image.name} was left out: {error}")
            continue
        if identity in slides:
            left_out.append(f"{image.name} was left out: its slide is in the project already.")
            continue
        slides[identity] = ProjectSlide(
            identity=identity,
            path=stored_path(image.path, folder),
            name=image.name,
            note=image.note,
            case=image.place.case,
            block=image.place.block,
            stain=image.place.stain,
        )
        count += _add_annotations(image, identity, left_out)
    return TakenOver(tuple(slides.values()), count, left_out)


def unread_sentence(project: QuPathProject) -> str:
    """Return what could not be taken of the objects, and how to get it.

    Empty where nothing is left.
    """
    if not project.unread:
        return ""
    return (
        f"The objects of {plural(project.unread, 'image')} are in QuPath's own data.qpdata, which "
        f"is not read: run {EXPORT_SCRIPT} in QuPath, which writes them as GeoJSON."
    )


def project_beside(path: Path) -> tuple[Path | None, list[str]]:
    """Make a project of ours beside QuPath's, or find the one that was made before.

    It lies in the user's data folder where QuPath's cannot be written to.

    Returns
    -------
    tuple
        Its folder, None where no image opens; and what was left out, a sentence each.

    Raises
    ------
    QuPathProjectError, ProjectError
        The project cannot be read, or none can be written.
    """
    home = path.absolute().parent
    folder = home / _FOLDER
    if not os.access(home, os.W_OK):
        folder = data_folder() / "projects" / f"{home.name}-{_FOLDER}"
    if is_project(folder):
        return folder, []
    read = read_qupath_project(path)
    taken = taken_over(read, folder)
    left_out = [*taken.left_out, *filter(None, [unread_sentence(read)])]
    if not taken.slides:
        return None, left_out
    made = Project(title=read.title, slides=taken.slides, palette=read.palette)
    create_project(folder, made)
    return folder, left_out


def _place(slide: Path) -> SlidePlace:
    """Return where QuPath's places lie on a slide."""
    with closing(open_slide(slide)) as source:
        return SlidePlace.of(source)


def _add_annotations(image: QuPathImage, identity: str, left_out: list[str]) -> int:
    """Return how many were new."""
    if image.annotations is None or image.path is None:
        return 0
    problems = Problems()
    try:
        known = {each.id for each in kept_annotations(identity, image.path)}
        read = [
            each
            for each in read_annotations(image.annotations, problems, slide=_place(image.path))
            if each.id not in known
        ]
        left_out += [f"{image.annotations.name}, {problem}." for problem in problems]
        if not read:
            return 0
        opened = open_annotations(annotations_path(identity, image.path))
        try:
            if opened.is_read_only:
                left_out.append(
                    f"{image.annotations.name} was left out: a window draws on its slide."
                )
                return 0
            opened.store.write([Stamped.now(adding("Import from QuPath", read))])
        finally:
            opened.close()
    except (AnnotationFileError, AnnotationStoreError, SlideError) as error:
        left_out.append(str(error))
        return 0
    except sqlite3.Error as error:
        left_out.append(f"The annotations of {image.name} cannot be saved ({error}).")
        return 0
    return len(read)
